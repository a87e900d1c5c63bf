// Upload queue of a host, for all its swarms: ONE short queue for the one uplink. A request that does not fit is
// refused at once with Reject busy, so that the requester turns elsewhere; requests that pile up make the tail of a
// download.
//
//   Request -> waiting -> loading -> sending -- PieceSent --> gone
//                 |           |         |
//                 |           |         +-- late, others passed it --> stalled -- PieceSent, or dropped --> gone
//                 +-----------+---- Cancel, Close: Reject; disconnected: forgotten
//
// Invariants: every Request gets exactly one Piece or Reject while its channel and connection exist; the pieces that
// are waiting, loading or being sent, those on their way to slow neighbours aside, fit into maxUploadQueue, the line of
// a long path (upload-places.ts) and one place beyond (hasRoom, makeRoomFor), and together with the stalled ones into
// maxUploadBytes; a peer that does not take its piece (stalled) blocks no other: its place in the queue is free for
// others, at most maxUploadQueue pieces are stalled, and its connection is dropped when the requester must have given
// up; a piece is loaded once for all neighbours that wait for it; a load that nobody waits for any more is dropped when
// it returns.
// Scheduling is round robin: the swarm served longest ago, and in it the neighbour served longest ago, also if it left
// and came back since (served-peers.ts). The first piece of a neighbour that has none goes out alone, so that it is
// there soon and the neighbour can go on with it; no longer than firstPiecePatience, so that one that reads slowly does
// not have the uplink. The uploader does not know what a piece is worth.

import type { Deadline } from "../kit/deadlines.ts"
import { removeAt } from "../kit/remove-at.ts"
import type { Micros } from "../kit/time.ts"
import type { RejectReason, SwarmId } from "../wire/message.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour, NeighbourSession } from "./neighbour.ts"
import type { ConnectionId, PeerHostInput } from "./peer-host-io.ts"
import { PieceLoads } from "./piece-loads.ts"
import { ServedPeers } from "./served-peers.ts"
import { announced, isOut, proofFor, type UploadJob, type UploadSwarm } from "./upload-job.ts"
import { countSlow, placesInLine, recordSend } from "./upload-places.ts"
import { UploadRate } from "./upload-rate.ts"

const MiB = 1024 * 1024

export class Uploader {
  /** In the order of arrival. */
  readonly #jobs: UploadJob[] = []
  #bytes = 0
  #stalled = 0
  readonly #stallCheck: Deadline
  #turn = 0
  /** Loads that the store has not answered; at most maxUploadsInFlight. */
  readonly #loads = new PieceLoads()
  readonly #rate: UploadRate
  /** The piece that has the uplink to itself, because its neighbour has none yet. */
  #first: UploadJob | undefined
  readonly #firstLate: Deadline
  /** Those that have left: one that comes back is neither first nor alone again. */
  readonly #served: ServedPeers
  /** Number of pieces that the transport got. */
  #handedOver = 0
  readonly #context: HostContext

  constructor(context: HostContext) {
    this.#context = context
    this.#served = new ServedPeers(context.rules.maxServedRemembered)
    this.#rate = new UploadRate(context.rules.initialUploadTimePerMiB / MiB)
    this.#firstLate = context.deadlines.make(() => {
      this.#firstEnded()
      this.#pump()
    })
    this.#stallCheck = context.deadlines.make((now) => this.#checkStalls(now))
  }

  /** Pieces that are waiting, loading or being sent. */
  get queued(): number {
    return this.#jobs.length - this.#stalled
  }

  get stalled(): number {
    return this.#stalled
  }

  get queuedBytes(): number {
    return this.#bytes
  }

  /**
   * Whether a request of `bytes` fits now. A piece above the limit fits when nothing else is queued. One place more is
   * kept for a neighbour that is behind those that are served: the next of these finds no room and turns elsewhere.
   */
  hasRoom(bytes: number, neighbour: Neighbour): boolean {
    const { roundTrip } = neighbour.session
    const line = placesInLine(roundTrip, this.#rate.uplinkTime(bytes), this.#context.rules.maxUploadLine)
    return this.#hasPlaceFor(bytes, line) || (this.#hasPlaceFor(bytes, line + 1) && this.#isBehind(neighbour))
  }

  /** Pieces on their way to slow neighbours, which hold no place. */
  #countSlow(): number {
    return countSlow(this.#jobs, this.#rate.sendTime(1), this.#context.rules)
  }

  #hasPlaceFor(bytes: number, beyond: number): boolean {
    return this.queued - this.#countSlow() < this.#context.rules.maxUploadQueue + beyond && this.#fits(bytes)
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#context.rules.maxUploadBytes || this.#bytes === 0
  }

  /** Whether a neighbour has clearly fewer pieces than those of its swarm that are served have on average. */
  #isBehind(asker: Neighbour): boolean {
    const { piecesBehind } = this.#context.rules
    let ahead = 0
    let others = 0
    for (const { neighbour } of this.#jobs) {
      if (neighbour.swarm !== asker.swarm) continue
      ahead += announced(neighbour) - announced(asker)
      others++
    }
    return ahead > piecesBehind * others
  }

  /** Queues a request. The caller has checked hasRoom, and that the piece is stored. */
  enqueue(swarm: UploadSwarm, neighbour: Neighbour, piece: number, bytes: number): void {
    this.#served.requests(neighbour)
    this.#jobs.push({ swarm, neighbour, piece, bytes, state: "waiting", sentAt: 0, order: 0, passedBy: 0 })
    this.#bytes += bytes
    this.#pump()
  }

  /**
   * Time in which the uplink sends one piece of those that are queued: then one has left, and its place is free. A
   * neighbour that waits longer finds the places taken by those that ask again.
   */
  retryAfter(): Micros {
    const one = Math.round(this.#rate.uplinkTime(this.#bytes) / Math.max(1, this.#jobs.length))
    return Math.min(one, this.#context.rules.maxRejectBackoff)
  }

  /**
   * Makes room for a swarm that has nothing in the queue, so that blobs share the uplink: the newest waiting piece of
   * the swarm with the most pieces is refused, unless it is that swarm's only piece. When none can be refused,
   * because all are on their way, the swarm waits in a place beyond the queue, which one swarm has at a time. True
   * when there is room now.
   */
  makeRoomFor(swarm: UploadSwarm, bytes: number): boolean {
    const held = new Map<UploadSwarm, number>()
    for (const job of this.#jobs) {
      if (job.swarm === swarm) return false
      held.set(job.swarm, (held.get(job.swarm) ?? 0) + 1)
    }
    let victim: UploadJob | undefined
    for (const job of this.#jobs) {
      if (job.state !== "waiting" || held.get(job.swarm)! < 2) continue
      if (victim === undefined || held.get(job.swarm)! >= held.get(victim.swarm)!) victim = job
    }
    if (victim === undefined) return this.#hasPlaceFor(bytes, 1)
    this.#remove(victim)
    this.#abort(victim)
    this.#reject(victim, "busy")
    return this.#fits(bytes)
  }

  /** The neighbour cancels a request. A piece that is being sent arrives nevertheless, and is the answer. */
  cancel(neighbour: Neighbour, piece: number): void {
    for (const job of this.#jobs) {
      if (job.neighbour !== neighbour || job.piece !== piece || isOut(job)) continue
      this.#remove(job)
      this.#abort(job)
      this.#reject(job, "cancelled")
      break
    }
    this.#pump()
  }

  /** Whether this piece is queued for this neighbour. */
  has(neighbour: Neighbour, piece: number): boolean {
    for (const job of this.#jobs) if (job.neighbour === neighbour && job.piece === piece) return true
    return false
  }

  /** Whether any piece of this swarm is in the queue. */
  isServing(swarm: SwarmId): boolean {
    for (const job of this.#jobs) if (job.swarm.id === swarm) return true
    return false
  }

  /** `proof` has all uncles of the piece; a neighbour is sent those that it cannot have yet. */
  pieceLoaded({ swarm, piece, payload, proof }: LoadedPiece, now: Micros): void {
    this.#loads.answered(swarm, piece)
    for (const job of this.#jobs) {
      if (job.state !== "loading" || job.piece !== piece || job.swarm.id !== swarm) continue
      job.state = "sending"
      job.sentAt = now
      job.order = this.#handedOver++
      if (job === this.#first) {
        const patience = this.#context.rules.firstPiecePatience * this.#rate.uplinkTime(job.bytes)
        this.#context.deadlines.set(this.#firstLate, now + Math.round(patience))
      }
      this.#context.outputs.push({
        tag: "Send",
        connection: job.neighbour.connection,
        message: {
          tag: "Piece",
          channel: job.neighbour.channel,
          piece,
          proof: proofFor(job, proof),
          payload
        },
        swarm
      })
    }
    this.#scheduleStallCheck()
    this.#pump()
  }

  pieceLoadFailed(swarm: SwarmId, piece: number): void {
    this.#loads.answered(swarm, piece)
    this.#removeWhere(
      (job) => job.state === "loading" && job.piece === piece && job.swarm.id === swarm,
      "failed"
    )
    this.#pump()
  }

  /** A Piece left this host. */
  pieceSent(connection: ConnectionId, swarm: SwarmId, piece: number, now: Micros): void {
    for (const job of this.#jobs) {
      if (!isOut(job) || job.piece !== piece || job.swarm.id !== swarm) continue
      if (job.neighbour.connection !== connection) continue
      for (const other of this.#jobs) if (isOut(other) && other.order < job.order) other.passedBy++
      if (job.state === "sending") {
        this.#rate.sent(job.bytes, job.sentAt, now)
        recordSend(job.neighbour, (now - job.sentAt) / job.bytes)
      }
      this.#remove(job)
      this.#context.counters.piecesSent++
      this.#context.counters.bytesSent += job.bytes
      break
    }
    this.#pump()
  }

  /** The channel closes: what waits is refused (silently unless `answer`), what is being sent still goes out. */
  channelClosed(neighbour: Neighbour, answer: boolean): void {
    this.#removeWhere((job) => job.neighbour === neighbour && !isOut(job), answer ? "closed" : undefined)
    this.#served.left(neighbour)
    this.#pump()
  }

  /** The connection is gone, and with it what was being sent. */
  disconnected(session: NeighbourSession): void {
    this.#removeWhere((job) => job.neighbour.session === session, undefined)
    this.#pump()
  }

  #removeWhere(matches: (job: UploadJob) => boolean, answer: RejectReason | undefined): void {
    for (let index = this.#jobs.length - 1; index >= 0; index--) {
      const job = this.#jobs[index]!
      if (!matches(job)) continue
      this.#remove(job)
      this.#abort(job)
      if (answer !== undefined) this.#reject(job, answer)
    }
  }

  #remove(job: UploadJob): void {
    removeAt(this.#jobs, this.#jobs.indexOf(job))
    this.#bytes -= job.bytes
    if (job.state === "stalled") this.#stalled--
    if (job === this.#first) this.#firstEnded()
    if (isOut(job)) this.#scheduleStallCheck()
  }

  /**
   * When a piece that is being sent becomes stalled, or the connection of a stalled one is dropped. While others have
   * not passed it, the uplink may be slow or wait for its rate, with all pieces that are queued for it.
   */
  #stallDeadline(job: UploadJob): Micros {
    const { uploadStallTime, requestTimeoutBase, requestTimeoutPerMiB, maxUploadQueue } = this.#context.rules
    const isPassed = job.passedBy >= maxUploadQueue
    const bytes = isPassed ? job.bytes : this.#bytes
    const giveUp = 2 * (requestTimeoutBase + Math.round((requestTimeoutPerMiB * bytes) / MiB))
    if (job.state === "stalled" || !isPassed) return job.sentAt + giveUp
    const expected = Math.round(8 * this.#rate.sendTime(job.bytes))
    return job.sentAt + Math.min(uploadStallTime + expected, giveUp)
  }

  #scheduleStallCheck(): void {
    for (const job of this.#jobs) {
      if (!isOut(job)) continue
      const at = this.#stallDeadline(job)
      // Mostly the check is due earlier anyway; then the session is not read.
      if (this.#stallCheck.at !== undefined && this.#stallCheck.at <= at) continue
      if (job.neighbour.session.state !== "closing") this.#context.deadlines.set(this.#stallCheck, at)
    }
  }

  #checkStalls(now: Micros): void {
    const dropped: NeighbourSession[] = []
    for (const job of this.#jobs) {
      if (!isOut(job) || this.#stallDeadline(job) > now) continue
      if (job.state === "stalled" || this.#stalled >= this.#context.rules.maxUploadQueue) {
        dropped.push(job.neighbour.session)
      } else {
        job.state = "stalled"
        this.#stalled++
      }
    }
    for (const session of dropped) {
      this.#context.dropSession(session, "stalled: a piece does not get through", now)
    }
    this.#scheduleStallCheck()
    this.#pump()
  }

  #abort(job: UploadJob): void {
    job.swarm.uploadAborted(job.neighbour, job.piece)
  }

  #reject(job: UploadJob, reason: RejectReason): void {
    this.#context.counters.rejectsSent++
    sendMessage(this.#context, job.neighbour, {
      tag: "Reject",
      channel: job.neighbour.channel,
      piece: job.piece,
      reason,
      retryAfter: reason === "busy" ? this.retryAfter() : 0
    })
  }

  /** Pieces in memory or about to be: loading, being sent, and loads that nobody waits for any more. */
  #inFlight(): number {
    let count = 0
    for (const job of this.#jobs) if (job.state === "loading" || job.state === "sending") count++
    return count + this.#loads.unawaited(this.#jobs)
  }

  #isFirst({ neighbour }: UploadJob): boolean {
    const { firstPiecePatience } = this.#context.rules
    return firstPiecePatience > 0 && neighbour.servedAt === 0 && announced(neighbour) === 0
  }

  #firstEnded(): void {
    this.#first = undefined
    this.#context.deadlines.set(this.#firstLate, undefined)
  }

  /** Starts as many loads as may be in flight: no other one while the first piece of a neighbour goes out. */
  #pump(): void {
    while (
      this.#first === undefined &&
      this.#inFlight() - this.#countSlow() < this.#context.rules.maxUploadsInFlight
    ) {
      const job = this.#nextWaiting()
      if (job === undefined) return
      if (this.#isFirst(job)) this.#first = job
      job.state = "loading"
      this.#turn++
      job.swarm.servedAt = this.#turn
      job.neighbour.servedAt = this.#turn
      if (this.#loads.has(job.swarm.id, job.piece)) continue
      this.#loads.asked(job.swarm.id, job.piece)
      this.#context.outputs.push({ tag: "LoadPiece", swarm: job.swarm.id, piece: job.piece })
    }
  }

  #nextWaiting(): UploadJob | undefined {
    let next: UploadJob | undefined
    for (const job of this.#jobs) {
      if (job.state !== "waiting") continue
      if (
        next === undefined ||
        job.swarm.servedAt < next.swarm.servedAt ||
        (job.swarm === next.swarm && job.neighbour.servedAt < next.neighbour.servedAt)
      ) {
        next = job
      }
    }
    return next
  }
}

type LoadedPiece = Omit<PeerHostInput & { readonly tag: "PieceLoaded" }, "tag">
