// Lists of small integers, many and mostly short, in one typed array: the flows on each link. An array object per list
// would be two more places in memory to wait for at every change, and would be allocated again whenever it shrinks and
// grows.
//
// Invariants: the items of a list are `items[start]` to `items[start + length - 1]`; a list that outgrows its room
// moves, and leaves its room to another list that needs that much. `items` is replaced when it is full, so a caller
// reads it again after a push.

/** Room of a list that has its first item. */
const firstRoom = 8

// What is known of a list, a row of integers.
const headLength = 4
const startAt = 0
const lengthAt = 1
const roomAt = 2

export class IntegerLists {
  /** The items of all lists. Read-only outside of this class, but for the order of the items of a list. */
  items = new Int32Array(1024)
  #end = 0
  #heads = new Int32Array(64 * headLength)
  #count = 0
  /** By room: the starts of rooms that no list uses. */
  readonly #free = new Map<number, number[]>()

  /** Adds an empty list and returns its number: 0, 1, ... */
  add(): number {
    const list = this.#count++
    if (this.#count * headLength > this.#heads.length) this.#heads = longer(this.#heads)
    return list
  }

  start(list: number): number {
    return this.#heads[list * headLength + startAt]!
  }

  length(list: number): number {
    return this.#heads[list * headLength + lengthAt]!
  }

  /** Adds an item at the end of a list, and returns its place there. */
  push(list: number, item: number): number {
    const head = list * headLength
    const place = this.#heads[head + lengthAt]!
    if (place === this.#heads[head + roomAt]) this.#move(head)
    const heads = this.#heads
    this.items[heads[head + startAt]! + place] = item
    heads[head + lengthAt] = place + 1
    return place
  }

  /** Takes the last item of a list, which has one. */
  pop(list: number): number {
    const heads = this.#heads
    const head = list * headLength
    const place = heads[head + lengthAt]! - 1
    heads[head + lengthAt] = place
    return this.items[heads[head + startAt]! + place]!
  }

  /** Gives a list that is full twice the room. */
  #move(head: number): void {
    const heads = this.#heads
    const before = heads[head + startAt]!
    const room = heads[head + roomAt]!
    const start = this.#take(room === 0 ? firstRoom : 2 * room)
    this.items.copyWithin(start, before, before + room)
    heads[head + startAt] = start
    heads[head + roomAt] = room === 0 ? firstRoom : 2 * room
    if (room === 0) return
    const free = this.#free.get(room)
    if (free === undefined) this.#free.set(room, [before])
    else free.push(before)
  }

  #take(room: number): number {
    const free = this.#free.get(room)?.pop()
    if (free !== undefined) return free
    const start = this.#end
    this.#end += room
    while (this.#end > this.items.length) this.items = longer(this.items)
    return start
  }
}

const longer = (from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
  const to = new Int32Array(from.length * 2)
  to.set(from)
  return to
}
