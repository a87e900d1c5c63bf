// One blob on one host, with all neighbours that share it.
//
//   a piece: missing -> requested -> being stored -- PieceStored --> have (announced and served)
//               ^           |               |
//               +-----------+---------------+---- Reject, timeout, neighbour gone; PieceCorrupt (bans the sender)
//
//   the swarm: fetching -- last piece stored --> complete; fetching -- no storage --> failed (it still serves)
//              fetching <-- whether wanted pieces are missing --> resting (it only serves)
//
// Invariants: a piece is announced and served only after PieceStored; `availability` is the exact number of joined
// neighbours, seeds excluded, that have each piece; only the peer that sent a corrupt piece is banned for it. The swarm
// does not know connections (connection-manager.ts), what to request next (request-filler.ts) or who waits for the
// uplink (uploader.ts).

import type { Bitfield, Words } from "../kit/bitfield.ts"
import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import type { RejectReason, SwarmId } from "../wire/message.ts"
import { isArrival, pieceCount, pieceSize, type SwarmInfo } from "../wire/metainfo.ts"
import { addAvailability } from "./availability.ts"
import { Demand } from "./demand.ts"
import { HaveBatch } from "./have-batch.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import { type Neighbour, type NeighbourSwarm, peerOf, type ReceivedPiece } from "./neighbour.ts"
import type { SeedArc } from "./peer-host-io.ts"
import { isBeingWritten, type PendingWrite, takePendingWrite, writeEnded } from "./pending-writes.ts"
import { RecordedPieces } from "./recorded-pieces.ts"
import { type RequestedSwarm, RequestFiller } from "./request-filler.ts"
import { RequestWindow } from "./request-window.ts"
import { SuperSeeding } from "./super-seeding.ts"
import type { UploadSwarm } from "./upload-job.ts"
import type { Uploader } from "./uploader.ts"

/** What a swarm asks of the uploader. */
export type SwarmUploader = Pick<
  Uploader,
  "cancel" | "enqueue" | "has" | "hasRoom" | "makeRoomFor" | "retryAfter"
>

export class Swarm implements NeighbourSwarm, RequestedSwarm, UploadSwarm {
  // The fields that most messages touch come first.
  readonly pieces: number
  /** Verified and stored pieces. The object belongs to the driver; this machine adds to it. */
  readonly have: Bitfield
  readonly window: RequestWindow
  /** Which of the missing pieces are wanted. */
  readonly demand: Demand
  readonly availability: Uint16Array
  readonly haves: HaveBatch
  readonly #context: HostContext
  readonly #superSeeding: SuperSeeding | undefined
  readonly #filler: RequestFiller
  readonly #pendingWrites: PendingWrite[] = []
  readonly metainfo: SwarmInfo
  readonly id: SwarmId
  /** Words of the pieces that are not in `have`. */
  readonly missing: Words
  /** Joined neighbours, in the order of joining. */
  readonly neighbours: Neighbour[] = []
  /** Neighbours that this host opened and that have not answered yet. */
  opening = 0
  /** Connections that are being made for this swarm. */
  dialling = 0
  servedAt = 0
  /** A piece could not be stored: nothing is requested any more, what is stored is still served. */
  failed = false
  /** The swarm is being closed on this host: nothing is started any more. */
  closing = false
  readonly recorded: RecordedPieces | undefined
  #origins = 0
  readonly #uploader: SwarmUploader

  constructor(
    context: HostContext,
    uploader: SwarmUploader,
    id: SwarmId,
    metainfo: SwarmInfo,
    have: Bitfield,
    seedArc: SeedArc | undefined,
    onDemand: boolean,
    recorded?: Bitfield
  ) {
    this.id = id
    this.metainfo = metainfo
    this.pieces = pieceCount(metainfo)
    invariant(this.pieces === have.length, `swarm: metainfo has ${this.pieces} pieces, have ${have.length}`)
    this.have = have
    this.missing = have.complement()
    this.window = new RequestWindow(this.pieces, context)
    this.availability = new Uint16Array(this.pieces)
    this.#context = context
    const { missing, pieces: count } = this
    this.demand = new Demand(context, { count, missing, isComplete: have.isFull }, !onDemand, (now) => {
      this.#filler.fillIdle(now)
      this.recorded?.checkMore()
    })
    this.demand.reading.missingChanged(this.pieces - have.count)
    this.haves = new HaveBatch(context, metainfo.pieceLength, have, this.neighbours)
    this.#filler = new RequestFiller(context, this)
    this.#superSeeding =
      context.self.kind === "origin" &&
      (have.isFull || isArrival(metainfo)) &&
      context.rules.suggest !== false
        ? new SuperSeeding(context, have, seedArc)
        : undefined
    this.#uploader = uploader
    this.recorded =
      recorded === undefined || recorded.count === 0 ? undefined : new RecordedPieces(context, this, recorded)
  }

  get isComplete(): boolean {
    return this.have.isFull
  }

  /** Whether it requests pieces at all. */
  get wantsPieces(): boolean {
    return !this.have.isFull && !this.failed && !this.closing
  }

  /** Whether one more request may be sent. Pieces that are being stored are in memory, so they are bounded as well. */
  get mayRequestMore(): boolean {
    const have = this.demand.isWhole ? this.have.count : this.pieces
    return this.window.hasShare(this.#context.rules, have) && this.wantsPieces && this.#hasMemory
  }

  get #hasMemory(): boolean {
    return this.window.hasMemory(this.#context.rules, this.#pendingWrites.length, this.metainfo.pieceLength)
  }

  /** Few pieces are wanted, so a single slow answer may delay everything. */
  get isEndgame(): boolean {
    return !this.demand.isWhole || this.pieces - this.have.count <= this.#context.rules.endgamePieces
  }

  get isAllRequested(): boolean {
    const { requested } = this.window
    const { wanted } = this.demand
    for (let word = 0; word < requested.length; word++) {
      if ((wanted[word]! & ~requested[word]!) !== 0) return false
    }
    return true
  }

  /**
   * Neighbours that are joined, being opened or being dialled. Joined origins do not count: all hosts ask them, so each
   * gets little, and a host that counted them would have too few neighbours.
   */
  get degree(): number {
    return this.neighbours.length - this.#origins + this.opening + this.dialling
  }

  /** Nothing is requested or being stored, and no neighbour has anything that is wanted here. */
  get isStarving(): boolean {
    if (!this.wantsPieces || !this.demand.isFetching) return false
    if (this.window.live > 0 || this.#pendingWrites.length > 0) return false
    const { wanted } = this.demand
    for (const neighbour of this.neighbours) {
      const theirs = neighbour.theirs!.words
      for (let word = 0; word < theirs.length; word++) {
        if ((theirs[word]! & wanted[word]!) !== 0) return false
      }
    }
    return true
  }

  /** Live requests and pieces that are being stored. */
  get requested(): number {
    return this.window.live + this.#pendingWrites.length
  }

  /** Both sides have opened the channel. `theirs` is what the peer has. */
  join(neighbour: Neighbour, theirs: Bitfield, now: Micros): void {
    neighbour.state = "joined"
    neighbour.theirs = theirs
    this.neighbours.push(neighbour)
    if (neighbour.isOrigin) this.#origins++
    if (!theirs.isFull) {
      neighbour.counted = true
      addAvailability(this.availability, theirs, 1)
    }
    if (neighbour.havesSent < this.haves.end) this.haves.schedule(now)
    if (this.#closeIfFinished(neighbour, now)) return
    this.#superSeeding?.neighbourJoined(neighbour)
    neighbour.deadline ??= this.#context.deadlines.makeFor(neighbour, this.#filler.onDeadline)
    this.#filler.fill(neighbour, now)
  }

  /** The channel or the connection has ended; the requests of the neighbour go to others. */
  leave(neighbour: Neighbour, now: Micros): void {
    const index = this.neighbours.indexOf(neighbour)
    invariant(index >= 0, "swarm: a neighbour that is not joined leaves")
    this.neighbours.splice(index, 1)
    if (neighbour.isOrigin) this.#origins--
    neighbour.state = "left"
    this.#filler.releaseAll(neighbour)
    this.#superSeeding?.neighbourLeft(neighbour)
    if (neighbour.counted) addAvailability(this.availability, neighbour.theirs!, -1)
    this.#filler.fillIdle(now)
  }

  /** The swarm is closed on this host, after its neighbours have left. */
  close(): void {
    this.demand.end()
    this.haves.stop()
    this.#filler.stop()
  }

  onHave(neighbour: Neighbour, pieces: readonly number[], now: Micros): string | undefined {
    const theirs = neighbour.theirs!
    // Most Haves come while enough is requested: then nothing else of the swarm is read.
    const mayAsk = neighbour.backoffUntil !== undefined || this.mayRequestMore
    const isEndgame = mayAsk && this.isEndgame
    let news = false
    this.haves.haveReceived(neighbour, pieces.length)
    for (const piece of pieces) {
      if (!(piece >= 0 && piece < this.pieces)) return `Have of piece ${piece} of ${this.pieces}`
      if (!theirs.set(piece)) continue
      if (neighbour.counted) this.availability[piece]!++
      if (mayAsk && !this.have.has(piece) && (isEndgame || !this.window.isRequested(piece))) news = true
    }
    if (this.#superSeeding !== undefined) this.#superSeeding.haveReceived(neighbour, pieces)
    if (theirs.isFull && this.#closeIfFinished(neighbour, now)) return undefined
    if (news) this.#filler.fill(neighbour, now)
    return undefined
  }

  onRequest(neighbour: Neighbour, piece: number): string | undefined {
    if (!(piece >= 0 && piece < this.pieces)) return `Request of piece ${piece} of ${this.pieces}`
    if (!this.have.has(piece)) {
      this.#reject(neighbour, piece, "missing", 0)
      return undefined
    }
    const uploader = this.#uploader
    if (uploader.has(neighbour, piece)) return `Request of piece ${piece}, which is requested already`
    const bytes = pieceSize(this.metainfo, piece)
    if (!uploader.hasRoom(bytes, neighbour) && !uploader.makeRoomFor(this, bytes)) {
      this.#reject(neighbour, piece, "busy", uploader.retryAfter())
      return undefined
    }
    if (this.#superSeeding?.shouldSteer(neighbour, piece) === true) {
      this.#reject(neighbour, piece, "busy", this.#context.rules.minRejectBackoff)
      return undefined
    }
    this.#superSeeding?.uploadAccepted(neighbour, piece)
    uploader.enqueue(this, neighbour, piece, bytes)
    return undefined
  }

  onPiece(neighbour: Neighbour, { piece, proof, payload }: ReceivedPiece, now: Micros): string | undefined {
    const { counters } = this.#context
    const request = neighbour.requests.take(piece)
    if (request === undefined) {
      counters.piecesUnrequested++
      return `Piece ${piece}, which was not requested`
    }
    if (payload.byteLength !== pieceSize(this.metainfo, piece)) {
      if (request.state === "live") this.window.release(neighbour.requests, request)
      return `Piece ${piece} of ${payload.byteLength} bytes`
    }
    if (neighbour.isOrigin) counters.bytesReceivedFromOrigins += payload.byteLength
    else counters.bytesReceivedFromAgents += payload.byteLength
    this.#filler.pieceReceived(neighbour, request, now)
    // A piece that comes after its timeout is kept, unless the store is so far behind that memory would grow.
    const surplus = request.state !== "live" && !this.window.isRequested(piece) && !this.#hasMemory
    if (this.have.has(piece) || isBeingWritten(this.#pendingWrites, piece) || this.failed || surplus) {
      counters.piecesDuplicate++
    } else {
      if (this.window.isRequested(piece)) this.#filler.cancelDuplicates(piece, neighbour, now)
      this.window.mark(piece)
      this.#pendingWrites.push({ piece, from: neighbour.session, requestedAt: request.sentAt })
      this.#context.outputs.push({ tag: "StorePiece", swarm: this.id, piece, payload, proof })
    }
    this.#filler.fill(neighbour, now)
    return undefined
  }

  onReject(
    neighbour: Neighbour,
    piece: number,
    reason: RejectReason,
    retryAfter: Micros,
    now: Micros
  ): string | undefined {
    const request = neighbour.requests.take(piece)
    if (request === undefined) return `Reject of piece ${piece}, which was not requested`
    this.#context.counters.rejectsReceived++
    if (
      (reason === "missing" || reason === "failed") &&
      neighbour.theirs!.clear(piece) &&
      neighbour.counted
    ) {
      this.availability[piece]!--
    }
    this.#filler.rejected(neighbour, request, retryAfter, now)
    return undefined
  }

  onCancel(neighbour: Neighbour, piece: number): string | undefined {
    if (!(piece >= 0 && piece < this.pieces)) return `Cancel of piece ${piece} of ${this.pieces}`
    this.#uploader.cancel(neighbour, piece)
    return undefined
  }

  /**
   * The suggestions of the neighbour, which replace its earlier ones. An empty list declines suggestions of this host:
   * the neighbour reads on demand and chooses by itself.
   */
  onSuggest(neighbour: Neighbour, pieces: readonly number[], now: Micros): string | undefined {
    for (const piece of pieces) {
      if (!(piece >= 0 && piece < this.pieces)) return `Suggest of piece ${piece} of ${this.pieces}`
    }
    if (pieces.length === 0) this.#superSeeding?.declined(neighbour)
    else if (!this.demand.isWhole) {
      const { channel } = neighbour
      sendMessage(this.#context, neighbour, { tag: "Suggest", channel, pieces: [] })
      return undefined
    }
    neighbour.suggested = pieces.slice(0, this.#context.rules.maxSuggestions)
    this.#filler.fill(neighbour, now)
    return undefined
  }

  pieceStored(piece: number, now: Micros): void {
    if (!writeEnded(this.#pendingWrites, piece, now, this.#context.pieceTimes)) return
    this.window.unmark(piece)
    if (!this.have.has(piece)) this.#context.counters.piecesStored++
    this.#gained(piece, now)
  }

  /** A recorded piece was checked: it is there, or it is missing after all. */
  pieceChecked(piece: number, isThere: boolean, now: Micros): void {
    if (this.recorded?.checked(piece) !== true) return
    if (isThere) this.#gained(piece, now)
    else this.#filler.fillIdle(now)
    this.recorded.checkMore()
  }

  /** A piece came from elsewhere than a peer, and is stored. */
  pieceArrived(piece: number, now: Micros): void {
    this.#gained(piece, now)
    this.#superSeeding?.gained()
  }

  #gained(piece: number, now: Micros): void {
    if (!this.have.set(piece)) return
    this.missing[piece >>> 5]! &= ~(1 << (piece & 31))
    this.haves.pieceStored(piece, now)
    this.demand.pieceStored(piece, this.pieces - this.have.count)
    if (!this.have.isFull) {
      this.#filler.fillIdle(now)
      return
    }
    this.demand.end()
    this.haves.flush(now)
    this.#context.outputs.push({ tag: "SwarmCompleted", swarm: this.id })
    for (const neighbour of [...this.neighbours]) this.#closeIfFinished(neighbour, now)
  }

  pieceCorrupt(piece: number, now: Micros): void {
    const write = takePendingWrite(this.#pendingWrites, piece)
    if (write === undefined) return
    this.window.unmark(piece)
    this.#context.counters.piecesCorrupt++
    const { address } = write.from
    this.#context.banPeer(peerOf(write.from), address, `sent a corrupt piece ${piece} of ${this.id}`, now)
    this.#filler.fillIdle(now)
  }

  pieceStoreFailed(piece: number, reason: string): void {
    if (takePendingWrite(this.#pendingWrites, piece) === undefined) return
    this.window.unmark(piece)
    if (this.failed) return
    this.failed = true
    this.demand.end()
    this.#context.outputs.push({ tag: "SwarmFailed", swarm: this.id, reason })
  }

  uploadAborted(_neighbour: Neighbour, piece: number): void {
    this.#superSeeding?.uploadAborted(piece, this.availability[piece]!)
  }

  /** Closes the channel when both ends are complete, since they have nothing to exchange. */
  #closeIfFinished(neighbour: Neighbour, now: Micros): boolean {
    if (!this.have.isFull || !neighbour.theirs!.isFull) return false
    this.#context.closeChannel(neighbour, "finished", now)
    return true
  }

  #reject(neighbour: Neighbour, piece: number, reason: RejectReason, retryAfter: Micros): void {
    this.#context.counters.rejectsSent++
    this.haves.piggyback(neighbour)
    sendMessage(this.#context, neighbour, {
      tag: "Reject",
      channel: neighbour.channel,
      piece,
      reason,
      retryAfter
    })
  }
}
