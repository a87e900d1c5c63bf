// Token bucket: the instant at which bytes may be sent under a rate limit. The state is one instant, at which the
// bucket is full again (virtual scheduling of GCRA, ITU-T I.371). A request moves this instant by the time that its
// bytes take at the rate, and may go when the bucket holds all of it: the time of `burst` before the instant.
//
// Invariants: the bytes granted up to any instant t are at most burst + rate x (t - start); those granted in any window
// [a, b] are at most burst + rate x (b - a + 1 microsecond) + the largest request; answers never decrease (first come,
// first served); rounding errors do not add up, since fractions of a microsecond are kept as a remainder. A request
// larger than the burst is granted as well, after as many refills as it needs. The bucket does not know what the bytes
// are (the units of `take` may be requests) or whether they were sent: a reservation is spent.

import { invariant } from "./invariant.ts"
import type { Micros } from "./time.ts"

const microsPerSecond = 1_000_000

export interface TokenRate {
  /** Refill, an integer >= 1. */
  readonly bytesPerSecond: number
  /** Capacity of the bucket, an integer >= 0. */
  readonly burstBytes: number
}

export class TokenBucket {
  readonly #rate: number
  /** The time that a refill of the burst takes: whole microseconds, and a remainder in units of 1/rate of one. */
  readonly #burstMicros: Micros
  readonly #burstRest: number
  /** The instant at which the bucket is full again, in the same two parts. */
  #fullAt: Micros
  #fullRest = 0

  /** A full bucket at `now`. */
  constructor({ bytesPerSecond, burstBytes }: TokenRate, now: Micros) {
    invariant(
      Number.isSafeInteger(bytesPerSecond) && bytesPerSecond >= 1,
      "token bucket: bytesPerSecond >= 1"
    )
    this.#rate = bytesPerSecond
    const scaled = byteMicros(burstBytes)
    this.#burstRest = scaled % bytesPerSecond
    this.#burstMicros = (scaled - this.#burstRest) / bytesPerSecond
    this.#fullAt = now
  }

  /**
   * Takes `bytes` (an integer of at most 9 GB) and returns the instant at which they may go, `now` or later. Earlier
   * requests go first. `now` should not run backwards; if it does, the bucket only becomes stricter.
   */
  reserve(bytes: number, now: Micros): Micros {
    if (this.#fullAt < now) {
      this.#fullAt = now
      this.#fullRest = 0
    }
    const scaled = byteMicros(bytes) + this.#fullRest
    this.#fullRest = scaled % this.#rate
    this.#fullAt += (scaled - this.#fullRest) / this.#rate
    // The instant minus the burst, rounded up to a whole microsecond.
    const due = this.#fullAt - this.#burstMicros + (this.#fullRest > this.#burstRest ? 1 : 0)
    return Math.max(now, due)
  }

  /**
   * Takes `bytes` and returns 0 if they may go now. Otherwise takes nothing and returns the time until they may. Never
   * takes more than the burst.
   */
  take(bytes: number, now: Micros): Micros {
    const before = { at: this.#fullAt, rest: this.#fullRest }
    const wait = this.reserve(bytes, now) - now
    if (wait > 0) {
      this.#fullAt = before.at
      this.#fullRest = before.rest
    }
    return wait
  }
}

/** Bytes in byte-microseconds, so that the refill of a microsecond is the rate, an exact integer. */
const byteMicros = (bytes: number): number => {
  const scaled = bytes * microsPerSecond
  invariant(Number.isSafeInteger(bytes) && bytes >= 0 && scaled < 2 ** 52, "token bucket: bytes out of range")
  return scaled
}
