// What the machines of one host share: its rules (the limits that an experiment may vary), random numbers, counters,
// deadlines and outputs, and the few things that a machine asks of the host as a whole. It decides nothing.

import type { DeadlineQueue } from "../kit/deadlines.ts"
import { Histogram } from "../kit/histogram.ts"
import type { RandomSource } from "../kit/random-source.ts"
import { type Micros, milliseconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { CloseReason, Message } from "../wire/message.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"
import type { Neighbour, NeighbourSession } from "./neighbour.ts"
import type { ConnectionId, PeerHostCounters, PeerHostOutput } from "./peer-host-io.ts"
import type { PieceChoice } from "./piece-selection.ts"

/** The limits of a peer machine; limits.ts explains each of them. */
export interface PeerHostRules {
  readonly maxPieces: number
  readonly maxPiecesPerMessage: number
  readonly maxChannels: number
  readonly maxUnansweredOpens: number
  readonly maxConnections: number
  readonly targetNeighbours: number
  readonly maxNeighbours: number
  readonly maxSeederNeighbours: number
  readonly maxRequestsPerSwarm: number
  readonly maxRequestsPerHost: number
  readonly maxRequestsPerNeighbour: number
  readonly requestsAtFirst: number
  readonly maxRequestsOut: number
  readonly maxRequestedBytes: number
  readonly minFlowPart: number
  readonly longPathGain: number
  readonly slowNeighbourFactor: number
  readonly piecesBehind: number
  readonly maxUploadQueue: number
  readonly maxUploadLine: number
  readonly maxUploadsInFlight: number
  readonly firstPiecePatience: number
  readonly maxUploadBytes: number
  readonly maxServedRemembered: number
  readonly uploadStallTime: Micros
  readonly orderedTail: number
  readonly tailWindow: number
  readonly maxPieceChecks: number
  readonly maxEndgameCopies: number
  readonly endgamePieces: number
  readonly requestTimeoutBase: Micros
  readonly requestTimeoutPerMiB: Micros
  readonly maxRequestTimeout: Micros
  readonly haveBatchDelay: Micros
  readonly haveBatchDelayPerMiB: Micros
  readonly haveBatchPatience: number
  readonly haveHoldPieces: number
  readonly haveHoldPatience: number
  readonly havePlentyPart: number
  readonly minRejectBackoff: Micros
  readonly maxRejectBackoff: Micros
  readonly handshakeTimeout: Micros
  readonly idleConnectionTimeout: Micros
  readonly banDuration: Micros
  readonly maxBans: number
  readonly minRedialDelay: Micros
  readonly maxRedialDelay: Micros
  readonly maxRedialsRemembered: number
  readonly maxCandidates: number
  readonly maxPendingAsks: number
  readonly maxReaders: number
  readonly readerPatience: number
  readonly maxSuggestions: number
  readonly maxSteers: number
  readonly initialUploadTimePerMiB: Micros
  /** Set by experiments only: which piece is chosen where nothing else decides, and whether origins suggest. */
  readonly pieceChoice?: PieceChoice
  readonly suggest?: boolean
}

const rulesMade = new WeakMap<Partial<PeerHostRules>, PeerHostRules>()

/** The default limits with some of them replaced. The same overrides give the same object, which hosts share. */
export const peerHostRules = (overrides: Partial<PeerHostRules>): PeerHostRules => {
  let rules = rulesMade.get(overrides)
  if (rules === undefined) {
    rules = { ...limits, ...overrides }
    rulesMade.set(overrides, rules)
  }
  return rules
}

export interface HostIdentity {
  readonly peerId: PeerId
  readonly kind: PeerKind
  readonly address: string
}

export interface HostContext {
  readonly self: HostIdentity
  readonly rules: PeerHostRules
  readonly random: RandomSource
  readonly counters: PeerHostCounters
  /** Microseconds from the request of a piece until it is stored. */
  readonly pieceTimes: Histogram
  readonly deadlines: DeadlineQueue
  readonly outputs: PeerHostOutput[]
  /** Number of swarms that still fetch pieces. */
  fetching: number
  /** The weight of the live requests of all swarms (path-times.ts). */
  load: number
  /** Closes this host's side of a channel, with the reason for the peer. */
  readonly closeChannel: (neighbour: Neighbour, reason: CloseReason, now: Micros) => void
  /** Drops a connection that makes no progress; its peer may be dialled again after a while. */
  readonly dropSession: (session: NeighbourSession, reason: string, now: Micros) => void
  /** Bans a peer for banDuration, whether it is connected or not. */
  readonly banPeer: (peerId: PeerId, address: string, reason: string, now: Micros) => void
}

/** Queues a message for the transport. */
export const sendMessage = (
  context: HostContext,
  { connection }: { readonly connection: ConnectionId },
  message: Message
): void => {
  context.outputs.push({ tag: "Send", connection, message })
}

/** 2 ms to 2 minutes: from a piece on a fast link to a request that is nearly given up. */
const pieceTimeBounds: readonly number[] = [
  2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 20_000, 120_000
].map(milliseconds)

export const newPieceTimes = (): Histogram => new Histogram(pieceTimeBounds)

export const newCounters = (): PeerHostCounters => ({
  bytesReceivedFromAgents: 0,
  bytesReceivedFromOrigins: 0,
  bytesSent: 0,
  piecesStored: 0,
  piecesCorrupt: 0,
  piecesDuplicate: 0,
  piecesUnrequested: 0,
  piecesSent: 0,
  requestsSent: 0,
  requestsTimedOut: 0,
  rejectsSent: 0,
  rejectsReceived: 0,
  connectionsDialled: 0,
  connectionsAccepted: 0,
  dialsFailed: 0,
  protocolErrors: 0,
  peersBanned: 0
})
