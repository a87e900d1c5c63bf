// A peer transport that a test observes: a listener on loopback that records every event in order and waits for a
// number of events. Events during a call of the endpoint are also recorded separately. It knows no clock.

import { Context, Effect, Layer, type Scope } from "effect"
import type { ByeReason, Message } from "../../src/protocol/wire/message.ts"
import { unlimited } from "../../src/roles/config/process-keys.ts"
import {
  type PeerEndpoint,
  type PeerListenError,
  type PeerListenOptions,
  PeerTransport
} from "../../src/roles/services/peer-transport.ts"
import { type KillableTransport, makeWsTransport } from "../../src/runtime-net/sockets/ws-transport.ts"

type TransportEvent =
  | { readonly tag: "Connected"; readonly connection: number }
  | { readonly tag: "DialFailed"; readonly connection: number; readonly reason: string }
  | { readonly tag: "Received"; readonly connection: number; readonly message: Message }
  | {
      readonly tag: "ProtocolBroken"
      readonly connection: number
      readonly reason: string
      readonly bye: ByeReason
    }
  | { readonly tag: "PieceSent"; readonly connection: number; readonly piece: number }
  | { readonly tag: "Disconnected"; readonly connection: number; readonly reason: string }
  | { readonly tag: "Refused"; readonly reason: string }

type EventOf<Tag extends TransportEvent["tag"]> = Extract<TransportEvent, { readonly tag: Tag }>

export interface WatchedEndpoint {
  readonly endpoint: PeerEndpoint
  readonly transport: KillableTransport
  readonly events: ReadonlyArray<TransportEvent>
  /** Events during a call of the endpoint. There must be none. */
  readonly reentrant: ReadonlyArray<TransportEvent>
  /** Waits until there are `count` events with `tag`, and returns them. */
  readonly observed: <Tag extends TransportEvent["tag"]>(
    tag: Tag,
    count?: number
  ) => Effect.Effect<ReadonlyArray<EventOf<Tag>>>
  /** Calls `hook` at every event, before waiters are woken. */
  readonly onEvent: (hook: (event: TransportEvent) => void) => void
}

export const listenWatched = (
  rates: PeerListenOptions["rates"] = unlimited
): Effect.Effect<WatchedEndpoint, PeerListenError, Scope.Scope> =>
  Effect.gen(function* () {
    const transport = makeWsTransport()
    const events: Array<TransportEvent> = []
    const reentrant: Array<TransportEvent> = []
    let waiters: Array<() => void> = []
    let hooks: Array<(event: TransportEvent) => void> = []
    let inside = false
    const tell = (event: TransportEvent): void => {
      events.push(event)
      if (inside) reentrant.push(event)
      for (const hook of hooks) hook(event)
      const woken = waiters
      waiters = []
      for (const wake of woken) wake()
    }
    const service = Context.get(yield* Layer.build(transport.layer), PeerTransport)
    const real = yield* service.listen(
      { listen: { host: "127.0.0.1", port: 0 }, rates },
      {
        connected: (connection) => tell({ tag: "Connected", connection }),
        dialFailed: (connection, reason) => tell({ tag: "DialFailed", connection, reason }),
        received: (connection, message) => tell({ tag: "Received", connection, message }),
        protocolBroken: (connection, reason, bye) => tell({ tag: "ProtocolBroken", connection, reason, bye }),
        pieceSent: (connection, _swarm, piece) => tell({ tag: "PieceSent", connection, piece }),
        disconnected: (connection, reason) => tell({ tag: "Disconnected", connection, reason }),
        refused: (reason) => tell({ tag: "Refused", reason })
      }
    )
    const watched = <Arguments extends ReadonlyArray<unknown>>(call: (...args: Arguments) => void) => {
      return (...args: Arguments): void => {
        inside = true
        call(...args)
        inside = false
      }
    }
    const observed = <Tag extends TransportEvent["tag"]>(
      tag: Tag,
      count = 1
    ): Effect.Effect<ReadonlyArray<EventOf<Tag>>> =>
      Effect.callback<ReadonlyArray<EventOf<Tag>>>((resume) => {
        const check = (): void => {
          const found = events.filter((event): event is EventOf<Tag> => event.tag === tag)
          if (found.length >= count) resume(Effect.succeed(found))
          else waiters.push(check)
        }
        check()
      })
    return {
      endpoint: {
        address: real.address,
        dial: watched((connection, address) => real.dial(connection, address)),
        send: watched((connection, message, swarm) => real.send(connection, message, swarm)),
        disconnect: watched((connection, reason) => real.disconnect(connection, reason))
      },
      transport,
      events,
      reentrant,
      observed,
      onEvent: (hook) => {
        hooks = [...hooks, hook]
      }
    }
  })

/** Two endpoints. The first has dialled the second as connection 1, and the second sees it as `-1`. */
export const connectedPair = (rates: PeerListenOptions["rates"] = unlimited) =>
  Effect.gen(function* () {
    const dialler = yield* listenWatched(rates)
    const acceptor = yield* listenWatched(rates)
    dialler.endpoint.dial(1, acceptor.endpoint.address)
    yield* dialler.observed("Connected")
    yield* acceptor.observed("Connected")
    return { dialler, acceptor }
  })
