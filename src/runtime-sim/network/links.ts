// The access links of hosts when frames use them one after the other, and every host's account of bytes. This is the
// arithmetic of the model "queue" (queue-links.ts); the fair models (fair-links.ts) use its accounts and its lane for
// control:
//
// - A bulk frame (a Piece, a chunk of an HTTP body) has the sender's uplink to itself for size / rate, in order of
//   arrival, then the receiver's downlink the same way, cut through: it is delivered at
//   max(end on the uplink + latency, start on the downlink + size / rate).
// - A control frame (at most `bulkThreshold` bytes) goes between bulk: it waits for other control frames only, pays
//   latency and its serialisation on both links, and its time is added to the bulk behind it.
//
// So a link never carries more than its rate, and a frame costs O(1). The model cannot show two bulk frames that
// share a link side by side (they go one after the other), an uplink that a busy downlink slows down (any number of
// bytes can wait between the two), and a fabric that is itself the bottleneck. FIFO access links with whole pieces
// are also what Kraken's limiter has (shared reference, simulation, B).
//
// A lost frame that goes again charges its bytes to the bulk behind it, like control.
//
// Instants of links are fractions of a microsecond, so that rounding costs no capacity; events are on whole ones,
// rounded up. All hosts lie in one table, one cache line per direction, because waiting for memory is the cost of a
// frame.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"

/** Frames up to this many bytes are control frames. */
export const bulkThreshold = 16 * 1024

export interface LinkRates {
  /** Bytes per second. */
  readonly uplink: number
  readonly downlink: number
}

/** The part of a frame that the links know: its place in the queue of an uplink. */
export interface QueuedFrame {
  readonly size: number
  nextQueued: QueuedFrame | undefined
}

/** Bytes of one host since the start. */
export interface HostBytes {
  readonly sent: number
  readonly received: number
  /** The part of the sent bytes that was lost. */
  readonly lost: number
}

/** The use of a link since the start. */
export interface LinkUse {
  /** Microseconds in which a bulk frame was on the link, at whatever rate. */
  readonly busy: number
  /** Bytes that it has carried for bulk frames, with those of the control frames that these waited for. */
  readonly bytes: number
}

/** The use of both access links of a host. */
export interface HostUse {
  readonly uplink: LinkUse
  readonly downlink: LinkUse
}

// A row has the uplink's cache line, then the downlink's.
const rowLength = 16
const uplinkFreeAt = 0
const controlFreeAt = 1
const controlDebt = 2
const currentStart = 3
const sentBytes = 4
const lostBytes = 5
const uplinkBusy = 6
const downlinkFreeAt = 8
const receivedBytes = 9
const downlinkBusyBefore = 10
const downlinkBusySince = 11

// Microseconds per byte, apart from the rows: a sender needs the receiver's, and all of them stay in the cache.
const costs = 2
const uplinkCost = 0
const downlinkCost = 1

/** The access links of all hosts, by host number. */
export class AccessLinks<Frame extends QueuedFrame> {
  #rows = new Float64Array(rowLength * 64)
  #costs = new Float64Array(costs * 64)
  /** The bulk frame on each uplink. */
  readonly #current: Array<Frame | undefined> = []
  readonly #heads: Array<Frame | undefined> = []
  readonly #tails: Array<Frame | undefined> = []

  /** Adds a host, or changes the rates of one. A frame that is already on a link keeps its time. */
  setRates(host: number, rates: LinkRates): void {
    invariant(rates.uplink > 0 && rates.downlink > 0, "links: a rate must be more than nothing")
    while ((host + 1) * rowLength > this.#rows.length) {
      this.#rows = doubled(this.#rows)
      this.#costs = doubled(this.#costs)
    }
    this.#costs[host * costs + uplinkCost] = 1e6 / rates.uplink
    this.#costs[host * costs + downlinkCost] = 1e6 / rates.downlink
  }

  bytes(host: number): HostBytes {
    const row = host * rowLength
    return {
      sent: this.#rows[row + sentBytes]!,
      received: this.#rows[row + receivedBytes]!,
      lost: this.#rows[row + lostBytes]!
    }
  }

  countSent(host: number, size: number): void {
    this.#rows[host * rowLength + sentBytes]! += size
  }

  countLost(host: number, size: number): void {
    this.#rows[host * rowLength + lostBytes]! += size
  }

  /**
   * Counts a frame that arrived. The time of a control frame on the downlink is added to the bulk that is booked
   * there.
   */
  countReceived(host: number, size: number, now: Micros): void {
    const rows = this.#rows
    const row = host * rowLength
    rows[row + receivedBytes]! += size
    if (size <= bulkThreshold && rows[row + downlinkFreeAt]! > now) {
      rows[row + downlinkFreeAt]! += size * this.#costs[host * costs + downlinkCost]!
    }
  }

  /**
   * Serialises a control frame that is sent now. Returns when it would be whole at the other host without latency.
   */
  sendControl(from: number, to: number, size: number, now: Micros): number {
    const rows = this.#rows
    const row = from * rowLength
    const work = size * this.#costs[from * costs + uplinkCost]!
    const left = Math.max(now, rows[row + controlFreeAt]!) + work
    rows[row + controlFreeAt] = left
    if (this.#current[from] !== undefined) rows[row + controlDebt]! += work
    return left + size * this.#costs[to * costs + downlinkCost]!
  }

  /** Charges the time of `size` bytes to the bulk behind, on both links. */
  charge(from: number, to: number, size: number, now: Micros): void {
    const rows = this.#rows
    rows[from * rowLength + controlDebt]! += size * this.#costs[from * costs + uplinkCost]!
    this.#book(to, now, size)
  }

  /** Microseconds that `size` bytes take from one host to the other when nothing else is sent. */
  alone(from: number, to: number, size: number): number {
    return size * Math.max(this.#costs[from * costs + uplinkCost]!, this.#costs[to * costs + downlinkCost]!)
  }

  /** Queues a bulk frame for the uplink. Returns whether the uplink is idle, so that the caller has to start it. */
  enqueue(host: number, frame: Frame): boolean {
    frame.nextQueued = undefined
    const tail = this.#tails[host]
    if (tail === undefined) this.#heads[host] = frame
    else tail.nextQueued = frame
    this.#tails[host] = frame
    return this.#current[host] === undefined
  }

  /** Takes the next frame from the queue: to start it, or to drop it when its connection is gone. */
  dequeue(host: number): Frame | undefined {
    const frame = this.#heads[host]
    if (frame === undefined) return undefined
    this.#heads[host] = frame.nextQueued as Frame | undefined
    if (frame.nextQueued === undefined) this.#tails[host] = undefined
    frame.nextQueued = undefined
    return frame
  }

  /**
   * Puts a frame on the free uplink. Returns when its last byte has left. A frame that `waited` goes directly behind
   * the previous one, whose end was rounded up to `now`.
   */
  start(host: number, frame: Frame, now: Micros, waited: boolean): number {
    const rows = this.#rows
    const row = host * rowLength
    const free = rows[row + uplinkFreeAt]!
    const start = waited ? free : Math.max(now, free, rows[row + controlFreeAt]!)
    const left = start + frame.size * this.#costs[host * costs + uplinkCost]! + rows[row + controlDebt]!
    rows[row + currentStart] = start
    rows[row + uplinkFreeAt] = left
    rows[row + uplinkBusy]! += left - start
    rows[row + controlDebt] = 0
    this.#current[host] = frame
    return left
  }

  /** Returns the frame on the uplink, which has left. */
  finish(host: number): Frame {
    const frame = this.#current[host]
    invariant(frame !== undefined, "links: the uplink that finished was idle")
    this.#current[host] = undefined
    if (this.#heads[host] === undefined) {
      const row = host * rowLength
      this.#rows[row + uplinkFreeAt]! += this.#rows[row + controlDebt]!
      this.#rows[row + controlDebt] = 0
    }
    return frame
  }

  /** The instant at which the frame on the uplink, or the one that has just left it, began to leave. */
  startedAt(host: number): number {
    return this.#rows[host * rowLength + currentStart]!
  }

  /**
   * Books the downlink for a bulk frame whose first byte comes at `first` and last at `last`. Returns when it is
   * whole.
   */
  receiveBulk(host: number, size: number, first: number, last: number): number {
    return Math.max(last, this.#book(host, first, size))
  }

  /** The use of the links of a host by bulk. A link that is used carries its full rate. */
  use(host: number, now: Micros): HostUse {
    const rows = this.#rows
    const row = host * rowLength
    const ahead = this.#current[host] === undefined ? 0 : Math.max(0, rows[row + uplinkFreeAt]! - now)
    const since = Math.min(now, rows[row + downlinkFreeAt]!) - rows[row + downlinkBusySince]!
    const [up, down] = [rows[row + uplinkBusy]! - ahead, rows[row + downlinkBusyBefore]! + Math.max(0, since)]
    return {
      uplink: { busy: up, bytes: up / this.#costs[host * costs + uplinkCost]! },
      downlink: { busy: down, bytes: down / this.#costs[host * costs + downlinkCost]! }
    }
  }

  /** Books the downlink from `first` on, or from when it is free. Returns when it is free again. */
  #book(host: number, first: number, size: number): number {
    const rows = this.#rows
    const row = host * rowLength
    const free = rows[row + downlinkFreeAt]!
    if (first > free) {
      rows[row + downlinkBusyBefore]! += free - rows[row + downlinkBusySince]!
      rows[row + downlinkBusySince] = first
    }
    const whole = Math.max(first, free) + size * this.#costs[host * costs + downlinkCost]!
    rows[row + downlinkFreeAt] = whole
    return whole
  }
}

const doubled = (from: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
  const to = new Float64Array(from.length * 2)
  to.set(from)
  return to
}
