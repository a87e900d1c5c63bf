// The trace of a run: a rolling hash over every event (time, sequence, kind, host) and over the numbers that its
// handler adds (message, channel, piece, size). Two runs with equal hashes are the same run. The hash has two 32-bit
// lanes of multiply and rotate, at a few nanoseconds per number. Text never enters it: hosts and messages enter as
// numbers.
//
// Every `checkpointEvery` events the trace keeps the hash, so that two runs that differ can be compared without a
// log. A second run can then record a window of events in words and show the first one that differs.

import type { Micros } from "../../protocol/kit/time.ts"

/** One event in words, for first-divergence reports. */
export interface TraceRecord {
  readonly index: number
  readonly time: Micros
  readonly sequence: number
  readonly kind: number
  readonly host: number
  readonly hash: string
}

export interface TraceWindow {
  readonly from: number
  readonly to: number
}

const checkpointEvery = 1024

export class Trace {
  #a = 0x9e3779b9 | 0
  #b = 0x85ebca6b | 0
  #events = 0
  readonly #checkpoints: number[] = []
  readonly #window: TraceWindow | undefined
  readonly #records: TraceRecord[] = []

  /** @param window Range of events, by index, that is recorded in words. */
  constructor(window?: TraceWindow) {
    this.#window = window
  }

  /** Adds an event that is about to happen. */
  event(time: Micros, sequence: number, kind: number, host: number): void {
    this.number(time | 0)
    this.number((time / 0x100000000) | 0)
    this.number(sequence | 0)
    this.number((kind << 24) ^ host)
    const index = this.#events++
    if ((index & (checkpointEvery - 1)) === 0) this.#checkpoints.push(this.#a, this.#b)
    const window = this.#window
    if (window !== undefined && index >= window.from && index < window.to) {
      this.#records.push({ index, time, sequence, kind, host, hash: this.digest() })
    }
  }

  /** Adds a number, modulo 2^32. */
  number(value: number): void {
    const a = Math.imul(this.#a ^ value, 0x85ebca6b)
    this.#a = (a << 13) | (a >>> 19)
    const b = Math.imul(this.#b + value, 0xc2b2ae35)
    this.#b = ((b << 17) | (b >>> 15)) ^ this.#a
  }

  /** Number of events so far. */
  get events(): number {
    return this.#events
  }

  get records(): readonly TraceRecord[] {
    return this.#records
  }

  /** The hash so far, as 16 hex digits. */
  digest(): string {
    return hex(finish(this.#a)) + hex(finish(this.#b ^ this.#events))
  }

  /**
   * The range of events, at most 1024 long, in which this run first differs from `other`; undefined when neither
   * their checkpoints nor their ends differ. To find the event, run both again with the range as window and compare
   * the records.
   */
  firstDifference(other: Trace): TraceWindow | undefined {
    const mine = this.#checkpoints
    const theirs = other.#checkpoints
    const shared = Math.min(mine.length, theirs.length)
    for (let index = 0; index < shared; index += 2) {
      if (mine[index] === theirs[index] && mine[index + 1] === theirs[index + 1]) continue
      const at = (index / 2) * checkpointEvery
      return { from: Math.max(0, at - checkpointEvery), to: at + 1 }
    }
    if (this.digest() === other.digest()) return undefined
    const at = Math.max(0, shared / 2 - 1) * checkpointEvery
    return { from: at, to: at + checkpointEvery }
  }
}

/** Mixes the lane so that neighbouring states look unrelated (the finaliser of MurmurHash3). */
const finish = (lane: number): number => {
  let mixed = lane
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Mixes three numbers into 32 bits for `number`: the subject of an event, mixed where the event is made. */
export const mixNumbers = (first: number, second: number, third: number): number => {
  let mixed = Math.imul(first ^ 0x9e3779b9, 0x85ebca6b)
  mixed = Math.imul((mixed ^ (mixed >>> 15)) + second, 0xc2b2ae35)
  return Math.imul((mixed ^ (mixed >>> 13)) + third, 0x27d4eb2f)
}

const hex = (value: number): string => value.toString(16).padStart(8, "0")
