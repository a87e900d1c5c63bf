// Decides which requests are outstanding: for one neighbour (NeighbourRequests) and for a swarm (RequestWindow).
//
//   live ----> answered (Piece or Reject), the request is gone
//    |  \
//    |   \--> cancelled: another copy came first; its one answer is still owed
//    v
//   expired: given up after the timeout, the piece may be asked of others; its one answer is still owed
//
// Invariants: a piece is asked of a neighbour at most once until that request is answered; the words of `requested`
// hold the pieces with a live request or being stored; live requests never exceed the limits; requests owed an answer
// are at most twice the limit a neighbour, so a silent neighbour costs a bounded table. It refuses to know why a
// piece is asked for, and what time it is.

import { makeWords, type Words } from "../kit/bitfield.ts"
import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"

export interface OutstandingRequest {
  readonly piece: number
  readonly sentAt: Micros
  state: "live" | "expired" | "cancelled"
  /** When the state is given up on. */
  expiresAt: Micros
}

export class NeighbourRequests {
  /** Requests without an answer, oldest first. */
  readonly outstanding: OutstandingRequest[] = []
  live = 0

  find(piece: number): OutstandingRequest | undefined {
    for (const request of this.outstanding) if (request.piece === piece) return request
    return undefined
  }

  /** Removes the request for `piece` because its answer came; undefined when there was none. */
  take(piece: number): OutstandingRequest | undefined {
    const outstanding = this.outstanding
    for (let index = 0; index < outstanding.length; index++) {
      const request = outstanding[index]!
      if (request.piece !== piece) continue
      outstanding.splice(index, 1)
      return request
    }
    return undefined
  }

  /** Whether one more may be sent under a limit of live requests. */
  hasRoom(maxLive: number): boolean {
    return this.live < maxLive && this.outstanding.length < 2 * maxLive
  }

  /** The earliest instant at which a request is given up on. */
  nextExpiry(): Micros | undefined {
    let next: Micros | undefined
    for (const request of this.outstanding) {
      if (next === undefined || request.expiresAt < next) next = request.expiresAt
    }
    return next
  }
}

export class RequestWindow {
  /** Words of the pieces that are asked for or being stored. */
  readonly requested: Words
  /** Live requests of all neighbours. */
  live = 0
  /** Copies beyond the first, in endgame. */
  #extraCopies: Map<number, number> | undefined

  constructor(pieces: number) {
    this.requested = makeWords(pieces)
  }

  isRequested(piece: number): boolean {
    return (this.requested[piece >>> 5]! & (1 << (piece & 31))) !== 0
  }

  /** Live requests for a piece that isRequested and is not being stored. */
  copies(piece: number): number {
    return 1 + (this.#extraCopies?.get(piece) ?? 0)
  }

  /** Records a request just sent. */
  add(requests: NeighbourRequests, piece: number, now: Micros, timeout: Micros): void {
    invariant(
      requests.find(piece) === undefined,
      `request window: piece ${piece} is asked twice of a neighbour`
    )
    if (this.isRequested(piece)) {
      this.#extraCopies ??= new Map()
      this.#extraCopies.set(piece, this.copies(piece))
    } else this.mark(piece)
    requests.outstanding.push({ piece, sentAt: now, state: "live", expiresAt: now + timeout })
    requests.live++
    this.live++
  }

  /** A live request is over; the piece may be asked of others unless a copy is still out. */
  release(requests: NeighbourRequests, request: OutstandingRequest): void {
    requests.live--
    this.live--
    const copies = this.#extraCopies
    const extra = copies?.get(request.piece)
    if (copies === undefined || extra === undefined) this.unmark(request.piece)
    else if (extra === 1) copies.delete(request.piece)
    else copies.set(request.piece, extra - 1)
  }

  /** The piece arrived: it is being stored, so nobody else is asked. */
  mark(piece: number): void {
    this.requested[piece >>> 5]! |= 1 << (piece & 31)
  }

  unmark(piece: number): void {
    this.requested[piece >>> 5]! &= ~(1 << (piece & 31))
  }
}
