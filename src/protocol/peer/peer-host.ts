// Peer machine of a host: takes one input at a time and returns its outputs. It consists of:
//
//   connections: connection-manager.ts (connection-budget.ts, handshake.ts, peer-session.ts)
//   channels:    channels.ts (neighbour-search.ts, neighbour.ts)
//   a blob:      swarm.ts (request-filler.ts, request-window.ts, piece-selection.ts, have-batch.ts, super-seeding.ts)
//   the uplink:  uploader.ts, one for all blobs
//
// Invariants: a step is a plain call that changes the state in place; it throws only for a defect of this program or
// its driver, never for what a peer sent; the same inputs and the same random numbers give the same outputs. It does
// not know sockets, disks, clocks and trackers.

import { DeadlineQueue } from "../kit/deadlines.ts"
import { invariant } from "../kit/invariant.ts"
import type { RandomSource } from "../kit/random-source.ts"
import type { Micros } from "../kit/time.ts"
import {
  type HostContext,
  type HostIdentity,
  newCounters,
  newPieceTimes,
  type PeerHostRules,
  peerHostRules
} from "../swarm/host-context.ts"
import { type Neighbour, peerOf } from "../swarm/neighbour.ts"
import type { PeerHostCounters, PeerHostInput, PeerHostOutput, SwarmStatus } from "../swarm/peer-host-io.ts"
import { Swarm } from "../swarm/swarm.ts"
import { Uploader } from "../swarm/uploader.ts"
import type { Message, SwarmId } from "../wire/message.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"
import { Channels } from "./channels.ts"
import { ConnectionBudget } from "./connection-budget.ts"
import { ConnectionManager } from "./connection-manager.ts"
import { findNeighbour, makeNeighbourIndex } from "./neighbour-index.ts"
import { type PeerSession, sessionOf } from "./peer-session.ts"

export interface PeerHostOptions extends HostIdentity {
  readonly random: RandomSource
  /** Limits that an experiment varies; all others are those of limits.ts. */
  readonly limits?: Partial<PeerHostRules>
}

/** State of one neighbour, for metrics and debugging. */
export interface NeighbourSnapshot {
  readonly peerId: PeerId
  readonly kind: PeerKind
  readonly address: string
  readonly have: number
  readonly requests: number
  /** When it is asked again, if it backs off. */
  readonly backoffUntil: Micros | undefined
}

export interface BanSnapshot {
  readonly peerId: PeerId
  readonly until: Micros
  readonly reason: string
}

/** Messages on a joined channel. */
type Exchange = Exclude<Message, { readonly tag: "Hello" | "Bye" | "Open" | "Close" }>

const isExchange = (message: Message): message is Exchange =>
  message.tag !== "Hello" && message.tag !== "Bye" && message.tag !== "Open" && message.tag !== "Close"

const limitsThatShip: Partial<PeerHostRules> = {}

export class PeerHost {
  // The fields that every message touches come first, in one cache line.
  #now: Micros = 0
  readonly #outputs: PeerHostOutput[] = []
  readonly #index = makeNeighbourIndex()
  readonly #deadlines = new DeadlineQueue()
  readonly #context: HostContext
  readonly #channels: Channels<Swarm>
  readonly #uploader: Uploader
  readonly #budget: ConnectionBudget
  readonly #connections: ConnectionManager
  readonly counters: PeerHostCounters = newCounters()
  readonly pieceTimes = newPieceTimes()

  constructor(options: PeerHostOptions) {
    const rules = peerHostRules(options.limits ?? limitsThatShip)
    const { peerId, kind, address, random } = options
    this.#context = {
      self: { peerId, kind, address },
      rules,
      random,
      counters: this.counters,
      pieceTimes: this.pieceTimes,
      deadlines: this.#deadlines,
      outputs: this.#outputs,
      fetching: 0,
      load: 0,
      closeChannel: (neighbour, reason, now) => this.#channels.close(neighbour, reason, now),
      dropSession: (session, reason, now) => this.#connections.drop(sessionOf({ session }), reason, now),
      banPeer: (banned, where, reason, now) => this.#connections.banPeer(banned, where, reason, now)
    }
    this.#budget = new ConnectionBudget(rules, random)
    this.#uploader = new Uploader(this.#context)
    this.#connections = new ConnectionManager(
      this.#context,
      this.#budget,
      this.#uploader,
      () => this.#channels
    )
    this.#channels = new Channels(this.#context, this.#budget, this.#uploader, this.#connections, this.#index)
  }

  /**
   * One step. The driver carries out the outputs in order before the next step, which reuses the array. `now` never
   * goes back.
   */
  handle(input: PeerHostInput, now: Micros): readonly PeerHostOutput[] {
    invariant(now >= this.#now, `peer host: time went back from ${this.#now} to ${now}`)
    this.#now = now
    // Setting the length to 0 would free the memory of the array, and every step would allocate it again.
    while (this.#outputs.length > 0) this.#outputs.pop()
    this.#step(input, now)
    return this.#outputs
  }

  /** When Woken is due next. After a step it may lie in the past; then it is due at once. */
  nextWake(): Micros | undefined {
    return this.#deadlines.next
  }

  swarmStatus(id: SwarmId): SwarmStatus | undefined {
    const swarm = this.#channels.swarm(id)
    if (swarm === undefined) return undefined
    return {
      swarm: id,
      pieces: swarm.pieces,
      have: swarm.have.count,
      neighbours: swarm.neighbours.length,
      dialling: swarm.dialling + swarm.opening,
      requested: swarm.requested
    }
  }

  /** Whether a piece of this swarm is in the upload queue. */
  isServing(id: SwarmId): boolean {
    return this.#uploader.isServing(id)
  }

  /** Number of connections in all states. */
  get connections(): number {
    return this.#budget.size
  }

  /** The upload queue: queued pieces, stalled pieces, and the bytes of both. */
  get uploads(): { readonly pieces: number; readonly stalled: number; readonly bytes: number } {
    const { queued, stalled, queuedBytes } = this.#uploader
    return { pieces: queued, stalled, bytes: queuedBytes }
  }

  neighbours(id: SwarmId): readonly NeighbourSnapshot[] {
    const swarm = this.#channels.swarm(id)
    if (swarm === undefined) return []
    return swarm.neighbours.map(({ session, theirs, requests, backoffUntil }) => ({
      peerId: peerOf(session),
      kind: session.kind,
      address: session.address,
      have: theirs?.count ?? 0,
      requests: requests.live,
      backoffUntil
    }))
  }

  bans(): readonly BanSnapshot[] {
    return this.#budget.bans()
  }

  #step(input: PeerHostInput, now: Micros): void {
    switch (input.tag) {
      case "Received": {
        const { connection, message } = input
        if (isExchange(message)) {
          const neighbour = findNeighbour(this.#index, connection, message.channel)
          if (neighbour !== undefined) {
            const violation = this.#exchange(neighbour, message, now)
            if (violation !== undefined) this.#connections.violation(sessionOf(neighbour), violation, now)
            return
          }
        }
        const session = this.#connections.receiving(connection)
        if (session !== undefined) this.#receive(session, message, now)
        return
      }
      case "PieceStored":
        this.#channels.swarm(input.swarm)?.pieceStored(input.piece, now)
        return
      case "PieceArrived":
        this.#channels.swarm(input.swarm)?.pieceArrived(input.piece, now)
        return
      case "PieceLoaded":
        this.#uploader.pieceLoaded(input, now)
        return
      case "PieceSent":
        this.#uploader.pieceSent(input.connection, input.swarm, input.piece, now)
        return
      case "Woken":
        this.#deadlines.fireDue(now)
        return
      case "SwarmOpened": {
        const { swarm, metainfo, have, seedArc, recorded } = input
        const onDemand = input.onDemand === true
        const opened = new Swarm(
          this.#context,
          this.#uploader,
          swarm,
          metainfo,
          have,
          seedArc,
          onDemand,
          recorded
        )
        this.#channels.addSwarm(opened, now)
        opened.recorded?.checkMore()
        return
      }
      case "SwarmClosed":
        this.#channels.removeSwarm(input.swarm, now)
        return
      case "SwarmUnknown":
        this.#channels.swarmUnknown(input.swarm, now)
        return
      case "PeersOffered":
        this.#channels.offer(input.swarm, input.peers, now)
        return
      case "ReaderMoved":
        this.#channels.swarm(input.swarm)?.demand.readerMoved(input.reader, input, now)
        return
      case "DemandChanged":
        this.#channels.swarm(input.swarm)?.demand.setWhole(input.whole, now)
        return
      case "ReaderLeft":
        this.#channels.swarm(input.swarm)?.demand.readerLeft(input.reader)
        return
      case "Connected":
        this.#connections.connected(input.connection, now)
        return
      case "DialFailed":
        this.#connections.dialFailed(input.connection, now)
        return
      case "ProtocolBroken": {
        const session = this.#connections.receiving(input.connection)
        if (session !== undefined) this.#connections.broken(session, input.bye, input.reason, now)
        return
      }
      case "Disconnected":
        this.#connections.disconnected(input.connection, now)
        return
      case "PieceLoadFailed":
        this.#uploader.pieceLoadFailed(input.swarm, input.piece)
        return
      case "PieceFound":
      case "PieceLost":
        this.#channels.swarm(input.swarm)?.pieceChecked(input.piece, input.tag === "PieceFound", now)
        return
      case "PieceCorrupt":
        this.#channels.swarm(input.swarm)?.pieceCorrupt(input.piece, now)
        return
      case "PieceStoreFailed":
        this.#channels.swarm(input.swarm)?.pieceStoreFailed(input.piece, input.reason)
        return
      case "Stopping":
        this.#channels.stop()
        this.#connections.stop(now)
        return
    }
  }

  #receive(session: PeerSession, message: Message, now: Micros): void {
    if (message.tag === "Hello") {
      this.#connections.onHello(session, message, now)
      return
    }
    if (message.tag === "Bye") {
      this.#connections.onBye(session, message.reason, now)
      return
    }
    const violation =
      session.state === "open" ? this.#receiveOpen(session, message, now) : `${message.tag} came before Hello`
    if (violation !== undefined) this.#connections.violation(session, violation, now)
  }

  /** A message of an open session. A string tells how it breaks the protocol. */
  #receiveOpen(
    session: PeerSession,
    message: Exclude<Message, { tag: "Hello" | "Bye" }>,
    now: Micros
  ): string | undefined {
    if (message.tag === "Open") {
      return this.#channels.onOpen(session, message.channel, message.swarm, message.have, now)
    }
    if (message.tag === "Close") {
      return this.#channels.onClose(session, message.channel, message.reason, now)
    }
    const channel = session.remoteChannel(message.channel)
    if (channel === undefined) return `${message.tag} on channel ${message.channel}, which is not open`
    if (channel.draining) {
      if (message.tag === "Piece") this.#pieceAfterClose(session, message.payload.byteLength)
      return undefined
    }
    const { neighbour } = channel
    if (neighbour === undefined) return `${message.tag} on channel ${message.channel}, which is not joined`
    return this.#exchange(neighbour, message, now)
  }

  /** A message between neighbours of a swarm. */
  #exchange(neighbour: Neighbour, message: Exchange, now: Micros): string | undefined {
    const { swarm } = neighbour
    switch (message.tag) {
      case "Have":
        if (message.pieces.length > this.#context.rules.maxPiecesPerMessage) return "Have of too many pieces"
        return swarm.onHave(neighbour, message.pieces, now)
      case "Request":
        return swarm.onRequest(neighbour, message.piece)
      case "Piece":
        return swarm.onPiece(neighbour, message, now)
      case "Reject":
        return swarm.onReject(neighbour, message.piece, message.reason, message.retryAfter, now)
      case "Cancel":
        return swarm.onCancel(neighbour, message.piece)
      case "Suggest":
        if (message.pieces.length > this.#context.rules.maxPiecesPerMessage)
          return "Suggest of too many pieces"
        return swarm.onSuggest(neighbour, message.pieces, now)
    }
  }

  /** A piece that crossed this host's Close: its bytes are wasted. */
  #pieceAfterClose(session: PeerSession, bytes: number): void {
    if (session.kind === "origin") this.counters.bytesReceivedFromOrigins += bytes
    else this.counters.bytesReceivedFromAgents += bytes
    this.counters.piecesDuplicate++
  }
}
