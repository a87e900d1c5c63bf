// The peer transport of the simulator: messages travel as objects over simulated connections and count with the size
// of their frame (protocol/wire/codec.ts). One object per connection does all the work without allocating per
// message; rate limits are in paced-messages.ts and held-messages.ts.
//
// Invariants: those of PeerTransport; and a process that is gone neither sends nor hears anything: its connections
// are abandoned when it ends, so nothing arrives, and its calls do nothing.

import { Effect } from "effect"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import type { ConnectionId } from "../../protocol/swarm/peer-host-io.ts"
import { encodedLength } from "../../protocol/wire/codec.ts"
import { keepsOrder, type Message, type SwarmId } from "../../protocol/wire/message.ts"
import { held } from "../../roles/scoped.ts"
import {
  type PeerEndpoint,
  PeerListenError,
  type PeerListenOptions,
  type PeerTransport,
  type PeerTransportHandlers
} from "../../roles/services/peer-transport.ts"
import { eventKinds } from "../kernel/kernel.ts"
import { messageMark } from "../kernel/message-tags.ts"
import { type ConnectionEnd, type ConnectionSink, frameFlags } from "../network/connection.ts"
import type { Connections } from "../network/connections.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { HeldMessages } from "./held-messages.ts"
import { PacedMessages } from "./paced-messages.ts"

export const makePeerTransport = (process: SimProcess): PeerTransport["Service"] => ({
  listen: (options, handlers) =>
    Effect.map(
      Effect.uninterruptible(
        Effect.suspend(() => {
          const listener = new SimPeerListener(process, options, handlers)
          if (listener.port !== undefined) return held(() => listener, stopListening)
          const address = `${process.host.name}:${options.listen.port}`
          const message = `peer listener ${address}: the port is taken; choose another`
          return Effect.fail(new PeerListenError({ address, message }))
        })
      ),
      (listener): PeerEndpoint => listener
    )
})

const stopListening = (listener: SimPeerListener): void => listener.stop()

const kinds = { egress: eventKinds.transport, ingress: eventKinds.transport + 1 } as const

class SimPeerListener implements PeerEndpoint {
  readonly process: SimProcess
  readonly handlers: PeerTransportHandlers
  readonly egress: TokenBucket | undefined
  readonly ingress: TokenBucket | undefined
  readonly port: number | undefined
  readonly address: string
  /**
   * Connections by their numbers, which are never reused: dialled ones, and accepted ones, whose numbers are
   * negative.
   */
  readonly #dialled: Array<PeerConnection | undefined> = []
  readonly #accepted: Array<PeerConnection | undefined> = []
  #nextAccepted = -1

  constructor(process: SimProcess, options: PeerListenOptions, handlers: PeerTransportHandlers) {
    this.process = process
    this.handlers = handlers
    const { egress, ingress, burst } = options.rates
    this.egress = this.#bucket(egress, burst)
    this.ingress = this.#bucket(ingress, burst)
    this.port = process.connections.listen(process.host, options.listen.port, (end) => this.#accept(end))
    this.address = `${options.listen.advertise ?? process.host.name}:${this.port}`
  }

  dial(connection: ConnectionId, address: string): void {
    const { connections, host, alive } = this.process
    if (!alive) return
    const colon = address.lastIndexOf(":")
    const peer = new PeerConnection(this, connection)
    while (this.#dialled.length < connection) this.#dialled.push(undefined)
    this.#dialled[connection] = peer
    peer.end = connections.dial(host, address.slice(0, colon), Number(address.slice(colon + 1)), peer)
  }

  send(connection: ConnectionId, message: Message, swarm?: SwarmId): void {
    this.#find(connection)?.send(message, swarm)
  }

  disconnect(connection: ConnectionId, reason: string): void {
    if (this.process.alive) this.#find(connection)?.disconnect(reason)
  }

  forget(connection: ConnectionId): void {
    if (connection > 0) this.#dialled[connection] = undefined
    else this.#accepted[-connection] = undefined
  }

  /** Stops listening and ends every connection after its last sent message. No handler is called any more. */
  stop(): void {
    const { process } = this
    if (!process.alive) return
    process.host.listeners.delete(this.port!)
    for (const connection of [...this.#dialled, ...this.#accepted]) {
      connection?.disconnect("the listener closed")
      connection?.mute()
    }
    this.#dialled.length = 0
    this.#accepted.length = 0
  }

  #find(connection: ConnectionId): PeerConnection | undefined {
    return connection > 0 ? this.#dialled[connection] : this.#accepted[-connection]
  }

  #accept(end: ConnectionEnd): ConnectionSink | undefined {
    if (!this.process.alive) return undefined
    const connection = this.#nextAccepted--
    const peer = new PeerConnection(this, connection)
    peer.end = end
    while (this.#accepted.length < -connection) this.#accepted.push(undefined)
    this.#accepted[-connection] = peer
    return peer
  }

  #bucket(bytesPerSecond: number | undefined, burstBytes: number): TokenBucket | undefined {
    if (bytesPerSecond === undefined) return undefined
    const rate = { bytesPerSecond, burstBytes }
    return new TokenBucket(rate, this.process.kernel.now)
  }
}

class PeerConnection implements ConnectionSink {
  readonly #id: ConnectionId
  readonly #listener: SimPeerListener
  readonly #connections: Connections
  #handlers: PeerTransportHandlers
  end!: ConnectionEnd
  readonly #egress: PacedMessages | undefined
  readonly #ingress: HeldMessages | undefined
  /** The swarms of the pieces that were sent and not yet reported, in order. */
  #swarmsSent: Array<SwarmId | undefined> | undefined
  #ending: string | undefined

  constructor(listener: SimPeerListener, id: ConnectionId) {
    const { process, egress, ingress } = listener
    this.#listener = listener
    this.#connections = process.connections
    this.#id = id
    this.#handlers = listener.handlers
    if (egress !== undefined) {
      this.#egress = new PacedMessages(process, egress, kinds.egress, {
        pass: (message, swarm) => this.#transmit(message, swarm),
        drained: () => this.#closeIfEnding()
      })
    }
    if (ingress !== undefined) {
      this.#ingress = new HeldMessages(process, ingress, kinds.ingress, (message) =>
        this.#handlers.received(this.#id, message)
      )
    }
  }

  send(message: Message, swarm: SwarmId | undefined): void {
    if (this.#ending !== undefined) return
    if (this.#egress === undefined) this.#transmit(message, swarm)
    else this.#egress.add(message, swarm)
  }

  disconnect(reason: string): void {
    if (this.#ending !== undefined) return
    this.#ending = reason
    if (this.end.state === "connecting") this.#connections.reset(this.end, reason)
    else if (this.#egress === undefined || this.#egress.isEmpty) this.#closeIfEnding()
  }

  /** No handler is called any more. */
  mute(): void {
    this.#handlers = deafHandlers
  }

  opened(): void {
    this.#handlers.connected(this.#id)
  }

  refused(reason: string): void {
    this.#listener.forget(this.#id)
    this.#handlers.dialFailed(this.#id, reason)
  }

  received(payload: unknown): void {
    if (this.#ingress === undefined) this.#handlers.received(this.#id, payload as Message)
    else this.#ingress.add(payload as Message)
  }

  sent(payload: unknown): void {
    const message = payload as Message
    const swarm = this.#swarmsSent?.shift()
    if (message.tag === "Piece" && swarm !== undefined) {
      this.#handlers.pieceSent(this.#id, swarm, message.piece)
    }
  }

  closed(reason: string): void {
    this.#listener.forget(this.#id)
    this.#egress?.clear()
    this.#ingress?.clear()
    this.#handlers.disconnected(this.#id, this.#ending ?? reason)
    this.mute()
  }

  #transmit(message: Message, swarm: SwarmId | undefined): void {
    const { end } = this
    if (end.state !== "open") return
    const isPiece = message.tag === "Piece"
    if (isPiece) {
      this.#swarmsSent ??= []
      this.#swarmsSent.push(swarm)
    }
    const flags = isPiece ? frameFlags.reportSent : keepsOrder(message) ? 0 : frameFlags.overtakes
    this.#connections.send(end, message, encodedLength(message), messageMark(message), flags)
  }

  #closeIfEnding(): void {
    if (this.#ending !== undefined) this.#connections.close(this.end, this.#ending)
  }
}

const ignore = (): void => {}
const deafHandlers: PeerTransportHandlers = {
  connected: ignore,
  dialFailed: ignore,
  received: ignore,
  protocolBroken: ignore,
  pieceSent: ignore,
  disconnected: ignore
}
