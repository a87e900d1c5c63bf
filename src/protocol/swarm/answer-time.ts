// Response time of a swarm's neighbours: from recent responses it derives when a request is given up, and when a
// duplicate request is worthwhile in endgame. On a slow link every piece takes longer, since all requests share the
// link; a fixed timeout would give up pieces that are still arriving and request them again.
//
//   timeout = max(base + perMiB x piece length, 4 x usual response); doubled when requests expire, at most once per
//   half timeout, up to maxRequestTimeout; the next response resets it.  (As TCP's retransmission timer, RFC 6298.)
//
// Invariants: the timeout is never shorter than the first, and never longer than maxRequestTimeout unless the first is.

import type { Micros } from "../kit/time.ts"
import type { PeerHostRules } from "./host-context.ts"

const MiB = 1024 * 1024

export class AnswerTime {
  readonly #shortest: Micros
  readonly #longest: Micros
  #timeout: Micros
  #raisedAt: Micros = Number.NEGATIVE_INFINITY
  /** Smoothed time from a request to its piece; 0 before the first piece. */
  #usual = 0

  /** @param pieceLength Bytes. */
  constructor(rules: PeerHostRules, pieceLength: number) {
    const { requestTimeoutBase, requestTimeoutPerMiB, maxRequestTimeout } = rules
    this.#shortest = requestTimeoutBase + Math.round((requestTimeoutPerMiB * pieceLength) / MiB)
    this.#longest = Math.max(this.#shortest, maxRequestTimeout)
    this.#timeout = this.#shortest
  }

  /** The time after which a request that is sent now is given up. */
  get timeout(): Micros {
    return this.#timeout
  }

  /** The age at which a request is late enough for a duplicate in endgame. */
  get patience(): Micros {
    return this.#usual === 0 ? this.#shortest >> 1 : Math.round(2 * this.#usual)
  }

  /** A piece has arrived, in time or late, this long after its request. */
  answered(took: Micros): void {
    this.#usual = this.#usual === 0 ? took : this.#usual + (took - this.#usual) / 8
    this.#timeout = Math.min(Math.max(this.#shortest, Math.round(4 * this.#usual)), this.#longest)
  }

  /** Requests have expired. */
  expired(now: Micros): void {
    if (now - this.#raisedAt < this.#timeout >> 1) return
    this.#raisedAt = now
    this.#timeout = Math.min(2 * this.#timeout, this.#longest)
  }
}
