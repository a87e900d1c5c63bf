// Inputs and outputs of the peer machine of a host (peer-host.ts). Inputs are events, in the past tense; outputs are
// commands, in the imperative, which the driver (roles/peer/peer-host-driver.ts) carries out in order.
//
// Invariants of the driver: it gives one input at a time, and carries out the outputs of a step before the next input.
// It answers every Dial by Connected or DialFailed; every LoadPiece by PieceLoaded or PieceLoadFailed; every CheckPiece
// by PieceFound or PieceLost, unless the swarm is closed first; every StorePiece by PieceStored, PieceCorrupt or
// PieceStoreFailed; every Send of a Piece by PieceSent, unless the connection ends first. The end of a connection is
// reported once, by Disconnected, whichever side ended it.

import type { Bitfield } from "../kit/bitfield.ts"
import type { ByeReason, Message, SwarmId } from "../wire/message.ts"
import type { SwarmInfo } from "../wire/metainfo.ts"
import type { HashProof, Payload } from "../wire/payload.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

/** Number of a connection on this host: positive when this host dialled, negative when it accepted. */
export type ConnectionId = number

/** A seeder's own part of a blob that others seed as well: the pieces firstPiece <= piece < endPiece. */
export interface SeedArc {
  readonly firstPiece: number
  readonly endPiece: number
}

export type PeerHostInput =
  /** The host joins a swarm. `have` is what its store has verified; the machine keeps the object and adds to it. */
  | {
      readonly tag: "SwarmOpened"
      readonly swarm: SwarmId
      readonly metainfo: SwarmInfo
      readonly have: Bitfield
      /** Pieces that an earlier process wrote, not in `have`. They are checked when they are wanted. */
      readonly recorded?: Bitfield
      /** What a seeder suggests first when several seed the blob. When absent: everything, from a random piece on. */
      readonly seedArc?: SeedArc | undefined
      /** Only what readers wait for is requested, until DemandChanged. */
      readonly onDemand?: boolean
    }
  /** Whether the whole blob is wanted. When it is not, only what readers wait for is requested. */
  | { readonly tag: "DemandChanged"; readonly swarm: SwarmId; readonly whole: boolean }
  | { readonly tag: "SwarmClosed"; readonly swarm: SwarmId }
  /** The answer to SwarmAsked when the store has no such blob. */
  | { readonly tag: "SwarmUnknown"; readonly swarm: SwarmId }
  /** Peers from a tracker, which may have what is missing. */
  | { readonly tag: "PeersOffered"; readonly swarm: SwarmId; readonly peers: readonly PeerAddress[] }
  /**
   * A client waits for these pieces, in order: they are requested before all others, and on demand nothing else is
   * requested. It replaces the earlier range of the reader.
   */
  | {
      readonly tag: "ReaderMoved"
      readonly swarm: SwarmId
      readonly reader: number
      readonly firstPiece: number
      readonly endPiece: number
    }
  | { readonly tag: "ReaderLeft"; readonly swarm: SwarmId; readonly reader: number }
  | { readonly tag: "Connected"; readonly connection: ConnectionId }
  | { readonly tag: "DialFailed"; readonly connection: ConnectionId; readonly reason: string }
  | { readonly tag: "Received"; readonly connection: ConnectionId; readonly message: Message }
  /** The transport received bytes that are not the protocol. It has closed the connection, or will on Disconnect. */
  | {
      readonly tag: "ProtocolBroken"
      readonly connection: ConnectionId
      readonly reason: string
      /** Reason for the Bye: "version" to a peer of another version, which is not taken for a violation. */
      readonly bye: ByeReason
    }
  | { readonly tag: "Disconnected"; readonly connection: ConnectionId; readonly reason: string }
  /** A Piece has left this host: the oldest Send of that piece on that connection that was not reported yet. */
  | {
      readonly tag: "PieceSent"
      readonly connection: ConnectionId
      readonly swarm: SwarmId
      readonly piece: number
    }
  | {
      readonly tag: "PieceLoaded"
      readonly swarm: SwarmId
      readonly piece: number
      readonly payload: Payload
      /** All uncles of the piece in the hash tree, or the signature of its hash in an arrival. */
      readonly proof: HashProof
    }
  | {
      readonly tag: "PieceLoadFailed"
      readonly swarm: SwarmId
      readonly piece: number
      readonly reason: string
    }
  | { readonly tag: "PieceStored"; readonly swarm: SwarmId; readonly piece: number }
  /** A piece came from elsewhere than a peer, and is stored. */
  | { readonly tag: "PieceArrived"; readonly swarm: SwarmId; readonly piece: number }
  /** The answers to CheckPiece. */
  | { readonly tag: "PieceFound" | "PieceLost"; readonly swarm: SwarmId; readonly piece: number }
  | { readonly tag: "PieceCorrupt"; readonly swarm: SwarmId; readonly piece: number }
  | {
      readonly tag: "PieceStoreFailed"
      readonly swarm: SwarmId
      readonly piece: number
      readonly reason: string
    }
  /** The instant of nextWake has come, or a later one. */
  | { readonly tag: "Woken" }
  /** The host is about to stop: every peer gets a Bye. */
  | { readonly tag: "Stopping" }

export type PeerHostOutput =
  | { readonly tag: "Dial"; readonly connection: ConnectionId; readonly address: string }
  /** `swarm` is set for a Piece, and returns in PieceSent. */
  | {
      readonly tag: "Send"
      readonly connection: ConnectionId
      readonly message: Message
      readonly swarm?: SwarmId
    }
  | { readonly tag: "Disconnect"; readonly connection: ConnectionId; readonly reason: string }
  /** Read a recorded piece and hash it. */
  | { readonly tag: "CheckPiece"; readonly swarm: SwarmId; readonly piece: number }
  | { readonly tag: "LoadPiece"; readonly swarm: SwarmId; readonly piece: number }
  /** Verify the piece by its proof against the root of the metainfo, then store it. */
  | {
      readonly tag: "StorePiece"
      readonly swarm: SwarmId
      readonly piece: number
      readonly payload: Payload
      readonly proof: HashProof
    }
  /** A peer opened a swarm that this host is not in. The answer is SwarmOpened or SwarmUnknown. */
  | { readonly tag: "SwarmAsked"; readonly swarm: SwarmId }
  /** The last piece is stored. The driver checks the digest of the whole blob. */
  | { readonly tag: "SwarmCompleted"; readonly swarm: SwarmId }
  | { readonly tag: "PeerBanned"; readonly peerId: PeerId; readonly reason: string; readonly address: string }
  /** A piece cannot be stored (disk full, ...): the download cannot go on. */
  | { readonly tag: "SwarmFailed"; readonly swarm: SwarmId; readonly reason: string }

/** State of a swarm, for the announce loop and the metrics. */
export interface SwarmStatus {
  readonly swarm: SwarmId
  readonly pieces: number
  readonly have: number
  readonly neighbours: number
  readonly dialling: number
  readonly requested: number
}

/** Counters since the start of the machine, read by the metrics. Bytes are payloads of pieces. */
export interface PeerHostCounters {
  bytesReceivedFromAgents: number
  bytesReceivedFromOrigins: number
  bytesSent: number
  piecesStored: number
  piecesCorrupt: number
  piecesDuplicate: number
  piecesUnrequested: number
  piecesSent: number
  requestsSent: number
  requestsTimedOut: number
  rejectsSent: number
  rejectsReceived: number
  connectionsDialled: number
  connectionsAccepted: number
  dialsFailed: number
  protocolErrors: number
  peersBanned: number
}
