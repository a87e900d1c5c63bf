// Listens for peers and dials them: upgrades of HTTP on one path, with a time limit for handshakes. A connection is two
// sockets, which are dialled at once (lane.ts): a WebSocket for messages, without compression and with bounded frames,
// and one for pieces. A dialler masks with zeros, which costs nothing on either side: masking protects caches that do
// not know the protocol, and no cache stands between peers. ws-connection.ts moves messages.
//
//   dial: dialling --opened--> connected --> disconnected        accept: connected --> disconnected
//             |--refused, late, or disconnect--> dial failed
//
// Invariant: each dial has one answer; each connected is followed by one disconnected, and then by silence.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { networkInterfaces } from "node:os"
import type { Duplex } from "node:stream"
import { Effect, Layer, type Scope } from "effect"
import { WebSocketServer } from "ws"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import type { ConnectionId } from "../../protocol/swarm/peer-host-io.ts"
import { hostAndPort, isEveryAddress } from "../../roles/http/host-and-port.ts"
import {
  type PeerEndpoint,
  PeerListenError,
  type PeerListenOptions,
  PeerTransport,
  type PeerTransportHandlers
} from "../../roles/services/peer-transport.ts"
import { whyNotBound } from "../http/http-listener.ts"
import { monotonicNow } from "../platform/node-timers.ts"
import {
  type Lane,
  type LaneName,
  type Lanes,
  laneNames,
  laneOf,
  laneQuery,
  laneUpgrade,
  newConnectionId
} from "./lane.ts"
import { dialLane } from "./lane-dial.ts"
import { LanePairs } from "./lane-pairs.ts"
import { SocketLimits } from "./limits.ts"
import { PieceLane } from "./piece-lane.ts"
import { type ConnectionRates, WsConnection } from "./ws-connection.ts"
import { WsLane, webSocketOptions } from "./ws-lane.ts"

/** The path of the upgrade. Another path is not a peer listener. */
export const peerPath = "/shoal/peer"

interface Cuttable {
  readonly terminate: () => void
}

const answer = `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${laneUpgrade.pieces}\r\n\r\n`

class WsEndpoint implements PeerEndpoint {
  readonly address: string
  readonly #handlers: PeerTransportHandlers
  readonly #server: Server
  readonly #accepting: WebSocketServer
  readonly #rates: ConnectionRates
  readonly #limits: SocketLimits
  readonly #connections = new Map<ConnectionId, WsConnection>()
  readonly #dialling = new Map<ConnectionId, readonly Cuttable[]>()
  readonly #pairs: LanePairs
  readonly #liveness: NodeJS.Timeout
  #nextAccepted = -1
  /** Set by a kill: nothing is reported and nothing is sent any more. */
  #dead = false
  #whenEmpty: (() => void) | undefined
  #stopping = false

  constructor(
    server: Server,
    address: string,
    rates: PeerListenOptions["rates"],
    handlers: PeerTransportHandlers,
    limits: SocketLimits
  ) {
    this.address = address
    this.#limits = limits
    this.#server = server
    this.#handlers = handlers
    this.#rates = {
      egress: bucket(rates.egress, rates.burst),
      ingress: bucket(rates.ingress, rates.burst)
    }
    this.#pairs = new LanePairs(protocolLimits.handshakeTimeout, () =>
      handlers.refused?.("one socket of a connection, whose other socket did not come")
    )
    this.#accepting = new WebSocketServer({
      ...webSocketOptions(limits),
      noServer: true,
      path: peerPath,
      clientTracking: false
    })
    this.#accepting.on("wsClientError", (error, socket) => {
      handlers.refused?.(`not a peer's handshake: ${error.message}`)
      socket.destroy()
    })
    server.on("upgrade", (request, socket, head) => this.#accept(request, socket, head))
    const refuse = (_request: IncomingMessage, response: ServerResponse): void => {
      handlers.refused?.("an HTTP request, not a peer's handshake")
      response.writeHead(426, { connection: "close", upgrade: "websocket" })
      response.end("this port speaks to peers only\n")
    }
    // Node answers two kinds of request silently by itself when nobody listens for them.
    server.on("request", refuse)
    server.on("checkExpectation", refuse)
    server.on("connect", (_request, socket) => {
      handlers.refused?.("an HTTP request, not a peer's handshake")
      socket.destroy()
    })
    server.on("clientError", (error, socket) => {
      handlers.refused?.(`bytes that are not a peer's handshake: ${error.message}`)
      socket.destroy()
    })
    this.#liveness = setInterval(() => {
      const now = monotonicNow()
      for (const connection of this.#connections.values()) connection.checkLiveness(now)
    }, limits.pingInterval / 1000)
  }

  dial(id: ConnectionId, address: string): void {
    if (this.#dead) return
    const begun: Cuttable[] = []
    const lanes: Partial<Record<LaneName, Lane>> = {}
    const connectionId = newConnectionId()
    const failed = (error: Error): void => {
      for (const one of begun) one.terminate()
      if (this.#dialling.delete(id) && !this.#dead) this.#handlers.dialFailed(id, error.message)
      this.#noticeEmpty()
    }
    const opened = (name: LaneName, lane: Lane): void => {
      lanes[name] = lane
      begun.push(lane)
      lane.listen({ closed: () => failed(new Error("closed before it opened")) })
      const { messages, pieces } = lanes
      if (!this.#dialling.has(id)) lane.terminate()
      else if (messages !== undefined && pieces !== undefined) {
        this.#dialling.delete(id)
        this.#opened(id, { messages, pieces })
      }
    }
    try {
      for (const name of laneNames) {
        const target = address + peerPath + laneQuery(connectionId, name)
        begun.push(dialLane(name, target, this.#limits, { failed, opened: (lane) => opened(name, lane) }))
      }
    } catch (cause) {
      queueMicrotask(() => this.#handlers.dialFailed(id, `bad address ${address}: ${messageOf(cause)}`))
      return
    }
    this.#dialling.set(id, begun)
  }

  send(...[id, message, swarm]: Parameters<PeerEndpoint["send"]>): void {
    this.#connections.get(id)?.send(message, swarm)
  }

  disconnect(id: ConnectionId, reason: string): void {
    this.#connections.get(id)?.disconnect(reason)
    // An open handshake is given up. Its error event reports that the dial failed.
    for (const socket of this.#dialling.get(id) ?? []) socket.terminate()
  }

  /** Ends every connection once its sent messages are out, and the listener. */
  readonly stop: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.#stopping = true
    clearInterval(this.#liveness)
    this.#server.close()
    for (const socket of [...this.#dialling.values()].flat()) socket.terminate()
    this.#pairs.end()
    for (const connection of this.#connections.values()) connection.disconnect("the host stops")
    const ended = (): void => {
      this.#server.closeAllConnections()
      resume(Effect.void)
    }
    this.#whenEmpty = ended
    this.#noticeEmpty()
  })

  /** Does what kill -9 does: sockets break, and nothing is reported. */
  kill(): void {
    this.#dead = true
    clearInterval(this.#liveness)
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of [...this.#dialling.values()].flat()) socket.terminate()
    this.#pairs.end()
    for (const connection of this.#connections.values()) connection.destroy("the host was killed")
  }

  #accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const asked = laneOf(request.url ?? "")
    const refusal = this.#refusal(request, asked)
    if (refusal !== undefined) {
      this.#handlers.refused?.(refusal)
      socket.destroy()
      return
    }
    if (typeof asked !== "string" && asked.lane === "pieces") {
      // It may have closed behind an earlier request.
      if (request.socket.destroyed) return
      request.socket.setTimeout(0)
      const lane = new PieceLane(request.socket, head)
      lane.send(Buffer.from(answer))
      this.#came(asked, lane)
      return
    }
    this.#accepting.handleUpgrade(request, socket, head, (accepted) =>
      this.#came(asked, new WsLane(accepted, request.socket))
    )
  }

  /** A lane has come. It is read when the connection is complete. */
  #came(asked: ReturnType<typeof laneOf>, lane: Lane): void {
    const lanes =
      typeof asked === "string"
        ? { messages: lane, pieces: lane }
        : this.#pairs.came(asked.id, asked.lane, lane)
    if (lanes !== undefined) this.#opened(this.#nextAccepted--, lanes)
  }

  #refusal(request: IncomingMessage, asked: ReturnType<typeof laneOf>): string | undefined {
    // A TCP connection that was accepted before the stop may still ask for its upgrade.
    if (this.#stopping || this.#dead) return "this host stops"
    const sockets = 2 * this.#connections.size + this.#pairs.size
    // The second lane of a connection whose first one was let in comes in.
    const isSecond = typeof asked !== "string" && this.#pairs.has(asked.id)
    if (sockets >= this.#limits.maxSockets && !isSecond) return "too many connections"
    if (!this.#accepting.shouldHandle(request)) return "a handshake for another path"
    if (asked === "malformed") return "a handshake for no socket of a connection"
    const upgrade = laneUpgrade[typeof asked === "string" ? "messages" : asked.lane]
    if (request.headers.upgrade?.toLowerCase() !== upgrade) return "a handshake for another protocol"
    if (typeof asked !== "string" && !this.#pairs.mayCome(asked.id, asked.lane)) {
      return "a second handshake for the same socket of a connection"
    }
    return undefined
  }

  #opened(id: ConnectionId, lanes: Lanes): void {
    if (this.#dead) {
      for (const lane of [lanes.messages, lanes.pieces]) lane.terminate()
      return
    }
    const handlers = this.#handlers
    const connection = new WsConnection(
      lanes,
      this.#rates,
      {
        received: (message) => this.#dead || handlers.received(id, message),
        protocolBroken: (reason, bye) => this.#dead || handlers.protocolBroken(id, reason, bye),
        pieceSent: (swarm, piece) => this.#dead || handlers.pieceSent(id, swarm, piece),
        closed: (reason) => {
          this.#connections.delete(id)
          if (!this.#dead) handlers.disconnected(id, reason)
          this.#noticeEmpty()
        }
      },
      this.#limits
    )
    this.#connections.set(id, connection)
    handlers.connected(id)
    for (const lane of new Set([lanes.messages, lanes.pieces])) lane.resume()
  }

  #noticeEmpty(): void {
    if (this.#connections.size === 0 && this.#dialling.size === 0) this.#whenEmpty?.()
  }
}

const bucket = (bytesPerSecond: number | undefined, burstBytes: number): TokenBucket | undefined =>
  bytesPerSecond === undefined ? undefined : new TokenBucket({ bytesPerSecond, burstBytes }, monotonicNow())

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

type Interfaces = ReturnType<typeof networkInterfaces>

/**
 * An address of this machine that others can reach, for a listener on every address. Loopback when there is no other.
 */
export const outsideAddress = (listensOn: string, interfaces: Interfaces): string => {
  const outside = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
  const ipv4 = outside.find(({ family }) => family === "IPv4")?.address
  if (listensOn === "0.0.0.0") return ipv4 ?? "127.0.0.1"
  // "::" listens on both families. A link-local address (fe80::/10) means nothing to another host.
  const ipv6 = outside.find(
    ({ family, address }) => family === "IPv6" && !/^fe[89ab]/i.test(address)
  )?.address
  return ipv4 ?? ipv6 ?? "::1"
}

/** "host:port" as other hosts reach it. */
const advertised = ({ host, advertise }: PeerListenOptions["listen"], port: number): string => {
  if (advertise !== undefined) return hostAndPort(advertise, port)
  return hostAndPort(isEveryAddress(host) ? outsideAddress(host, networkInterfaces()) : host, port)
}

const bind = (options: PeerListenOptions, handlers: PeerTransportHandlers, limits: SocketLimits) =>
  Effect.callback<WsEndpoint, PeerListenError>((resume) => {
    const { host, port } = options.listen
    const server = createServer({
      headersTimeout: protocolLimits.handshakeTimeout / 1000,
      requestTimeout: protocolLimits.handshakeTimeout / 1000,
      connectionsCheckingInterval: 1000
    })
    server.maxConnections = limits.maxSockets
    server.once("error", (cause) =>
      resume(
        Effect.fail(
          new PeerListenError({
            address: hostAndPort(host, port),
            message: whyNotBound("peers", host, port, cause)
          })
        )
      )
    )
    server.listen(port, host, () => {
      server.removeAllListeners("error")
      const bound = server.address()
      const real = typeof bound === "object" && bound !== null ? bound.port : port
      resume(
        Effect.succeed(
          new WsEndpoint(server, advertised(options.listen, real), options.rates, handlers, limits)
        )
      )
    })
  })

export interface KillableTransport {
  readonly layer: Layer.Layer<PeerTransport>
  /** Breaks every connection of every listener at once and reports nothing. */
  readonly kill: () => void
}

export const makeWsTransport = (): KillableTransport => {
  const endpoints = new Set<WsEndpoint>()
  const listen = (
    options: PeerListenOptions,
    handlers: PeerTransportHandlers
  ): Effect.Effect<PeerEndpoint, PeerListenError, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.tap(
        Effect.flatMap(SocketLimits, (limits) => bind(options, handlers, limits)),
        (endpoint) => Effect.sync(() => endpoints.add(endpoint))
      ),
      (endpoint) => Effect.tap(endpoint.stop, () => Effect.sync(() => endpoints.delete(endpoint)))
    )
  return {
    layer: Layer.succeed(PeerTransport, { listen }),
    kill: () => {
      for (const endpoint of endpoints) endpoint.kill()
    }
  }
}

export const wsTransport: Layer.Layer<PeerTransport> = makeWsTransport().layer
