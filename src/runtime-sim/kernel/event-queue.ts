// The event queue of a simulation. It orders events by (time, sequence), so that two events of one instant happen in
// the order in which they were scheduled. It is a 4-ary heap on a typed array with pooled slots: no object is made
// per event, and the fields of one event lie together, because waiting for memory is most of the cost of an event.
// Cancelling empties the slot and leaves the heap entry, which is dropped when it surfaces or when such entries are
// most of the heap.
//
// Invariants: the pops never go back in (time, sequence); a handle cancels at most its own event, also after its slot
// was reused. The queue does not know what an event means.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"

/** The target of an event, called at the scheduled instant. `kind`, `subject` and `detail` are its own. */
export interface EventTarget {
  readonly fire: (kind: number, subject: unknown, detail: number) => void
}

/** The name of a scheduled event. 0 names none. */
export type EventHandle = number

// A heap entry is two doubles: the time, and sequence x slotLimit + slot, which orders like the sequence.
const slotLimit = 0x200000
const sequenceLimit = 0x100000000
const generationLimit = 0x40000000

// A slot is four integers and two references.
const generationAt = 0
const kindAt = 1
const hostAt = 2
const detailAt = 3

export class EventQueue {
  #heap = new Float64Array(2048)
  #size = 0
  #cancelled = 0
  #sequence = 0
  #slots = new Int32Array(4096)
  readonly #references: unknown[] = []
  #free = new Int32Array(1024)
  #freeCount = 0
  #slotCount = 1

  /** Time of the event that the last pop returned. The next fields belong to the same event. */
  time: Micros = 0
  sequence = 0
  kind = 0
  host = 0
  detail = 0
  target: EventTarget | undefined
  subject: unknown

  /** Events that will happen. Cancelled ones do not count. */
  get pending(): number {
    return this.#size - this.#cancelled
  }

  /** `kind`, `host` and `detail` are 32-bit integers. */
  push(
    time: Micros,
    target: EventTarget,
    kind: number,
    host: number,
    subject: unknown,
    detail: number
  ): EventHandle {
    const slot = this.#takeSlot()
    const at = slot * 4
    const slots = this.#slots
    slots[at + kindAt] = kind
    slots[at + hostAt] = host
    slots[at + detailAt] = detail
    this.#references[slot * 2] = target
    this.#references[slot * 2 + 1] = subject
    if (this.#size * 2 === this.#heap.length) this.#heap = grown(this.#heap, new Float64Array(this.#size * 4))
    const sequence = ++this.#sequence
    invariant(sequence < sequenceLimit, "event queue: more events than a run may have")
    this.#siftUp(this.#size++, time, sequence * slotLimit + slot)
    return slots[at + generationAt]! * slotLimit + slot
  }

  /** Cancels the event. Returns whether it was still pending. */
  cancel(handle: EventHandle): boolean {
    const generation = Math.floor(handle / slotLimit)
    const slot = handle - generation * slotLimit
    if (slot === 0 || this.#slots[slot * 4 + generationAt] !== generation) return false
    if (this.#references[slot * 2] === undefined) return false
    this.#references[slot * 2] = undefined
    this.#references[slot * 2 + 1] = undefined
    this.#cancelled++
    if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#size) this.#compact()
    return true
  }

  /** Takes the earliest event into the fields above. Returns false when there is none. */
  pop(): boolean {
    while (this.#size > 0) {
      const time = this.#heap[0]!
      const key = this.#heap[1]!
      const sequence = Math.floor(key / slotLimit)
      const slot = key - sequence * slotLimit
      this.#removeRoot()
      const target = this.#references[slot * 2] as EventTarget | undefined
      const subject = this.#references[slot * 2 + 1]
      this.#releaseSlot(slot)
      if (target === undefined) {
        this.#cancelled--
        continue
      }
      const slots = this.#slots
      this.time = time
      this.sequence = sequence
      this.kind = slots[slot * 4 + kindAt]!
      this.host = slots[slot * 4 + hostAt]!
      this.detail = slots[slot * 4 + detailAt]!
      this.target = target
      this.subject = subject
      return true
    }
    this.target = undefined
    this.subject = undefined
    return false
  }

  #takeSlot(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount]!
    const slot = this.#slotCount++
    invariant(slot < slotLimit, "event queue: more events pending than slots")
    if (slot * 4 === this.#slots.length) this.#slots = grown(this.#slots, new Int32Array(slot * 8))
    return slot
  }

  #releaseSlot(slot: number): void {
    this.#references[slot * 2] = undefined
    this.#references[slot * 2 + 1] = undefined
    const slots = this.#slots
    slots[slot * 4 + generationAt] = (slots[slot * 4 + generationAt]! + 1) % generationLimit
    if (this.#freeCount === this.#free.length) {
      this.#free = grown(this.#free, new Int32Array(this.#freeCount * 2))
    }
    this.#free[this.#freeCount++] = slot
  }

  #siftUp(start: number, time: number, key: number): void {
    const heap = this.#heap
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 2
      const parentTime = heap[2 * parent]!
      if (parentTime < time || (parentTime === time && heap[2 * parent + 1]! < key)) break
      heap[2 * at] = parentTime
      heap[2 * at + 1] = heap[2 * parent + 1]!
      at = parent
    }
    heap[2 * at] = time
    heap[2 * at + 1] = key
  }

  #siftDown(start: number, time: number, key: number): void {
    const heap = this.#heap
    const size = this.#size
    let at = start
    for (;;) {
      const first = 4 * at + 1
      if (first >= size) break
      const end = first + 4 < size ? first + 4 : size
      let least = first
      let leastTime = heap[2 * first]!
      for (let child = first + 1; child < end; child++) {
        const childTime = heap[2 * child]!
        if (
          childTime < leastTime ||
          (childTime === leastTime && heap[2 * child + 1]! < heap[2 * least + 1]!)
        ) {
          least = child
          leastTime = childTime
        }
      }
      if (time < leastTime || (time === leastTime && key < heap[2 * least + 1]!)) break
      heap[2 * at] = leastTime
      heap[2 * at + 1] = heap[2 * least + 1]!
      at = least
    }
    heap[2 * at] = time
    heap[2 * at + 1] = key
  }

  #removeRoot(): void {
    const last = --this.#size
    if (last > 0) this.#siftDown(0, this.#heap[2 * last]!, this.#heap[2 * last + 1]!)
  }

  #compact(): void {
    const heap = this.#heap
    let kept = 0
    for (let index = 0; index < this.#size; index++) {
      const key = heap[2 * index + 1]!
      const slot = key - Math.floor(key / slotLimit) * slotLimit
      if (this.#references[slot * 2] === undefined) {
        this.#releaseSlot(slot)
        continue
      }
      heap[2 * kept] = heap[2 * index]!
      heap[2 * kept + 1] = key
      kept++
    }
    this.#size = kept
    this.#cancelled = 0
    for (let at = (kept - 2) >> 2; at >= 0; at--) this.#siftDown(at, heap[2 * at]!, heap[2 * at + 1]!)
  }
}

const grown = <A extends Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(from: A, to: A): A => {
  to.set(from)
  return to
}
