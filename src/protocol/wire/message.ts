// The messages between two peers. One message is one binary frame; codec.ts fixes its bytes.
//
//   dialler  -> Hello                      acceptor -> Hello          once each, first
//   either   -> Open(channel, swarm, have)                            a swarm is joined when both sides opened it
//   either   -> Have, Request, Piece, Reject, Cancel, Suggest, Close  on an opened channel
//   either   -> Bye(reason)                                           last
//
// A channel is the sender's own short number for a swarm on this connection: a message carries the number that its
// SENDER gave in Open. Every Request has exactly one answer, Piece or Reject, also after a Cancel (BEP 6).
//
// Every Open is answered by exactly one Open for the same swarm, in order. A refused Open is answered by Open(none) and
// Close. A Close is answered by a Close of the other side's channel, and stands for the answers that its sender still
// owes.

import type { Micros } from "../kit/time.ts"
import type { Payload } from "./payload.ts"
import type { PeerId, PeerKind } from "./peer-id.ts"

/** SHA-256 of the canonical bytes of the metainfo, 64 lower-case hex digits. */
export type SwarmId = string & { readonly SwarmId: unique symbol }

export const protocolVersion = 1

/**
 * The pieces of the sender: all, none, or the bytes of a bitfield (bit i of byte i>>3 is 0x80 >> (i & 7), as in BEP 3).
 */
export type Have = "all" | "none" | Uint8Array

/** Reason why a Request was refused. */
export type RejectReason = "busy" | "missing" | "cancelled" | "failed" | "closed"

/** Reason why a channel was closed. */
export type CloseReason = "unknown-swarm" | "not-interested" | "too-many" | "finished"

/** Reason why a connection ended with a Bye. */
export type ByeReason = "shutdown" | "duplicate" | "full" | "banned" | "idle" | "version" | "protocol-error"

export type Message =
  | {
      readonly tag: "Hello"
      readonly version: number
      readonly peerId: PeerId
      readonly kind: PeerKind
      /** "host:port" where the sender listens; empty when it does not listen. */
      readonly address: string
      /** Reserved for a shared secret or token; at most maxCredentialBytes, empty when unused. */
      readonly credentials: Uint8Array
    }
  | { readonly tag: "Open"; readonly channel: number; readonly swarm: SwarmId; readonly have: Have }
  | { readonly tag: "Close"; readonly channel: number; readonly reason: CloseReason }
  | { readonly tag: "Have"; readonly channel: number; readonly pieces: readonly number[] }
  | { readonly tag: "Request"; readonly channel: number; readonly piece: number }
  | { readonly tag: "Piece"; readonly channel: number; readonly piece: number; readonly payload: Payload }
  | {
      readonly tag: "Reject"
      readonly channel: number
      readonly piece: number
      readonly reason: RejectReason
      /** Microseconds for which the requester should not ask this uploader again; 0 when it does not matter. */
      readonly retryAfter: Micros
    }
  | { readonly tag: "Cancel"; readonly channel: number; readonly piece: number }
  /** Pieces that the sender prefers to be requested now: a seeder sends each piece out once before it repeats any. */
  | { readonly tag: "Suggest"; readonly channel: number; readonly pieces: readonly number[] }
  | { readonly tag: "Bye"; readonly reason: ByeReason }
