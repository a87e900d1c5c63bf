// Decides what goes into and comes out of a host's peer machine (peer-host.ts): facts in, orders out. Inputs are past
// tense, they have happened; outputs are imperatives, the driver (roles/peer/peer-host-driver.ts) carries them out in
// order.
//
// Invariants of the driver: one input at a time; outputs of a step are carried out before the next input; every Dial
// is answered by Connected or DialFailed; every LoadPiece by PieceLoaded or PieceLoadFailed; every StorePiece by
// PieceStored, PieceCorrupt or PieceStoreFailed; every Send of a Piece by PieceSent, unless the connection went first
// (Disconnected says so, once, whoever ended it).

import type { Bitfield } from "../kit/bitfield.ts"
import type { ByeReason, Message, SwarmId } from "../wire/message.ts"
import type { Metainfo } from "../wire/metainfo.ts"
import type { Payload } from "../wire/payload.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

/**
 * A connection's number on this host: positive when the machine dialled it, negative when the transport accepted it.
 */
export type ConnectionId = number

/** A seeder's own part of a blob that others seed as well: pieces from firstPiece up to endPiece. */
export interface SeedArc {
  readonly firstPiece: number
  readonly endPiece: number
}

export type PeerHostInput =
  /**
   * The host takes part in a swarm. `have` is what is verified in its store; the machine keeps the object and adds to
   * it.
   */
  | {
      readonly tag: "SwarmOpened"
      readonly swarm: SwarmId
      readonly metainfo: Metainfo
      readonly have: Bitfield
      /** What a seeder suggests first, when several share the blob; all of it, from a piece drawn, when absent. */
      readonly seedArc?: SeedArc | undefined
      /** Only what readers wait for is asked for, until DemandChanged. */
      readonly onDemand?: boolean
    }
  /** Somebody wants the whole blob; or nobody does, and only what readers wait for is asked for. */
  | { readonly tag: "DemandChanged"; readonly swarm: SwarmId; readonly whole: boolean }
  | { readonly tag: "SwarmClosed"; readonly swarm: SwarmId }
  /** The answer to SwarmAsked when the store has no such blob. */
  | { readonly tag: "SwarmUnknown"; readonly swarm: SwarmId }
  /** Peers that may have what is missing, from a tracker. */
  | { readonly tag: "PeersOffered"; readonly swarm: SwarmId; readonly peers: readonly PeerAddress[] }
  /**
   * A client waits for these pieces, in order: they go before everything else, and on demand nothing else is asked for.
   * Replaces the reader's earlier range.
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
  /** The transport met bytes that are not the protocol; it has closed the connection or will on Disconnect. */
  | {
      readonly tag: "ProtocolBroken"
      readonly connection: ConnectionId
      readonly reason: string
      /** What to say in parting: "version" to a stranger of another version, who is not held to have done wrong. */
      readonly bye: ByeReason
    }
  | { readonly tag: "Disconnected"; readonly connection: ConnectionId; readonly reason: string }
  /** A Piece left this host: the oldest unanswered Send of that piece on that connection. */
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
    }
  | {
      readonly tag: "PieceLoadFailed"
      readonly swarm: SwarmId
      readonly piece: number
      readonly reason: string
    }
  | { readonly tag: "PieceStored"; readonly swarm: SwarmId; readonly piece: number }
  | { readonly tag: "PieceCorrupt"; readonly swarm: SwarmId; readonly piece: number }
  | {
      readonly tag: "PieceStoreFailed"
      readonly swarm: SwarmId
      readonly piece: number
      readonly reason: string
    }
  /** The instant asked for by nextWake has come (or any later one). */
  | { readonly tag: "Woken" }
  /** The host is about to stop: say Bye to everyone. */
  | { readonly tag: "Stopping" }

export type PeerHostOutput =
  | { readonly tag: "Dial"; readonly connection: ConnectionId; readonly address: string }
  /** `swarm` is set on a Piece, for PieceSent. */
  | {
      readonly tag: "Send"
      readonly connection: ConnectionId
      readonly message: Message
      readonly swarm?: SwarmId
    }
  | { readonly tag: "Disconnect"; readonly connection: ConnectionId; readonly reason: string }
  | { readonly tag: "LoadPiece"; readonly swarm: SwarmId; readonly piece: number }
  /** Verify against the metainfo, then store. */
  | {
      readonly tag: "StorePiece"
      readonly swarm: SwarmId
      readonly piece: number
      readonly payload: Payload
    }
  /** A peer opened a swarm that this host is not in; answer by SwarmOpened or SwarmUnknown. */
  | { readonly tag: "SwarmAsked"; readonly swarm: SwarmId }
  /** The last piece was stored. The whole digest is the driver's to check. */
  | { readonly tag: "SwarmCompleted"; readonly swarm: SwarmId }
  | { readonly tag: "PeerBanned"; readonly peerId: PeerId; readonly reason: string; readonly address: string }
  /** No storage for a piece (disk full, ...): the download cannot go on. */
  | { readonly tag: "SwarmFailed"; readonly swarm: SwarmId; readonly reason: string }

/** What the announce loop and the metrics ask of a swarm. */
export interface SwarmStatus {
  readonly swarm: SwarmId
  readonly pieces: number
  readonly have: number
  readonly neighbours: number
  readonly dialling: number
  readonly requested: number
}

/** Counters since the machine was made; plain numbers, read by the metrics. Bytes are piece payloads. */
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
