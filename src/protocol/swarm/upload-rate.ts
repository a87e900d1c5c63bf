// How long a byte takes to leave a host, measured from the pieces that it sends: on the uplink, which all pieces share,
// and from the transport to the link, with the pieces that leave at the same time. It knows no piece and no neighbour.

import type { Micros } from "../kit/time.ts"

/** The part of a new measurement. */
const weight = 1 / 8

export class UploadRate {
  /** Microseconds of a byte on the uplink; the first measurement replaces what was assumed. */
  #microsPerByte: number
  #measured = false
  #lastSentAt: Micros = 0
  #sendMicrosPerByte = 0

  constructor(assumedMicrosPerByte: number) {
    this.#microsPerByte = assumedMicrosPerByte
  }

  /** A piece that the transport got at `since` has left. */
  sent(bytes: number, since: Micros, now: Micros): void {
    // The time on the uplink runs from when the last piece left, or from when the transport got this one.
    const took = (now - Math.max(this.#lastSentAt, since)) / bytes
    const own = (now - since) / bytes
    this.#microsPerByte += (took - this.#microsPerByte) * (this.#measured ? weight : 1)
    this.#sendMicrosPerByte += (own - this.#sendMicrosPerByte) * (this.#measured ? weight : 1)
    this.#measured = true
    this.#lastSentAt = now
  }

  /** Time of `bytes` on an uplink that sends nothing else. */
  uplinkTime(bytes: number): Micros {
    return bytes * this.#microsPerByte
  }

  /** Time from when the transport gets `bytes` until they have left; 0 before the first measurement. */
  sendTime(bytes: number): Micros {
    return bytes * this.#sendMicrosPerByte
  }
}
