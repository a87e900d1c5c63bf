// Decides what a host remembers of ONE peer in ONE swarm: their pieces, what was asked of them, when to ask again.
//
//   opening ---- their Open ----> joined ---- Close of either side, or the connection goes ----> left
//      |                                                                                          ^
//      +------------------------- no Open in time, Close, or the connection goes ------------------+
//
// Invariants: requests exist only while joined; `left` is final, a peer that comes again gets a new neighbour. It
// holds data and refuses to decide: request-filler.ts asks, swarm.ts keeps the sums.

import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import type { RejectReason, SwarmId } from "../wire/message.ts"
import type { Payload } from "../wire/payload.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"
import type { ConnectionId } from "./peer-host-io.ts"
import { NeighbourRequests } from "./request-window.ts"

/** The connection of a neighbour, as far as a swarm looks at it. */
export interface NeighbourSession {
  readonly connection: ConnectionId
  readonly state: "dialling" | "greeting" | "open" | "closing"
  /** The address dialled, or the one that the peer's Hello named. */
  readonly address: string
  /** Set once the handshake is done. */
  readonly peerId: PeerId | undefined
  readonly kind: PeerKind
}

/** The peer of a session whose handshake is done. */
export const peerOf = ({ peerId, connection }: NeighbourSession): PeerId => {
  invariant(peerId !== undefined, `connection ${connection} is not past its handshake`)
  return peerId
}

/**
 * The swarm of a neighbour, as the channels see it: they join the neighbour, hand it the neighbour's messages, and let
 * the neighbour leave. A string that a message gives says how it breaks the protocol.
 */
export interface NeighbourSwarm {
  readonly id: SwarmId
  readonly pieces: number
  readonly neighbours: readonly Neighbour[]
  /** Neighbours that this host opened and that have not answered yet. */
  opening: number
  readonly join: (neighbour: Neighbour, theirs: Bitfield, now: Micros) => void
  readonly leave: (neighbour: Neighbour, now: Micros) => void
  readonly onHave: (neighbour: Neighbour, pieces: readonly number[], now: Micros) => string | undefined
  readonly onRequest: (neighbour: Neighbour, piece: number) => string | undefined
  readonly onPiece: (neighbour: Neighbour, piece: number, payload: Payload, now: Micros) => string | undefined
  readonly onReject: (
    neighbour: Neighbour,
    piece: number,
    reason: RejectReason,
    retryAfter: Micros,
    now: Micros
  ) => string | undefined
  readonly onCancel: (neighbour: Neighbour, piece: number) => string | undefined
  readonly onSuggest: (neighbour: Neighbour, pieces: readonly number[], now: Micros) => string | undefined
}

export class Neighbour {
  readonly session: NeighbourSession
  readonly swarm: NeighbourSwarm
  /** The session's, at hand: to say or hear something, the session is not looked at. */
  readonly connection: ConnectionId
  readonly isOrigin: boolean
  /** The number that this host gave the channel. */
  readonly channel: number
  /** The number that the peer gave the channel; -1 before the neighbour has joined. */
  theirChannel = -1
  state: "opening" | "joined" | "left" = "opening"
  /** Set while joined. */
  theirs: Bitfield | undefined = undefined
  /** How much of the swarm's have log it was told. */
  havesSent: number
  /** It has plenty to ask us for at least until it has told us of so many pieces; have-batch.ts keeps it. */
  plenty = 0
  /** Whether `theirs` is summed in the swarm's availability; seeds are not, they change no order. */
  counted = false
  readonly requests = new NeighbourRequests()
  /** Not asked before this instant, because it was busy or slow; undefined when it may be asked. */
  backoffUntil: Micros | undefined = undefined
  /** Has room, and nothing was wanted of it when it was looked at last. request-filler.ts keeps it. */
  isIdle = false
  /** Timeouts and Rejects since its last Piece. */
  failures = 0
  /** Pieces that it would rather be asked for, in its order. */
  suggested: readonly number[] = []
  /** Its next timeout or the end of its backoff. */
  deadline: Deadline | undefined = undefined
  /** The uploader's turn counter when this neighbour was served last. */
  servedAt = 0

  constructor(session: NeighbourSession, swarm: NeighbourSwarm, channel: number, havesSent: number) {
    this.session = session
    this.connection = session.connection
    this.isOrigin = session.kind === "origin"
    this.swarm = swarm
    this.channel = channel
    this.havesSent = havesSent
  }
}
