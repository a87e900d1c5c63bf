// Peer transport service: dials, sends and disconnects for a host's peer machine, and reports every event by a
// synchronous call. Sockets and the simulated network implement it; roles do not know which. No fiber is involved.
//
// Invariants: handlers are called one at a time, never from inside dial, send or disconnect. After disconnected(c)
// there is no further call for c. Each sent Piece is reported by pieceSent, unless disconnected comes first. Messages
// of a connection arrive in the order of sending, with one exception: a Piece may be overtaken by later messages, but
// never by Close and Bye, which nothing overtakes. A request or an answer must not wait for the megabytes before it
// (docs/decisions.md).

import { Context, Data, type Effect, type Scope } from "effect"
import type { ConnectionId } from "../../protocol/swarm/peer-host-io.ts"
import type { ByeReason, Message, SwarmId } from "../../protocol/wire/message.ts"
import type { PeerListen } from "../config/addresses.ts"
import type { RateLimits } from "../config/process-keys.ts"

export interface PeerTransportHandlers {
  /** A dial succeeded (positive id) or a peer connected (negative id). */
  readonly connected: (connection: ConnectionId) => void
  readonly dialFailed: (connection: ConnectionId, reason: string) => void
  readonly received: (connection: ConnectionId, message: Message) => void
  /** The peer broke the protocol. `bye` is the reason for the Bye, after which the connection ends. */
  readonly protocolBroken: (connection: ConnectionId, reason: string, bye: ByeReason) => void
  readonly pieceSent: (connection: ConnectionId, swarm: SwarmId, piece: number) => void
  /** The connection has ended. Called once for each connected, also after this host's own disconnect. */
  readonly disconnected: (connection: ConnectionId, reason: string) => void
  /** A caller failed the handshake and was closed; it never became a connection. */
  readonly refused?: (reason: string) => void
}

export interface PeerEndpoint {
  /** "host:port" under which other hosts reach this listener. */
  readonly address: string
  /** Dials a peer; `connection` is an unused positive number. */
  readonly dial: (connection: ConnectionId, address: string) => void
  /** Queues a message. A Piece comes with its `swarm`, which pieceSent returns. */
  readonly send: (connection: ConnectionId, message: Message, swarm?: SwarmId) => void
  /** Ends a connection after the messages that are queued. */
  readonly disconnect: (connection: ConnectionId, reason: string) => void
}

export interface PeerListenOptions {
  readonly listen: typeof PeerListen.Type
  /** Token buckets for the bytes of Piece messages, shared by all connections of the listener. */
  readonly rates: RateLimits
}

export class PeerListenError extends Data.TaggedError("PeerListenError")<{
  readonly address: string
  readonly message: string
}> {}

export class PeerTransport extends Context.Service<
  PeerTransport,
  {
    /** Opens a peer listener, which closes with the scope together with its connections. */
    readonly listen: (
      options: PeerListenOptions,
      handlers: PeerTransportHandlers
    ) => Effect.Effect<PeerEndpoint, PeerListenError, Scope.Scope>
  }
>()("shoal/roles/PeerTransport") {}
