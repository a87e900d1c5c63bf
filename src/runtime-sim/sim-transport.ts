// Decides how peers talk in the simulator: messages travel as the objects they are, counted at the size their frame
// would have (protocol/codec.ts), over connections of network.ts. Rate limits delay pieces, and what follows them on
// the same connection.
//
// Invariants: those of PeerTransport; and a process that is gone neither says nor hears anything.

import { Effect } from "effect"
import { encodedLength } from "../protocol/codec.ts"
import type { Message, SwarmId } from "../protocol/message.ts"
import type { ConnectionId } from "../protocol/peer-host-io.ts"
import { limits } from "../protocol/limits.ts"
import { TokenBucket } from "../protocol/token-bucket.ts"
import type { Micros } from "../protocol/time.ts"
import {
  type PeerEndpoint,
  PeerListenError,
  type PeerListenOptions,
  type PeerTransport,
  type PeerTransportHandlers
} from "../roles/services/peer-transport.ts"
import type { ConnectionEnd, ConnectionSink } from "./connection.ts"
import type { EventTarget } from "./event-queue.ts"
import { eventKinds } from "./kernel.ts"
import { messageChannel, messageNumber, messagePiece } from "./message-tags.ts"
import type { SimProcess } from "./sim-process.ts"

export const makePeerTransport = (process: SimProcess): PeerTransport["Service"] => ({
  listen: (options, handlers) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.suspend(() => {
          const listener = new SimPeerListener(process, options, handlers)
          const { port } = listener
          if (port !== undefined) return Effect.succeed(listener)
          const address = `${process.host.name}:${options.listen.port}`
          const message = `peer listener ${address}: the port is taken; choose another`
          return Effect.fail(new PeerListenError({ address, message }))
        }),
        (listener) => Effect.sync(() => listener.stop())
      ),
      (listener): PeerEndpoint => listener
    )
})

class SimPeerListener implements PeerEndpoint {
  readonly process: SimProcess
  readonly handlers: PeerTransportHandlers
  readonly egress: TokenBucket | undefined
  readonly ingress: TokenBucket | undefined
  readonly port: number | undefined
  readonly address: string
  readonly #connections = new Map<ConnectionId, PeerConnection>()
  #nextAccepted = -1

  constructor(process: SimProcess, options: PeerListenOptions, handlers: PeerTransportHandlers) {
    this.process = process
    this.handlers = handlers
    const { egressBytesPerSecond, ingressBytesPerSecond, burstBytes } = options.rates
    this.egress = this.#bucket(egressBytesPerSecond, burstBytes)
    this.ingress = this.#bucket(ingressBytesPerSecond, burstBytes)
    this.port = process.network.listen(process.host, options.listen.port, (end) => this.#accept(end))
    this.address = `${options.listen.advertise ?? process.host.name}:${this.port}`
  }

  dial(connection: ConnectionId, address: string): void {
    const colon = address.lastIndexOf(":")
    const peer = new PeerConnection(this, connection)
    this.#connections.set(connection, peer)
    const { network, host, alive } = this.process
    if (!alive) return
    peer.end = network.dial(host, address.slice(0, colon), Number(address.slice(colon + 1)), peer)
  }

  send(connection: ConnectionId, message: Message, swarm?: SwarmId): void {
    if (this.process.alive) this.#connections.get(connection)?.send(message, swarm)
  }

  disconnect(connection: ConnectionId, reason: string): void {
    if (this.process.alive) this.#connections.get(connection)?.disconnect(reason)
  }

  forget(connection: ConnectionId): void {
    this.#connections.delete(connection)
  }

  /** Stops listening and ends every connection after what was sent; nothing more is told. */
  stop(): void {
    const { process } = this
    if (!process.alive) return
    process.host.listeners.delete(this.port!)
    for (const connection of this.#connections.values()) {
      connection.disconnect("the listener closed")
      connection.muted = true
    }
    this.#connections.clear()
  }

  #accept(end: ConnectionEnd): ConnectionSink | undefined {
    if (!this.process.alive) return undefined
    const connection = this.#nextAccepted--
    const peer = new PeerConnection(this, connection)
    peer.end = end
    this.#connections.set(connection, peer)
    return peer
  }

  #bucket(bytesPerSecond: number | undefined, burstBytes: number | undefined): TokenBucket | undefined {
    if (bytesPerSecond === undefined) return undefined
    const rate = { bytesPerSecond, burstBytes: burstBytes ?? limits.defaultBurstBytes }
    return new TokenBucket(rate, this.process.kernel.now)
  }
}

/** A message with the swarm that PieceSent gives back; also what travels. */
interface Outgoing {
  readonly message: Message
  readonly swarm: SwarmId | undefined
}

const kinds = { egressReady: eventKinds.transport, ingressReady: eventKinds.transport + 1 } as const

class PeerConnection implements ConnectionSink, EventTarget {
  readonly #listener: SimPeerListener
  readonly #id: ConnectionId
  end!: ConnectionEnd
  /** Tells nothing any more: the listener is gone. */
  muted = false
  /** Waiting for the egress limit, in order; empty when nothing waits. */
  readonly #outgoing: Outgoing[] = []
  /** Waiting for the ingress limit. */
  readonly #incoming: Message[] = []
  #ending: string | undefined

  constructor(listener: SimPeerListener, id: ConnectionId) {
    this.#listener = listener
    this.#id = id
  }

  send(message: Message, swarm: SwarmId | undefined): void {
    if (this.#ending !== undefined) return
    if (this.#outgoing.length > 0) {
      this.#outgoing.push({ message, swarm })
      return
    }
    const wait = message.tag === "Piece" ? this.#reserve(this.#listener.egress, message) : 0
    if (wait === 0) {
      this.#transmit(message, swarm)
      return
    }
    this.#outgoing.push({ message, swarm })
    this.#wakeIn(wait, kinds.egressReady)
  }

  disconnect(reason: string): void {
    if (this.#ending !== undefined) return
    this.#ending = reason
    const { network } = this.#listener.process
    if (this.end.state === "connecting") network.reset(this.end, reason)
    else if (this.#outgoing.length === 0) network.close(this.end, reason)
  }

  fire(kind: number): void {
    if (!this.#listener.process.alive) return
    if (kind === kinds.egressReady) this.#flushOutgoing()
    else this.#flushIncoming()
  }

  opened(): void {
    if (this.#told) this.#listener.handlers.connected(this.#id)
  }

  refused(reason: string): void {
    this.#listener.forget(this.#id)
    if (this.#told) this.#listener.handlers.dialFailed(this.#id, reason)
  }

  received(payload: unknown): void {
    if (!this.#told) return
    const message = (payload as Outgoing).message
    const { ingress, handlers } = this.#listener
    if (ingress !== undefined) {
      if (this.#incoming.length > 0) {
        this.#incoming.push(message)
        return
      }
      const wait = message.tag === "Piece" ? this.#reserve(ingress, message) : 0
      if (wait > 0) {
        this.#incoming.push(message)
        this.#wakeIn(wait, kinds.ingressReady)
        return
      }
    }
    handlers.received(this.#id, message)
  }

  sent(payload: unknown): void {
    const { message, swarm } = payload as Outgoing
    if (!this.#told || message.tag !== "Piece" || swarm === undefined) return
    this.#listener.handlers.pieceSent(this.#id, swarm, message.piece)
  }

  closed(reason: string): void {
    this.#listener.forget(this.#id)
    this.#outgoing.length = 0
    this.#incoming.length = 0
    if (this.#told) this.#listener.handlers.disconnected(this.#id, this.#ending ?? reason)
    this.muted = true
  }

  get #told(): boolean {
    return !this.muted && this.#listener.process.alive
  }

  #transmit(message: Message, swarm: SwarmId | undefined): void {
    this.#listener.process.network.send(
      this.end,
      { message, swarm },
      encodedLength(message),
      messageNumber(message),
      messageChannel(message),
      messagePiece(message),
      message.tag === "Piece"
    )
  }

  #flushOutgoing(): void {
    let first = true
    for (let next = this.#outgoing.shift(); next !== undefined; next = this.#outgoing.shift()) {
      const wait =
        first || next.message.tag !== "Piece" ? 0 : this.#reserve(this.#listener.egress, next.message)
      if (wait > 0) {
        this.#outgoing.unshift(next)
        this.#wakeIn(wait, kinds.egressReady)
        return
      }
      // The one that was waited for has reserved already.
      first = false
      this.#transmit(next.message, next.swarm)
    }
    if (this.#ending !== undefined) this.#listener.process.network.close(this.end, this.#ending)
  }

  #flushIncoming(): void {
    let first = true
    for (let next = this.#incoming.shift(); next !== undefined; next = this.#incoming.shift()) {
      const wait = first || next.tag !== "Piece" ? 0 : this.#reserve(this.#listener.ingress, next)
      if (wait > 0) {
        this.#incoming.unshift(next)
        this.#wakeIn(wait, kinds.ingressReady)
        return
      }
      first = false
      this.#listener.handlers.received(this.#id, next)
      if (!this.#told) return
    }
  }

  /** How long the message has to wait, in microseconds. */
  #reserve(bucket: TokenBucket | undefined, message: Message): Micros {
    const { now } = this.#listener.process.kernel
    return bucket === undefined ? 0 : bucket.reserve(encodedLength(message), now) - now
  }

  #wakeIn(wait: Micros, kind: number): void {
    const { kernel, host } = this.#listener.process
    kernel.schedule(kernel.now + wait, this, kind, host.index, undefined)
  }
}
