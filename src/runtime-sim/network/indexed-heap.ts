// A 4-ary heap of small integers by a key that can change. Several heaps may share one table of keys, if no item is in
// two of them at once: an item is then found by its number alone, and all keys lie in one array.
//
// Invariant: `first` has the least key. Items of equal keys come in an order that depends on calls only.

/** Keys and places of items, by their numbers. */
export class HeapKeys {
  keys = new Float64Array(64)
  /** Place in the heap of the item, or -1 when it is in none. */
  places = new Int32Array(64).fill(-1)

  /** Makes room for this item. */
  include(item: number): void {
    while (item >= this.keys.length) {
      const { keys, places } = this
      this.keys = new Float64Array(keys.length * 2)
      this.keys.set(keys)
      this.places = new Int32Array(places.length * 2).fill(-1)
      this.places.set(places)
    }
  }
}

export class IndexedHeap {
  readonly #table: HeapKeys
  readonly #items: number[] = []

  constructor(table: HeapKeys) {
    this.#table = table
  }

  get size(): number {
    return this.#items.length
  }

  /** The item of least key, or -1. */
  get first(): number {
    return this.#items.length === 0 ? -1 : this.#items[0]!
  }

  /** Adds an item, or moves it to its new key. */
  set(item: number, key: number): void {
    const { keys, places } = this.#table
    const place = places[item]!
    if (place < 0) {
      keys[item] = key
      this.#rise(this.#items.push(item) - 1, item)
      return
    }
    const before = keys[item]!
    keys[item] = key
    if (key < before) this.#rise(place, item)
    else if (key > before) this.#sink(place, item)
  }

  /** Takes an item out, if it is in. */
  remove(item: number): void {
    const { keys, places } = this.#table
    const place = places[item]!
    if (place < 0) return
    places[item] = -1
    const last = this.#items.pop()!
    if (last === item) return
    if (keys[last]! < keys[item]!) this.#rise(place, last)
    else this.#sink(place, last)
  }

  #rise(start: number, item: number): void {
    const { keys, places } = this.#table
    const items = this.#items
    const key = keys[item]!
    let place = start
    while (place > 0) {
      const parentPlace = (place - 1) >> 2
      const parent = items[parentPlace]!
      if (keys[parent]! <= key) break
      items[place] = parent
      places[parent] = place
      place = parentPlace
    }
    items[place] = item
    places[item] = place
  }

  #sink(start: number, item: number): void {
    const { keys, places } = this.#table
    const items = this.#items
    const key = keys[item]!
    const size = items.length
    let place = start
    for (;;) {
      const firstChild = 4 * place + 1
      if (firstChild >= size) break
      let least = firstChild
      const end = Math.min(firstChild + 4, size)
      for (let child = firstChild + 1; child < end; child++) {
        if (keys[items[child]!]! < keys[items[least]!]!) least = child
      }
      const other = items[least]!
      if (keys[other]! >= key) break
      items[place] = other
      places[other] = place
      place = least
    }
    items[place] = item
    places[item] = place
  }
}
