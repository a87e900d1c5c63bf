// Decides how a host's peer machine reaches other hosts: dial, send, disconnect, with everything that happens told by
// a synchronous call. Sockets and the simulated network implement it; roles never see which. No fiber is involved.
//
// Invariants: handlers are called one at a time, never from inside dial, send or disconnect; after disconnected(c)
// nothing more is told of c; a Piece that was sent is told by pieceSent unless disconnected comes first; messages of
// one connection arrive in the order they were sent, but a Piece that waits for its rate or for room may be overtaken
// by what was sent after it, except by Close and Bye, and nothing overtakes those.

import { Context, Data, type Effect, type Scope } from "effect"
import type { ByeReason, Message, SwarmId } from "../../protocol/wire/message.ts"
import type { ConnectionId } from "../../protocol/swarm/peer-host-io.ts"
import type { PeerListen } from "../config/addresses.ts"
import type { RateLimits } from "../config/process-keys.ts"

export interface PeerTransportHandlers {
  /** A dial succeeded (positive id) or a peer came in (negative id). */
  readonly connected: (connection: ConnectionId) => void
  readonly dialFailed: (connection: ConnectionId, reason: string) => void
  readonly received: (connection: ConnectionId, message: Message) => void
  /** Bytes that are not the protocol. `bye` is what to say in parting; the connection then ends. */
  readonly protocolBroken: (connection: ConnectionId, reason: string, bye: ByeReason) => void
  readonly pieceSent: (connection: ConnectionId, swarm: SwarmId, piece: number) => void
  /** The connection is gone, whoever ended it. Told once for each connected, also after an own disconnect. */
  readonly disconnected: (connection: ConnectionId, reason: string) => void
  /** Someone reached the listener and did not speak as a peer does; it was closed and never was a connection. */
  readonly refused?: (reason: string) => void
}

export interface PeerEndpoint {
  /** "host:port" under which other hosts reach this listener. */
  readonly address: string
  /** `connection` is a positive number that was not used before. */
  readonly dial: (connection: ConnectionId, address: string) => void
  /** Queues a message. `swarm` is given with a Piece and comes back in pieceSent. */
  readonly send: (connection: ConnectionId, message: Message, swarm?: SwarmId) => void
  /** Ends a connection after what was already sent. */
  readonly disconnect: (connection: ConnectionId, reason: string) => void
}

export interface PeerListenOptions {
  readonly listen: typeof PeerListen.Type
  /** Token buckets over the bytes of Piece messages, all connections of the listener together. */
  readonly rates: RateLimits
}

export class PeerListenError extends Data.TaggedError("PeerListenError")<{
  readonly address: string
  readonly message: string
}> {}

export class PeerTransport extends Context.Service<
  PeerTransport,
  {
    /** Opens a peer listener; it closes with the scope, and its connections with it. */
    readonly listen: (
      options: PeerListenOptions,
      handlers: PeerTransportHandlers
    ) => Effect.Effect<PeerEndpoint, PeerListenError, Scope.Scope>
  }
>()("shoal/roles/PeerTransport") {}
