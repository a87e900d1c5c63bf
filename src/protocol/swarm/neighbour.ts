// State of ONE peer in ONE swarm: its pieces, the requests to it, and when it may be asked again.
//
//   opening ---- their Open ----> joined ---- Close of either side, or the connection goes ----> left
//      |                                                                                          ^
//      +------------------------- no Open in time, Close, or the connection goes ------------------+
//
// Invariants: requests exist only while it is joined; `left` is final, and a peer that returns is a new neighbour. It
// holds data and decides nothing: request-filler.ts sends requests, swarm.ts keeps the sums.

import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import type { Message, RejectReason, SwarmId } from "../wire/message.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"
import type { ConnectionId } from "./peer-host-io.ts"
import { NeighbourRequests } from "./request-window.ts"

/** A Piece, with its proof. */
export type ReceivedPiece = Message & { readonly tag: "Piece" }

/** The connection of a neighbour, as a swarm sees it. */
export interface NeighbourSession {
  readonly connection: ConnectionId
  readonly state: "dialling" | "greeting" | "open" | "closing"
  /** The address that was dialled, or the one in the peer's Hello. */
  readonly address: string
  /** Set once the handshake is done. */
  readonly peerId: PeerId | undefined
  readonly kind: PeerKind
  /** The shortest answer that was seen; undefined before the first. Set by path-times.ts and the handshake. */
  roundTrip: Micros | undefined
}

/** The peer of a session whose handshake is done. */
export const peerOf = ({ peerId, connection }: NeighbourSession): PeerId => {
  invariant(peerId !== undefined, `connection ${connection} is not past its handshake`)
  return peerId
}

/**
 * The swarm of a neighbour, as the channels see it: they join the neighbour, pass its messages on, and make it leave. A
 * string that a message returns tells how the message breaks the protocol.
 */
export interface NeighbourSwarm {
  readonly id: SwarmId
  readonly pieces: number
  readonly neighbours: readonly Neighbour[]
  /** Number of neighbours that this host opened and that have not answered yet. */
  opening: number
  readonly join: (neighbour: Neighbour, theirs: Bitfield, now: Micros) => void
  readonly leave: (neighbour: Neighbour, now: Micros) => void
  readonly onHave: (neighbour: Neighbour, pieces: readonly number[], now: Micros) => string | undefined
  readonly onRequest: (neighbour: Neighbour, piece: number) => string | undefined
  readonly onPiece: (neighbour: Neighbour, received: ReceivedPiece, now: Micros) => string | undefined
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
  // The fields that a Have touches, the most frequent message, come first.
  /** Copied from the session, which is then not read to send or receive a message. */
  readonly connection: ConnectionId
  /** Number of the channel on the peer; -1 before the neighbour has joined. */
  theirChannel = -1
  readonly swarm: NeighbourSwarm
  /** Set while joined. */
  theirs: Bitfield | undefined = undefined
  /** It has plenty to request here at least until it has announced this many pieces. Set by have-batch.ts. */
  plenty = 0
  /** Whether `theirs` counts in the availability of the swarm. Seeds do not count: they change no order. */
  counted = false
  /** It was busy or slow and is not asked before this instant; undefined when it may be asked. */
  backoffUntil: Micros | undefined = undefined
  /** Length of the swarm's log of Haves that it has got. */
  havesSent: number
  /** Number of the channel on this host. */
  readonly channel: number
  readonly isOrigin: boolean
  state: "opening" | "joined" | "left" = "opening"
  readonly session: NeighbourSession
  readonly requests = new NeighbourRequests()
  /** It has room, and had nothing to be asked for at the last check. Set by request-filler.ts. */
  isIdle = false
  /** Smoothed time from a request to its piece; 0 before the first piece. Set by path-times.ts. */
  answerTime = 0
  /** Smoothed time of a byte to it, from when the transport gets its piece; 0 before the first. Set by uploader.ts. */
  sendTimePerByte = 0
  /** Timeouts and Rejects since its last Piece. */
  failures = 0
  /** Pieces that it prefers to be asked for, in its order. */
  suggested: readonly number[] = []
  /** Fires at its next timeout or at the end of its backoff. */
  deadline: Deadline | undefined = undefined
  /** Turn of the uploader at which this neighbour was last served. */
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
