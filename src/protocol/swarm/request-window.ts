// Outstanding requests: of one neighbour (NeighbourRequests) and of a swarm (RequestWindow).
//
//   live ----> answered (Piece or Reject), the request is gone
//    |  \
//    |   \--> cancelled: another copy came first; its one answer is still owed
//    v
//   expired: given up after the timeout, the piece may be asked of others; its one answer is still owed
//
// Invariants: a piece is requested from a neighbour at most once until that request is answered; the words of
// `requested` hold the pieces that have a live request or are being stored; live requests weigh no more than the
// limits, half a request rounded down; the unanswered requests of a neighbour are at most twice its limit, so that the
// table of a silent neighbour is bounded. A request weighs the same from `add` to `release` (path-times.ts). It does
// not know why a piece is requested, or what time it is.

import { makeWords, type Words } from "../kit/bitfield.ts"
import { invariant } from "../kit/invariant.ts"
import { removeAt } from "../kit/remove-at.ts"
import type { Micros } from "../kit/time.ts"
import { wholeRequest } from "./path-times.ts"

export interface OutstandingRequest {
  readonly piece: number
  readonly sentAt: Micros
  readonly weight: number
  state: "live" | "expired" | "cancelled"
  /** When it is given up: a live request expires, and any other one costs the neighbour its connection. */
  expiresAt: Micros
}

export class NeighbourRequests {
  /** Unanswered requests, the oldest first. */
  readonly outstanding: OutstandingRequest[] = []
  live = 0

  find(piece: number): OutstandingRequest | undefined {
    for (const request of this.outstanding) if (request.piece === piece) return request
    return undefined
  }

  /** Removes the request for `piece` when its answer comes; undefined when there is none. */
  take(piece: number): OutstandingRequest | undefined {
    const outstanding = this.outstanding
    for (let index = 0; index < outstanding.length; index++) {
      if (outstanding[index]!.piece === piece) return removeAt(outstanding, index)
    }
    return undefined
  }

  /**
   * Whether one more request may be sent, given a limit of pieces that come at once, what each live one counts, and
   * the most live requests of the swarm, of which one neighbour has half.
   */
  hasRoom(maxAtOnce: number, flowPart: number, mostOut: number): boolean {
    return (
      this.live * flowPart + 0.5 <= maxAtOnce &&
      this.outstanding.length * flowPart < 2 * maxAtOnce &&
      this.live < Math.max(1, mostOut / 2)
    )
  }

  /** The earliest instant at which a request is given up. */
  nextExpiry(): Micros | undefined {
    let next: Micros | undefined
    for (const request of this.outstanding) {
      if (next === undefined || request.expiresAt < next) next = request.expiresAt
    }
    return next
  }
}

/** Limits of live requests (limits.ts). */
interface RequestShares {
  readonly requestsAtFirst: number
  readonly maxRequestsPerHost: number
  readonly maxRequestsPerSwarm: number
}

/** Limits of the pieces that are in memory or may come at any moment (limits.ts). */
interface MemoryRules {
  readonly maxRequestsPerSwarm: number
  readonly maxRequestsOut: number
  readonly maxRequestedBytes: number
}

/** The host of a swarm, as its window sees it. */
export interface HostRequests {
  /** The weight of the live requests of all swarms. */
  load: number
  /** Number of swarms that fetch. */
  readonly fetching: number
}

/** The most live requests and pieces being stored of a swarm with pieces of this length. */
export const mostRequestsOut = (
  { maxRequestsOut, maxRequestedBytes }: Pick<MemoryRules, "maxRequestsOut" | "maxRequestedBytes">,
  pieceLength: number
): number => Math.min(maxRequestsOut, maxRequestedBytes / pieceLength)

/** Whether one more request fits, to the nearest whole one. */
const fits = (load: number, most: number): boolean => load + wholeRequest / 2 <= most * wholeRequest

export class RequestWindow {
  /** Words of the pieces that are requested or being stored. */
  readonly requested: Words
  /** Live requests of all neighbours. */
  live = 0
  /** Their weight. */
  load = 0
  /** Requests of a piece beyond the first one, in endgame. */
  #extraCopies: Map<number, number> | undefined
  readonly #host: HostRequests

  constructor(pieces: number, host: HostRequests) {
    this.#host = host
    this.requested = makeWords(pieces)
  }

  isRequested(piece: number): boolean {
    return (this.requested[piece >>> 5]! & (1 << (piece & 31))) !== 0
  }

  /**
   * Whether a request of the host is left for this swarm: each swarm has one, and at most its share rounded up. A host
   * with few pieces, `have`, requests few at once: the sooner the first is whole, the sooner it goes on to others.
   */
  hasShare(
    { requestsAtFirst, maxRequestsPerHost, maxRequestsPerSwarm }: RequestShares,
    have: number
  ): boolean {
    if (this.live === 0) return true
    const { load, fetching } = this.#host
    const share = Math.ceil(maxRequestsPerHost / Math.max(1, fetching))
    const most = Math.min(share, maxRequestsPerSwarm, requestsAtFirst + have)
    return fits(this.load, most) && fits(load, maxRequestsPerHost)
  }

  /** Whether memory is left for one more piece, when so many are being stored. */
  hasMemory(
    { maxRequestsPerSwarm, maxRequestsOut, maxRequestedBytes }: MemoryRules,
    stored: number,
    pieceLength: number
  ): boolean {
    const most = mostRequestsOut({ maxRequestsOut, maxRequestedBytes }, pieceLength)
    return this.load / wholeRequest + stored < 2 * maxRequestsPerSwarm && this.live + stored < most
  }

  /** Number of live requests for a piece that is requested and is not being stored. */
  copies(piece: number): number {
    return 1 + (this.#extraCopies?.get(piece) ?? 0)
  }

  /** Records a request that is being sent. */
  add(requests: NeighbourRequests, piece: number, now: Micros, timeout: Micros, weight = wholeRequest): void {
    invariant(
      requests.find(piece) === undefined,
      `request window: piece ${piece} is requested twice from a neighbour`
    )
    if (this.isRequested(piece)) {
      this.#extraCopies ??= new Map()
      this.#extraCopies.set(piece, this.copies(piece))
    } else this.mark(piece)
    requests.outstanding.push({ piece, sentAt: now, weight, state: "live", expiresAt: now + timeout })
    requests.live++
    this.live++
    this.load += weight
    this.#host.load += weight
  }

  /** A live request is over. The piece may be requested from others, unless another request for it is live. */
  release(requests: NeighbourRequests, request: OutstandingRequest): void {
    requests.live--
    this.live--
    this.load -= request.weight
    this.#host.load -= request.weight
    const copies = this.#extraCopies
    const extra = copies?.get(request.piece)
    if (copies === undefined || extra === undefined) this.unmark(request.piece)
    else if (extra === 1) copies.delete(request.piece)
    else copies.set(request.piece, extra - 1)
  }

  /** The piece is being stored, so it is not requested from anyone. */
  mark(piece: number): void {
    this.requested[piece >>> 5]! |= 1 << (piece & 31)
  }

  unmark(piece: number): void {
    this.requested[piece >>> 5]! &= ~(1 << (piece & 31))
  }
}
