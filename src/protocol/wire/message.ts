// Messages between two peers. One message is one binary frame; codec.ts defines its bytes.
//
//   dialler  -> Hello                      acceptor -> Hello          once each, first
//   either   -> Open(channel, swarm, have)                            both sides have joined when both have opened
//   either   -> Have, Request, Piece, Reject, Cancel, Suggest, Close  on an opened channel
//   either   -> Bye(reason)                                           last
//
// A channel is a short number for a swarm on this connection, chosen by each side for itself: a message carries the
// number that its SENDER gave in Open. Every Request gets exactly one answer, Piece or Reject, also after a Cancel (BEP
// 6).
//
// Every Open is answered by exactly one Open for the same swarm, in order; Open(none) and Close refuse it. A Close is
// answered by a Close of the other side's channel, and replaces the answers that its sender still owed.

import type { Micros } from "../kit/time.ts"
import type { HashProof, Payload } from "./payload.ts"
import type { PeerId, PeerKind } from "./peer-id.ts"

/** SHA-256 of the canonical bytes of the metainfo, 64 lower-case hex digits. */
export type SwarmId = string & { readonly SwarmId: unique symbol }

export const protocolVersion = 2

/** The pieces of the sender: all, none, or the bytes of a bitfield (bit i of byte i>>3 is 0x80 >> (i & 7), BEP 3). */
export type Have = "all" | "none" | Uint8Array

/** Why a Request is refused. */
export type RejectReason = "busy" | "missing" | "cancelled" | "failed" | "closed"

/** Why a channel is closed. */
export type CloseReason = "unknown-swarm" | "not-interested" | "too-many" | "finished"

/** Why a connection is ended by a Bye. */
export type ByeReason = "shutdown" | "duplicate" | "full" | "banned" | "idle" | "version" | "protocol-error"

export type Message =
  | {
      readonly tag: "Hello"
      readonly version: number
      readonly peerId: PeerId
      readonly kind: PeerKind
      /** "host:port" of the sender's listener; empty when it has none. */
      readonly address: string
      /** Reserved for a shared secret or a token: at most maxCredentialBytes, empty when unused. */
      readonly credentials: Uint8Array
    }
  | { readonly tag: "Open"; readonly channel: number; readonly swarm: SwarmId; readonly have: Have }
  | { readonly tag: "Close"; readonly channel: number; readonly reason: CloseReason }
  | { readonly tag: "Have"; readonly channel: number; readonly pieces: readonly number[] }
  | { readonly tag: "Request"; readonly channel: number; readonly piece: number }
  | {
      readonly tag: "Piece"
      readonly channel: number
      readonly piece: number
      /**
       * The uncles that the receiver cannot have yet, judged by the pieces that it announced (unclesMissing); in the
       * swarm of an arrival the signature of the piece's hash (vouched-hashes.ts).
       */
      readonly proof: HashProof
      readonly payload: Payload
    }
  | {
      readonly tag: "Reject"
      readonly channel: number
      readonly piece: number
      readonly reason: RejectReason
      /** Microseconds for which the requester should not ask this uploader again; 0 when it does not matter. */
      readonly retryAfter: Micros
    }
  | { readonly tag: "Cancel"; readonly channel: number; readonly piece: number }
  /** Pieces that the sender prefers to be asked for: a seeder uploads every piece once before any piece twice. */
  | { readonly tag: "Suggest"; readonly channel: number; readonly pieces: readonly number[] }
  | { readonly tag: "Bye"; readonly reason: ByeReason }

/**
 * Whether a message ends a channel or the connection. All others may overtake a Piece that was sent before them; this
 * one arrives after every message that was sent before it, and before every later one.
 */
export const keepsOrder = ({ tag }: Message): boolean => tag === "Close" || tag === "Bye"
