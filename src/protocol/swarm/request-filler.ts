// Decides what a swarm asks of whom, and when again: fills the request window, looks after timeouts, Rejects and the
// endgame.
//
// Invariants: a neighbour is asked only while joined, not backing off, and with room under both limits; the least
// loaded neighbour is asked first; a refused piece is asked of another at once, the refusing neighbour is left alone
// as long as it said, within limits and with a little chance, so that refused askers do not come back together; in
// endgame a piece is asked a second time only when its request is older than twice the usual answer, so that copies
// stay rare. It refuses to know which piece is best (piece-selection.ts) and what becomes of a piece that arrived.

import { backoffDelay } from "../kit/backoff.ts"
import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import type { Micros } from "../kit/time.ts"
import type { Metainfo } from "../wire/metainfo.ts"
import { AnswerTime } from "./answer-time.ts"
import type { Demand } from "./demand.ts"
import type { HaveBatch } from "./have-batch.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"
import { selectPiece } from "./piece-selection.ts"
import type { OutstandingRequest, RequestWindow } from "./request-window.ts"

const noReaders: readonly never[] = []

/** A swarm, as far as it takes part in choosing what is asked of whom. */
export interface RequestedSwarm {
  readonly metainfo: Metainfo
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
  /** Wakes in endgame, when the oldest request is due for a copy. */
  readonly #endgameTimer: Deadline
  readonly #answers: AnswerTime
  /**
   * Neighbours with room of which nothing was wanted when they were looked at last, longest idle first. The others
   * have all they may have, or wait for the end of their backoff; so a piece that has to be asked for anew looks here.
   * `isIdle` of a neighbour says whether it is among them.
   */
  readonly #idle: Neighbour[] = []

  constructor(context: HostContext, swarm: RequestedSwarm) {
    this.#context = context
    this.#swarm = swarm
    this.#answers = new AnswerTime(context.rules, swarm.metainfo.pieceLength)
    this.#endgameTimer = context.deadlines.make((now) => this.fillIdle(now))
  }

  stop(): void {
    this.#context.deadlines.set(this.#endgameTimer, undefined)
  }

  /** Asks one neighbour for as much as it may be asked. */
  fill(neighbour: Neighbour, now: Micros): void {
    this.#endBackoff(neighbour, now)
    while (this.#mayRequest(neighbour) && this.#requestOne(neighbour, now)) {
      // until there is no room, or nothing is wanted
    }
    this.#updateIdle(neighbour)
    this.#reschedule(neighbour)
  }

  /** Asks the idle neighbours, the least loaded first, the longest idle first among them. */
  fillIdle(now: Micros): void {
    const idle = this.#idle
    if (idle.length === 0 || !this.#swarm.mayRequestMore) return
    for (let load = 0; load < this.#context.rules.maxRequestsPerNeighbour; load++) {
      for (let index = 0; index < idle.length; ) {
        const neighbour = idle[index]!
        if (neighbour.requests.live === load) {
          this.#requestFromIdle(neighbour, now)
          if (!this.#swarm.mayRequestMore) return
        }
        if (neighbour.isIdle) index++
      }
    }
  }

  /** A neighbour's backoff or request timeout has come, or may have come: its deadline may be early. */
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

  /** A request was answered by its piece; the neighbour is filled next. */
  pieceReceived(neighbour: Neighbour, request: OutstandingRequest, now: Micros): void {
    neighbour.failures = 0
    if (request.state === "live") this.#swarm.window.release(neighbour.requests, request)
    this.#answers.answered(now - request.sentAt)
  }

  /** A request was refused. */
  rejected(neighbour: Neighbour, request: OutstandingRequest, retryAfter: Micros, now: Micros): void {
    const wasLive = request.state === "live"
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

  /** Takes back all requests of a neighbour that leaves. */
  releaseAll(neighbour: Neighbour): void {
    for (const request of neighbour.requests.outstanding) {
      if (request.state === "live") this.#swarm.window.release(neighbour.requests, request)
    }
    neighbour.requests.outstanding.length = 0
    this.#setIdle(neighbour, false)
    if (neighbour.deadline !== undefined) this.#context.deadlines.set(neighbour.deadline, undefined)
  }

  /** The piece came from `but`; whoever else was asked is told to forget it. */
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
    return (
      neighbour.state === "joined" && neighbour.requests.hasRoom(this.#context.rules.maxRequestsPerNeighbour)
    )
  }

  /** Puts a neighbour among the idle ones, or takes it out. One that backs off only wakes for something wanted. */
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

  /** Whether the neighbour has a piece that could be asked of it: unrequested, or any wanted one in endgame. */
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
    swarm.window.add(neighbour.requests, piece, now, this.#answers.timeout)
    this.#context.counters.requestsSent++
    swarm.haves.piggyback(neighbour)
    sendMessage(this.#context, neighbour, { tag: "Request", channel: neighbour.channel, piece })
    return true
  }

  #select(neighbour: Neighbour): number {
    const swarm = this.#swarm
    const { outstanding, live } = neighbour.requests
    // What was given up on or cancelled here is still owed an answer, and not asked again meanwhile.
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
        // Whoever suggests is a source that all want: there a suggestion goes before the reader, who is served by
        // the others' copies sooner than by everyone asking the source for the same piece; but not for long.
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

  /** Whether suggestions go before what readers wait for. */
  #prefersSuggestions(suggested: readonly number[]): boolean {
    const { isWhole, reading } = this.#swarm.demand
    return suggested.length > 0 && isWhole && !reading.isUrgent
  }

  /** In endgame, the piece whose request is the oldest and overdue, if this neighbour can give a copy; else -1. */
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
   * A neighbour's next wake-up: at the latest at its earliest timeout, or at the end of its backoff. A timeout moves
   * away with every answer, and hardly ever comes: so a wake-up that is early already is left alone.
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
