// Requests of a swarm: keeps the request window full, and handles timeouts, Rejects and the endgame.
//
// Invariants: a request goes to a neighbour only while it is joined, is not backing off, and has room under both
// limits; the least loaded neighbour is asked first (loads are compared as the pieces that it would send at once); a
// piece that is refused is requested from another neighbour at once; the neighbour that refused is not asked for as
// long as it said, within limits and with some jitter, so that refused hosts do not return together; in endgame a piece
// is requested a second time only when its request is older than twice the usual response time, so that duplicates are
// rare. It does not know which piece is best (piece-selection.ts) or what becomes of a piece that has arrived.

import { backoffDelay } from "../kit/backoff.ts"
import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import type { Micros } from "../kit/time.ts"
import type { PiecedBlob } from "../wire/metainfo.ts"
import { AnswerTime } from "./answer-time.ts"
import type { Demand } from "./demand.ts"
import type { HaveBatch } from "./have-batch.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"
import { PathTimes, sawRoundTrip } from "./path-times.ts"
import { selectPiece } from "./piece-selection.ts"
import { mostRequestsOut, type OutstandingRequest, type RequestWindow } from "./request-window.ts"

const noReaders: readonly never[] = []

/** A swarm, as the request filler sees it. */
export interface RequestedSwarm {
  readonly metainfo: PiecedBlob
  /** Joined neighbours, in the order of joining. */
  readonly neighbours: readonly Neighbour[]
  readonly have: Bitfield
  readonly haves: Pick<HaveBatch, "piggyback">
  readonly demand: Demand
  readonly window: RequestWindow
  readonly availability: Uint16Array
  /** Whether one more request may be sent. */
  readonly mayRequestMore: boolean
  readonly isEndgame: boolean
  readonly isAllRequested: boolean
}

export class RequestFiller {
  readonly #context: HostContext
  readonly #swarm: RequestedSwarm
  /** Fires in endgame, when the oldest request is late enough for a duplicate. */
  readonly #endgameTimer: Deadline
  readonly #answers: AnswerTime
  readonly #paths: PathTimes
  /**
   * Neighbours that have room and had nothing to be asked for at the last check, the longest idle first. All others
   * have as many requests as they may, or are backing off; so a piece that must be requested again is offered to these.
   * `isIdle` of a neighbour tells whether it is in this list.
   */
  readonly #idle: Neighbour[] = []

  constructor(context: HostContext, swarm: RequestedSwarm) {
    this.#context = context
    this.#swarm = swarm
    this.#paths = new PathTimes(context.rules)
    this.#answers = new AnswerTime(context.rules, swarm.metainfo.pieceLength)
    this.#endgameTimer = context.deadlines.make((now) => this.fillIdle(now))
  }

  stop(): void {
    this.#context.deadlines.set(this.#endgameTimer, undefined)
  }

  /** Sends a neighbour as many requests as it may have. */
  fill(neighbour: Neighbour, now: Micros): void {
    this.#endBackoff(neighbour, now)
    // Two pieces of one neighbour share its connection, and so come at the rate of one.
    const own = this.#load(neighbour)
    for (let load = 0; load < own; load++) this.#askIdle(load, now)
    while (this.#mayRequest(neighbour) && this.#requestOne(neighbour, now)) {
      // Until it has no room, or nothing that is wanted.
    }
    this.#updateIdle(neighbour)
    this.#reschedule(neighbour)
  }

  /** Sends requests to the idle neighbours: the least loaded first, and among these the longest idle first. */
  fillIdle(now: Micros): void {
    for (let load = 0; load < this.#context.rules.maxRequestsPerNeighbour; load++) this.#askIdle(load, now)
  }

  /** Sends one request to each idle neighbour with this load, the longest idle first, while more may be sent. */
  #askIdle(load: number, now: Micros): void {
    const idle = this.#idle
    if (idle.length === 0 || !this.#swarm.mayRequestMore) return
    for (let index = 0; index < idle.length; ) {
      const neighbour = idle[index]!
      if (this.#load(neighbour) === load) {
        this.#requestFromIdle(neighbour, now)
        if (!this.#swarm.mayRequestMore) return
      }
      if (neighbour.isIdle) index++
    }
  }

  /** The deadline of a neighbour fires: its backoff or a timeout has ended, or it was woken early. */
  readonly onDeadline = (now: Micros, neighbour: Neighbour): void => {
    let expired = false
    for (const request of neighbour.requests.outstanding) {
      if (request.expiresAt > now) continue
      if (request.state !== "live") {
        this.#context.dropSession(neighbour.session, "silent: a request was never answered", now)
        return
      }
      this.#swarm.window.release(neighbour.requests, request)
      request.state = "expired"
      this.#context.counters.requestsTimedOut++
      expired = true
    }
    if (expired) {
      this.#answers.expired(now)
      for (const request of neighbour.requests.outstanding) {
        if (request.state === "expired" && request.expiresAt <= now) {
          request.expiresAt = now + this.#answers.timeout
        }
      }
      neighbour.failures++
      neighbour.backoffUntil = now + this.#context.rules.maxRejectBackoff
      this.#setIdle(neighbour, false)
      this.fillIdle(now)
      this.#updateIdle(neighbour)
      this.#reschedule(neighbour)
    } else {
      this.fill(neighbour, now)
    }
  }

  /** The piece of a request has arrived. The caller fills the neighbour next. */
  pieceReceived(neighbour: Neighbour, request: OutstandingRequest, now: Micros): void {
    neighbour.failures = 0
    if (request.state === "live") this.#swarm.window.release(neighbour.requests, request)
    this.#answers.answered(now - request.sentAt)
    this.#paths.answered(neighbour, now - request.sentAt)
  }

  /** The neighbour has refused a request. */
  rejected(neighbour: Neighbour, request: OutstandingRequest, retryAfter: Micros, now: Micros): void {
    const wasLive = request.state === "live"
    sawRoundTrip(neighbour.session, now - request.sentAt)
    if (wasLive) {
      this.#swarm.window.release(neighbour.requests, request)
      neighbour.failures++
      const { minRejectBackoff, maxRejectBackoff } = this.#context.rules
      const range = { min: minRejectBackoff, max: maxRejectBackoff }
      const wait =
        retryAfter > 0
          ? this.#jitter(Math.min(Math.max(retryAfter, minRejectBackoff), maxRejectBackoff))
          : backoffDelay(neighbour.failures - 1, range, this.#context.random)
      neighbour.backoffUntil = Math.max(neighbour.backoffUntil ?? 0, now + wait)
      this.#setIdle(neighbour, false)
      this.fillIdle(now)
    }
    this.#updateIdle(neighbour)
    this.#reschedule(neighbour)
  }

  /** Releases all requests of a neighbour that leaves. */
  releaseAll(neighbour: Neighbour): void {
    for (const request of neighbour.requests.outstanding) {
      if (request.state === "live") this.#swarm.window.release(neighbour.requests, request)
    }
    neighbour.requests.outstanding.length = 0
    this.#setIdle(neighbour, false)
    if (neighbour.deadline !== undefined) this.#context.deadlines.set(neighbour.deadline, undefined)
  }

  /** The piece has come from `but`: its requests to all others are cancelled. */
  cancelDuplicates(piece: number, but: Neighbour | undefined, now: Micros): void {
    for (const neighbour of this.#swarm.neighbours) {
      if (neighbour === but) continue
      const request = neighbour.requests.find(piece)
      if (request === undefined || request.state !== "live") continue
      this.#swarm.window.release(neighbour.requests, request)
      request.state = "cancelled"
      request.expiresAt = now + this.#answers.timeout
      sendMessage(this.#context, neighbour, { tag: "Cancel", channel: neighbour.channel, piece })
      this.#updateIdle(neighbour)
      this.#reschedule(neighbour)
    }
  }

  #requestFromIdle(neighbour: Neighbour, now: Micros): void {
    this.#endBackoff(neighbour, now)
    if (neighbour.backoffUntil !== undefined) {
      this.#updateIdle(neighbour)
      if (!neighbour.isIdle) this.#reschedule(neighbour)
    } else if (this.#mayRequest(neighbour) && this.#requestOne(neighbour, now)) {
      this.#updateIdle(neighbour)
      this.#reschedule(neighbour)
    }
  }

  #endBackoff(neighbour: Neighbour, now: Micros): void {
    if (neighbour.backoffUntil !== undefined && neighbour.backoffUntil <= now)
      neighbour.backoffUntil = undefined
  }

  #mayRequest(neighbour: Neighbour): boolean {
    return neighbour.backoffUntil === undefined && this.#hasRoom(neighbour) && this.#swarm.mayRequestMore
  }

  #hasRoom(neighbour: Neighbour): boolean {
    const { rules } = this.#context
    return (
      neighbour.state === "joined" &&
      neighbour.requests.hasRoom(
        rules.maxRequestsPerNeighbour,
        this.#paths.flowPart(neighbour),
        mostRequestsOut(rules, this.#swarm.metainfo.pieceLength)
      )
    )
  }

  /** Number of pieces that the live requests of a neighbour let come at once. */
  #load(neighbour: Neighbour): number {
    return Math.round(neighbour.requests.live * this.#paths.flowPart(neighbour))
  }

  /** Updates whether a neighbour is idle. One that backs off is idle while it has nothing that is wanted. */
  #updateIdle(neighbour: Neighbour): void {
    const hasTime = neighbour.backoffUntil === undefined || !this.#isInterestedIn(neighbour)
    this.#setIdle(neighbour, this.#hasRoom(neighbour) && hasTime)
  }

  #setIdle(neighbour: Neighbour, isIdle: boolean): void {
    if (neighbour.isIdle === isIdle) return
    neighbour.isIdle = isIdle
    if (isIdle) this.#idle.push(neighbour)
    else this.#idle.splice(this.#idle.indexOf(neighbour), 1)
  }

  /** Whether the neighbour has a wanted piece that could be requested: an unrequested one, or any in endgame. */
  #isInterestedIn(neighbour: Neighbour): boolean {
    const { demand, window, isEndgame } = this.#swarm
    const missing = demand.wanted
    const theirs = neighbour.theirs!.words
    for (let word = 0; word < missing.length; word++) {
      const wanted = missing[word]! & theirs[word]!
      if (wanted !== 0 && (isEndgame || (wanted & ~window.requested[word]!) !== 0)) return true
    }
    return false
  }

  #requestOne(neighbour: Neighbour, now: Micros): boolean {
    const swarm = this.#swarm
    if (neighbour.suggested.length > 0) {
      neighbour.suggested = neighbour.suggested.filter((piece) => !swarm.have.has(piece))
    }
    let piece = this.#select(neighbour)
    if (piece < 0) {
      piece = this.#endgameDuplicate(neighbour, now)
      if (piece < 0) return false
    }
    swarm.window.add(neighbour.requests, piece, now, this.#answers.timeout, this.#paths.weight(neighbour))
    this.#context.counters.requestsSent++
    swarm.haves.piggyback(neighbour)
    sendMessage(this.#context, neighbour, { tag: "Request", channel: neighbour.channel, piece })
    return true
  }

  #select(neighbour: Neighbour): number {
    const swarm = this.#swarm
    const { outstanding, live } = neighbour.requests
    // A request that expired or was cancelled still gets its answer. Until then its piece is not requested here again.
    let masked: number[] | undefined
    if (outstanding.length > live) {
      masked = []
      for (const request of outstanding) {
        if (swarm.window.isRequested(request.piece)) continue
        swarm.window.mark(request.piece)
        masked.push(request.piece)
      }
    }
    const { tail } = swarm.demand.reading
    const piece = selectPiece(
      {
        missing: swarm.demand.wanted,
        requested: swarm.window.requested,
        theirs: neighbour.theirs!,
        availability: swarm.availability,
        // A neighbour that suggests is a source that all hosts ask. There suggestions go first: a reader gets its
        // piece sooner from the copies of others than when all ask the source for the same piece. But not for long.
        readers: this.#prefersSuggestions(neighbour.suggested) ? noReaders : swarm.demand.reading.windows,
        suggested: neighbour.suggested,
        choice: tail === undefined ? this.#context.rules.pieceChoice : tail.choice,
        windowWords: tail?.windowWords
      },
      this.#context.random
    )
    if (masked !== undefined) for (const one of masked) swarm.window.unmark(one)
    return piece
  }

  /** Whether suggestions take precedence over what readers wait for. */
  #prefersSuggestions(suggested: readonly number[]): boolean {
    const { isWhole, reading } = this.#swarm.demand
    return suggested.length > 0 && isWhole && !reading.isUrgent
  }

  /** In endgame, the piece with the oldest late request that this neighbour can serve as well; else -1. */
  #endgameDuplicate(neighbour: Neighbour, now: Micros): number {
    const swarm = this.#swarm
    const { maxEndgameCopies } = this.#context.rules
    if (!swarm.isEndgame || !swarm.isAllRequested) return -1
    const { patience } = this.#answers
    let oldest: OutstandingRequest | undefined
    let nextDue: Micros | undefined
    for (const other of swarm.neighbours) {
      if (other === neighbour) continue
      for (const request of other.requests.outstanding) {
        if (request.state !== "live" || swarm.window.copies(request.piece) >= maxEndgameCopies) continue
        if (!neighbour.theirs!.has(request.piece) || !swarm.demand.has(request.piece)) continue
        if (neighbour.requests.find(request.piece) !== undefined) continue
        if (request.sentAt + patience > now) {
          const due = request.sentAt + patience
          if (nextDue === undefined || due < nextDue) nextDue = due
        } else if (oldest === undefined || request.sentAt < oldest.sentAt) oldest = request
      }
    }
    if (oldest !== undefined) return oldest.piece
    if (nextDue !== undefined && (this.#endgameTimer.at === undefined || nextDue < this.#endgameTimer.at)) {
      this.#context.deadlines.set(this.#endgameTimer, nextDue)
    }
    return -1
  }

  #jitter(wait: Micros): Micros {
    const quarter = wait >> 2
    return wait - quarter + this.#context.random.nextInt(2 * quarter + 1)
  }

  /**
   * Schedules the neighbour's deadline no later than its earliest timeout and the end of its backoff. Timeouts move
   * away with every answer and rarely come, so a deadline that is too early already is not moved.
   */
  #reschedule(neighbour: Neighbour): void {
    const { backoffUntil, deadline } = neighbour
    if (deadline === undefined) return
    const { deadlines } = this.#context
    const expiry = neighbour.requests.nextExpiry()
    if (expiry !== undefined) deadlines.setAtLatest(deadline, expiry)
    if (backoffUntil !== undefined && !neighbour.isIdle) deadlines.setAtLatest(deadline, backoffUntil)
  }
}
