// Decides how long a swarm waits for an answer: how long answers take of late, and from that when a request is given
// up and when a copy is worth asking for in endgame. A host on a slow link waits longer for each piece, since all that
// it asked for shares the link; a timeout that did not know would give up what is still coming and ask for it again.
//
//   timeout = max(base + perMiB x piece length, 4 x usual answer); doubled when requests expire, at most once in half
//   a timeout, up to maxRequestTimeout; the next answer sets it back.  (TCP's retransmission timer does the same, RFC 6298.)
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
  /** Smoothed time from a request to its piece; 0 before the first. */
  #usual = 0

  /** @param pieceLength Bytes. */
  constructor(rules: PeerHostRules, pieceLength: number) {
    const { requestTimeoutBase, requestTimeoutPerMiB, maxRequestTimeout } = rules
    this.#shortest = requestTimeoutBase + Math.round((requestTimeoutPerMiB * pieceLength) / MiB)
    this.#longest = Math.max(this.#shortest, maxRequestTimeout)
    this.#timeout = this.#shortest
  }

  /** A request sent now is given up after this. */
  get timeout(): Micros {
    return this.#timeout
  }

  /** An endgame request older than this is worth a copy. */
  get patience(): Micros {
    return this.#usual === 0 ? this.#shortest >> 1 : Math.round(2 * this.#usual)
  }

  /** A piece came, in time or late, this long after it was asked for. */
  answered(took: Micros): void {
    this.#usual = this.#usual === 0 ? took : this.#usual + (took - this.#usual) / 8
    this.#timeout = Math.min(Math.max(this.#shortest, Math.round(4 * this.#usual)), this.#longest)
  }

  /** Requests were given up. */
  expired(now: Micros): void {
    if (now - this.#raisedAt < this.#timeout >> 1) return
    this.#raisedAt = now
    this.#timeout = Math.min(2 * this.#timeout, this.#longest)
  }
}
