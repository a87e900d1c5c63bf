// Decides how long bytes take on a host's access links. Model of this file, kept behind UplinkQueue and the functions
// below so that an exact max-min model can replace it:
//
// - A bulk frame (a Piece, a chunk of an HTTP body) has the sender's uplink to itself for size / rate, first come first
//   served, then the receiver's downlink the same way, cut through: it is delivered at
//   max(end on the uplink + latency, start on the downlink + size / rate).
// - A control frame (at most `bulkThreshold` bytes) goes between bulk: it waits for other control frames only, pays
//   latency and its serialisation on both links, and what it takes is added to the bulk behind it.
//
// So a link never carries more than its rate, and a frame costs O(1). What the model cannot show: two bulk frames that
// share a link side by side (they go one after the other), and a fabric that is itself the bottleneck. Access-link FIFO
// with whole pieces is also what Kraken's limiter does (shared reference, simulation, B).
//
// Instants of links are fractions of a microsecond, so that rounding costs no capacity; events are on whole ones,
// rounded up.

import type { Micros } from "../protocol/time.ts"

/** Frames up to this many bytes are control. */
export const bulkThreshold = 16 * 1024

export interface LinkRates {
  /** Bytes a second. */
  readonly uplink: number
  readonly downlink: number
}

/** What the uplink knows of a frame. */
export interface QueuedFrame {
  readonly size: number
  queuedAt: number
  startedAt: number
  nextQueued: QueuedFrame | undefined
}

/** A host's two access links. */
export class AccessLinks<Frame extends QueuedFrame> {
  /** Microseconds a byte. */
  uplinkCost: number
  downlinkCost: number
  /** The bulk frame on the uplink. */
  current: Frame | undefined
  #head: Frame | undefined
  #tail: Frame | undefined
  #queuedBytes = 0
  #uplinkIdle = true
  #uplinkFreeAt = 0
  #controlFreeAt = 0
  #controlDebt = 0
  #downlinkFreeAt = 0

  constructor(rates: LinkRates) {
    this.uplinkCost = 1e6 / rates.uplink
    this.downlinkCost = 1e6 / rates.downlink
  }

  setRates(rates: LinkRates): void {
    this.uplinkCost = 1e6 / rates.uplink
    this.downlinkCost = 1e6 / rates.downlink
  }

  /** Bytes of bulk waiting behind the one on the uplink. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** When a control frame sent now has left. */
  sendControl(size: number, now: Micros): number {
    const work = size * this.uplinkCost
    const left = Math.max(now, this.#controlFreeAt) + work
    this.#controlFreeAt = left
    if (this.current !== undefined) this.#controlDebt += work
    return left
  }

  /** What a control frame takes of the downlink is added to the bulk that is booked on it. */
  receiveControl(size: number, now: Micros): void {
    if (this.#downlinkFreeAt > now) this.#downlinkFreeAt += size * this.downlinkCost
  }

  enqueue(frame: Frame, now: Micros): void {
    frame.queuedAt = now
    frame.nextQueued = undefined
    if (this.#tail === undefined) this.#head = frame
    else this.#tail.nextQueued = frame
    this.#tail = frame
    this.#queuedBytes += frame.size
  }

  /** Takes the next frame off the queue and onto nothing: for frames whose connection is gone. */
  dequeue(): Frame | undefined {
    const frame = this.#head
    if (frame === undefined) return undefined
    this.#head = frame.nextQueued as Frame | undefined
    if (this.#head === undefined) this.#tail = undefined
    frame.nextQueued = undefined
    this.#queuedBytes -= frame.size
    return frame
  }

  /** Puts a frame on the idle uplink; gives when its last byte has left. */
  start(frame: Frame): number {
    const start = Math.max(frame.queuedAt, this.#uplinkFreeAt, this.#uplinkIdle ? this.#controlFreeAt : 0)
    frame.startedAt = start
    this.current = frame
    this.#uplinkFreeAt = start + frame.size * this.uplinkCost + this.#controlDebt
    this.#controlDebt = 0
    this.#uplinkIdle = false
    return this.#uplinkFreeAt
  }

  /** The frame on the uplink has left. */
  finish(): void {
    this.current = undefined
    this.#uplinkIdle = this.#head === undefined
    if (!this.#uplinkIdle) return
    this.#uplinkFreeAt += this.#controlDebt
    this.#controlDebt = 0
  }

  /** Books the downlink for a bulk frame whose first byte comes at `firstByte` and last at `lastByte`; gives when it is whole. */
  receiveBulk(size: number, firstByte: number, lastByte: number): number {
    const start = Math.max(firstByte, this.#downlinkFreeAt)
    this.#downlinkFreeAt = start + size * this.downlinkCost
    return Math.max(lastByte, this.#downlinkFreeAt)
  }
}
