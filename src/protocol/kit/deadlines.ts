// Timer queue of a host: a binary heap of deadlines. Each deadline knows its own slot, so moving one costs O(log n) and
// allocates nothing; the deadline of a neighbour moves several times per piece.
//
// Invariants: `next` is exact; deadlines of the same instant fire in the order in which they were made. It does not
// know what a deadline is for or what time it is.

import type { Micros } from "./time.ts"

export class Deadline {
  /** The instant at which it fires; undefined while it is not scheduled. */
  at: Micros | undefined = undefined
  /** Slot in the heap; -1 while it is not scheduled. Only DeadlineQueue writes it. */
  slot = -1
  readonly order: number
  readonly #fire: (now: Micros, subject: never) => void
  readonly #subject: unknown

  constructor(order: number, fire: (now: Micros, subject: never) => void, subject: unknown) {
    this.order = order
    this.#fire = fire
    this.#subject = subject
  }

  fire(now: Micros): void {
    this.#fire(now, this.#subject as never)
  }
}

export class DeadlineQueue {
  readonly #heap: Deadline[] = []
  #made = 0
  /** The earliest instant at which something is due. It is read after every step, so it is kept in a field. */
  next: Micros | undefined = undefined

  /** A deadline that is not scheduled yet. `fire` is called once each time it comes due. */
  make(fire: (now: Micros) => void): Deadline {
    return new Deadline(this.#made++, fire, undefined)
  }

  /** Like `make`, for one of many subjects: their deadlines share `fire`, which gets the subject. */
  makeFor<Subject>(subject: Subject, fire: (now: Micros, subject: Subject) => void): Deadline {
    return new Deadline(this.#made++, fire, subject)
  }

  /** The number of scheduled deadlines. */
  get size(): number {
    return this.#heap.length
  }

  /** Schedules `deadline` for `at`, or cancels it when `at` is undefined. */
  set(deadline: Deadline, at: Micros | undefined): void {
    if (at === deadline.at) return
    if (at === undefined) {
      this.#remove(deadline)
      return
    }
    deadline.at = at
    if (deadline.slot < 0) {
      deadline.slot = this.#heap.length
      this.#heap.push(deadline)
      this.#rise(deadline)
    } else {
      this.#rise(deadline)
      this.#sink(deadline)
    }
    this.next = this.#heap[0]!.at
  }

  /**
   * Makes sure that `deadline` fires no later than `at`. A deadline that fires earlier stays where it is. This is for
   * timeouts that move away with every answer: their owner checks again when it is woken early.
   */
  setAtLatest(deadline: Deadline, at: Micros): void {
    if (deadline.at === undefined || at < deadline.at) this.set(deadline, at)
  }

  /** Fires everything that is due at `now`, earliest first, including what is scheduled meanwhile. */
  fireDue(now: Micros): void {
    while (this.next !== undefined && this.next <= now) {
      const due = this.#heap[0]!
      this.#remove(due)
      due.fire(now)
    }
  }

  #remove(deadline: Deadline): void {
    const slot = deadline.slot
    deadline.at = undefined
    deadline.slot = -1
    const last = this.#heap.pop()!
    if (last !== deadline) {
      this.#heap[slot] = last
      last.slot = slot
      this.#rise(last)
      this.#sink(last)
    }
    this.next = this.#heap[0]?.at
  }

  #rise(deadline: Deadline): void {
    const heap = this.#heap
    let slot = deadline.slot
    while (slot > 0) {
      const parentSlot = (slot - 1) >> 1
      const parent = heap[parentSlot]!
      if (!isBefore(deadline, parent)) break
      heap[slot] = parent
      parent.slot = slot
      slot = parentSlot
    }
    heap[slot] = deadline
    deadline.slot = slot
  }

  #sink(deadline: Deadline): void {
    const heap = this.#heap
    let slot = deadline.slot
    for (;;) {
      let childSlot = 2 * slot + 1
      if (childSlot >= heap.length) break
      if (childSlot + 1 < heap.length && isBefore(heap[childSlot + 1]!, heap[childSlot]!)) childSlot++
      const child = heap[childSlot]!
      if (!isBefore(child, deadline)) break
      heap[slot] = child
      child.slot = slot
      slot = childSlot
    }
    heap[slot] = deadline
    deadline.slot = slot
  }
}

const isBefore = (one: Deadline, other: Deadline): boolean =>
  one.at! < other.at! || (one.at === other.at && one.order < other.order)
