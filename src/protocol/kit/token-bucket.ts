// Decides when bytes may go under a rate limit: a token bucket kept as one instant, the one at which the bucket would
// be full again (the virtual scheduling of GCRA, ITU-T I.371). A request moves that instant by its bytes' time at the
// rate, and may go when the bucket holds all of it: `burst` worth of time before the instant.
//
// Invariants: what was granted up to any instant t is at most burst + rate x (t - start); in any window [a, b] at most
// burst + rate x (b - a + 1 microsecond) + the largest request; answers never decrease (first come, first served); no
// rounding adds up, the part of a microsecond is kept as a remainder. A request larger than the burst is granted too:
// it waits for as many refills as it needs. It refuses to know what the bytes are (the units of `take` may be
// requests), and whether they went: a reservation is spent.

import { invariant } from "./invariant.ts"
import type { Micros } from "./time.ts"

const microsPerSecond = 1_000_000

export interface TokenRate {
  /** Refill, an integer >= 1. */
  readonly bytesPerSecond: number
  /** What an idle bucket holds, an integer >= 0. */
  readonly burstBytes: number
}

export class TokenBucket {
  readonly #rate: number
  /** The time that refilling the burst takes: whole microseconds and a remainder in 1/rate of one. */
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
   * Takes `bytes` (an integer of at most 9 GB) and says the instant at which they may go: `now`, or later. Earlier
   * requests go first. `now` should not run backwards; where it does, it only makes the bucket stricter.
   */
  reserve(bytes: number, now: Micros): Micros {
    if (this.#fullAt < now) {
      this.#fullAt = now
      this.#fullRest = 0
    }
    const scaled = byteMicros(bytes) + this.#fullRest
    this.#fullRest = scaled % this.#rate
    this.#fullAt += (scaled - this.#fullRest) / this.#rate
    // The instant less the burst, rounded up to a whole microsecond.
    const due = this.#fullAt - this.#burstMicros + (this.#fullRest > this.#burstRest ? 1 : 0)
    return Math.max(now, due)
  }

  /**
   * Takes `bytes` if they may go now, and answers 0; otherwise takes nothing and answers the time until they may. More
   * than the burst is never taken.
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

/** Bytes in units of one byte-microsecond, so that the refill of a microsecond is the rate: an exact integer. */
const byteMicros = (bytes: number): number => {
  const scaled = bytes * microsPerSecond
  invariant(Number.isSafeInteger(bytes) && bytes >= 0 && scaled < 2 ** 52, "token bucket: bytes out of range")
  return scaled
}
