// Decides the order in which a simulation's events happen: by (time, sequence), so that two events of one instant
// happen in the order they were scheduled. A 4-ary heap on typed arrays with pooled slots; no object is made per event.
// Cancelling empties the slot and leaves the heap entry, which is dropped when it surfaces or when such entries are
// most of the heap.
//
// Invariants: what pop gives never goes back in (time, sequence); a handle cancels at most its own event, also after
// its slot was used again. It knows nothing of what an event means.

import { invariant } from "../protocol/invariant.ts"
import type { Micros } from "../protocol/time.ts"

/** Whatever can be told that the instant it scheduled has come. `kind` and `subject` are its own. */
export interface EventTarget {
  readonly fire: (kind: number, subject: unknown) => void
}

/** Names a scheduled event; 0 names none. */
export type EventHandle = number

const slotLimit = 0x1000000
const generationLimit = 0x10000000

export class EventQueue {
  // The heap: keys beside the slot, so that sifting touches three flat arrays only.
  #times = new Float64Array(1024)
  #sequences = new Float64Array(1024)
  #slots = new Int32Array(1024)
  #size = 0
  #cancelled = 0
  #sequence = 0

  // The slots.
  #generations = new Int32Array(1024)
  #kinds = new Int32Array(1024)
  #hosts = new Int32Array(1024)
  readonly #targets: Array<EventTarget | undefined> = []
  readonly #subjects: unknown[] = []
  #free = new Int32Array(1024)
  #freeCount = 0
  #slotCount = 1

  /** The event that pop gave last. */
  time: Micros = 0
  sequence = 0
  kind = 0
  host = 0
  target: EventTarget | undefined
  subject: unknown

  /** Events that will happen, cancelled ones not counted. */
  get pending(): number {
    return this.#size - this.#cancelled
  }

  push(time: Micros, target: EventTarget, kind: number, host: number, subject: unknown): EventHandle {
    const slot = this.#takeSlot()
    this.#targets[slot] = target
    this.#subjects[slot] = subject
    this.#kinds[slot] = kind
    this.#hosts[slot] = host
    if (this.#size === this.#times.length) this.#growHeap()
    this.#siftUp(this.#size++, time, ++this.#sequence, slot)
    return this.#generations[slot]! * slotLimit + slot
  }

  /** Makes the event not happen; says whether it was still to come. */
  cancel(handle: EventHandle): boolean {
    const slot = handle % slotLimit
    if (slot === 0 || this.#generations[slot] !== (handle - slot) / slotLimit) return false
    if (this.#targets[slot] === undefined) return false
    this.#targets[slot] = undefined
    this.#subjects[slot] = undefined
    this.#cancelled++
    if (this.#cancelled > 1024 && this.#cancelled * 2 > this.#size) this.#compact()
    return true
  }

  /** Takes the earliest event into the fields above; false when there is none. */
  pop(): boolean {
    while (this.#size > 0) {
      const slot = this.#slots[0]!
      const time = this.#times[0]!
      const sequence = this.#sequences[0]!
      this.#removeRoot()
      const target = this.#targets[slot]
      const subject = this.#subjects[slot]
      this.#releaseSlot(slot)
      if (target === undefined) {
        this.#cancelled--
        continue
      }
      this.time = time
      this.sequence = sequence
      this.kind = this.#kinds[slot]!
      this.host = this.#hosts[slot]!
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
    if (slot === this.#generations.length) this.#growSlots()
    return slot
  }

  #releaseSlot(slot: number): void {
    this.#targets[slot] = undefined
    this.#subjects[slot] = undefined
    this.#generations[slot] = (this.#generations[slot]! + 1) % generationLimit
    this.#free[this.#freeCount++] = slot
  }

  #siftUp(start: number, time: number, sequence: number, slot: number): void {
    const times = this.#times
    const sequences = this.#sequences
    const slots = this.#slots
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 2
      const parentTime = times[parent]!
      if (parentTime < time || (parentTime === time && sequences[parent]! < sequence)) break
      times[at] = parentTime
      sequences[at] = sequences[parent]!
      slots[at] = slots[parent]!
      at = parent
    }
    times[at] = time
    sequences[at] = sequence
    slots[at] = slot
  }

  #siftDown(start: number, time: number, sequence: number, slot: number): void {
    const times = this.#times
    const sequences = this.#sequences
    const slots = this.#slots
    const size = this.#size
    let at = start
    for (;;) {
      const first = 4 * at + 1
      if (first >= size) break
      const end = first + 4 < size ? first + 4 : size
      let least = first
      let leastTime = times[first]!
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child]!
        if (childTime < leastTime || (childTime === leastTime && sequences[child]! < sequences[least]!)) {
          least = child
          leastTime = childTime
        }
      }
      if (time < leastTime || (time === leastTime && sequence < sequences[least]!)) break
      times[at] = leastTime
      sequences[at] = sequences[least]!
      slots[at] = slots[least]!
      at = least
    }
    times[at] = time
    sequences[at] = sequence
    slots[at] = slot
  }

  #removeRoot(): void {
    const last = --this.#size
    if (last > 0) this.#siftDown(0, this.#times[last]!, this.#sequences[last]!, this.#slots[last]!)
  }

  #compact(): void {
    let kept = 0
    for (let index = 0; index < this.#size; index++) {
      const slot = this.#slots[index]!
      if (this.#targets[slot] === undefined) {
        this.#releaseSlot(slot)
        continue
      }
      this.#times[kept] = this.#times[index]!
      this.#sequences[kept] = this.#sequences[index]!
      this.#slots[kept] = slot
      kept++
    }
    this.#size = kept
    this.#cancelled = 0
    for (let at = (kept - 2) >> 2; at >= 0; at--) {
      this.#siftDown(at, this.#times[at]!, this.#sequences[at]!, this.#slots[at]!)
    }
  }

  #growHeap(): void {
    this.#times = grown(this.#times, Float64Array)
    this.#sequences = grown(this.#sequences, Float64Array)
    this.#slots = grown(this.#slots, Int32Array)
  }

  #growSlots(): void {
    this.#generations = grown(this.#generations, Int32Array)
    this.#kinds = grown(this.#kinds, Int32Array)
    this.#hosts = grown(this.#hosts, Int32Array)
    this.#free = grown(this.#free, Int32Array)
  }
}

const grown = <A extends Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
  array: A,
  make: new (length: number) => A
): A => {
  const larger = new make(array.length * 2)
  larger.set(array)
  return larger
}
