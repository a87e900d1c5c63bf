// Decides what a host remembers of ONE peer in ONE swarm: their pieces, what was asked of them, when to ask again.
//
//   opening ---- their Open ----> joined ---- Close of either side, or the connection goes ----> left
//      |                                                                                          ^
//      +------------------------- no Open in time, Close, or the connection goes ------------------+
//
// Invariants: requests exist only while joined; `left` is final, a peer that comes again gets a new neighbour. It
// holds data and refuses to decide: request-filler.ts asks, swarm.ts keeps the sums.

import type { Bitfield } from "./bitfield.ts"
import type { Deadline } from "./deadlines.ts"
import type { ConnectionId } from "./peer-host-io.ts"
import type { PeerSession } from "./peer-session.ts"
import { NeighbourRequests } from "./request-window.ts"
import type { Swarm } from "./swarm.ts"
import type { Micros } from "./time.ts"

export class Neighbour {
  readonly session: PeerSession
  readonly swarm: Swarm
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
  told: number
  /** It has plenty to ask us for at least until it has told us of so many pieces; have-batch.ts keeps it. */
  plenty = 0
  /** Whether `theirs` is summed in the swarm's availability; seeds are not, they change no order. */
  counted = false
  readonly requests = new NeighbourRequests()
  /** Not asked before this instant, because it was busy or slow; undefined when it may be asked. */
  askAgainAt: Micros | undefined = undefined
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

  constructor(session: PeerSession, swarm: Swarm, channel: number, told: number) {
    this.session = session
    this.connection = session.connection
    this.isOrigin = session.kind === "origin"
    this.swarm = swarm
    this.channel = channel
    this.told = told
  }
}
