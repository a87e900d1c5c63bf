// The two sockets of a connection on a real listener: how they are matched, refused and closed, and what bytes that are
// no piece do.

import { once } from "node:events"
import { request } from "node:http"
import net from "node:net"
import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, vi } from "vitest"
import { WebSocket } from "ws"
import { listenWatched } from "../../../testing/runtime-net/transport-pair.ts"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import { encodeMessage } from "../../protocol/wire/codec.ts"
import { laneQuery, laneUpgrade, newConnectionId } from "./lane.ts"
import { dialLane } from "./lane-dial.ts"
import { socketLimits } from "./limits.ts"
import { peerPath } from "./ws-transport.ts"

/** A socket of pieces, or why there is none. */
const openPieces = (address: string, query: string) =>
  Effect.callback<net.Socket | Error>((resume) => {
    const asked = request(`http://${address}${peerPath}${query}`, {
      headers: { connection: "upgrade", upgrade: laneUpgrade.pieces }
    })
    asked.on("upgrade", (_response, socket) => {
      socket.on("error", () => {}).resume()
      resume(Effect.succeed(socket as net.Socket))
    })
    asked.on("error", (error) => resume(Effect.succeed(error)))
    asked.end()
  })

describe("the sockets of a connection", () => {
  it.live("a connection is two sockets of one id, in any order; a socket of no connection is refused", () =>
    Effect.gen(function* () {
      const { endpoint, observed, events } = yield* listenWatched()
      const open = (query: string) =>
        Effect.acquireRelease(
          Effect.callback<WebSocket | Error>((resume) => {
            const socket = new WebSocket(`ws://${endpoint.address}${peerPath}${query}`)
            socket.on("error", (error) => resume(Effect.succeed(error)))
            socket.on("open", () => resume(Effect.succeed(socket)))
          }),
          (socket) => Effect.sync(() => socket instanceof WebSocket && socket.terminate())
        )
      const [first, second] = [newConnectionId(), newConnectionId()]
      const pieces = yield* openPieces(endpoint.address, laneQuery(first, "pieces"))
      expect(yield* openPieces(endpoint.address, laneQuery(first, "pieces"))).toBeInstanceOf(Error)
      const messages = yield* open(laneQuery(second, "messages"))
      expect(events.some(({ tag }) => tag === "Connected")).toBe(false)
      yield* open(laneQuery(first, "messages"))
      expect(yield* observed("Connected")).toHaveLength(1)
      yield* openPieces(endpoint.address, laneQuery(second, "pieces"))
      expect(yield* observed("Connected", 2)).toHaveLength(2)
      if (!(pieces instanceof net.Socket && messages instanceof WebSocket)) throw new Error("refused")
      messages.send(Buffer.from(encodeMessage({ tag: "Bye", reason: "idle" })))
      yield* observed("Received")
      pieces.destroy()
      messages.terminate()
      yield* observed("Disconnected", 2)
      expect(yield* open(laneQuery(newConnectionId(), "pieces"))).toBeInstanceOf(Error)
      expect(yield* openPieces(endpoint.address, "")).toBeInstanceOf(Error)
      const nonsense = ["?connection=1&lane=pieces", `?connection=${first}&lane=third`, "?lane=pieces"]
      for (const query of nonsense) expect(yield* open(query)).toBeInstanceOf(Error)
      const refused = (yield* observed("Refused", 3 + nonsense.length)).map(({ reason }) => reason)
      expect(refused[0]).toBe("a second handshake for the same socket of a connection")
      const otherProtocol = "a handshake for another protocol"
      expect(refused.slice(1, 3)).toEqual([otherProtocol, otherProtocol])
      expect(new Set(refused.slice(3))).toEqual(new Set(["a handshake for no socket of a connection"]))
    })
  )

  it.live("a socket that comes while the listener stops is refused", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { endpoint, observed } = yield* Scope.provide(listenWatched(), scope)
      const { hostname, port } = new URL(`http://${endpoint.address}`)
      // It is accepted before those after it, and asks for its upgrade later.
      const late = net.connect(Number(port), hostname).on("error", () => {})
      yield* Effect.promise(() => new Promise((resolve) => late.once("connect", resolve)))
      const id = newConnectionId()
      const messages = new WebSocket(`ws://${endpoint.address}${peerPath}${laneQuery(id, "messages")}`)
      yield* Effect.addFinalizer(() => Effect.sync(() => messages.terminate()))
      yield* Effect.promise(() => new Promise((resolve) => messages.once("open", resolve)))
      yield* openPieces(endpoint.address, laneQuery(id, "pieces"))
      yield* observed("Connected")
      // The stop waits for a peer that does not read its end.
      messages.pause()
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      const query = laneQuery(newConnectionId(), "pieces")
      late.write(
        `GET ${peerPath}${query} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: ${laneUpgrade.pieces}\r\n\r\n`
      )
      expect((yield* observed("Refused")).map(({ reason }) => reason)).toEqual(["this host stops"])
      yield* Effect.promise(() => new Promise((resolve) => late.once("close", resolve)))
      messages.terminate()
      yield* Fiber.join(stopping)
    })
  )

  it.live("a dial that is answered a little again and again is given up", () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
        () => Effect.sync(() => vi.useRealTimers())
      )
      const server = net.createServer((socket) => {
        const answer = (): void => {
          if (!socket.destroyed) socket.write("HTTP/1.1 102 Processing\r\n\r\n", () => setImmediate(answer))
        }
        socket.on("error", () => {}).once("data", answer)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
      const target = `127.0.0.1:${(server.address() as net.AddressInfo).port}/`
      for (const name of ["messages", "pieces"] as const) {
        const told: string[] = []
        const events = {
          opened: () => told.push("opened"),
          failed: ({ message }: Error) => told.push(message)
        }
        dialLane(name, target, socketLimits, events)
        const [socket] = (yield* Effect.promise(() => once(server, "connection"))) as [net.Socket]
        yield* Effect.promise(() => once(socket, "data"))
        const closed = new Promise((resolve) => socket.once("close", resolve))
        vi.advanceTimersByTime(protocolLimits.handshakeTimeout / 1000)
        yield* Effect.promise(() => closed)
        expect(told).toEqual(["the handshake took too long"])
      }
    })
  )

  it.live("a socket whose other one has not come is closed when its listener stops or is killed", () =>
    Effect.gen(function* () {
      // On a clock that stands still the socket is never late.
      yield* Effect.acquireRelease(
        Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
        () => Effect.sync(() => vi.useRealTimers())
      )
      for (const isKilled of [false, true]) {
        const closed = yield* Effect.scoped(
          Effect.gen(function* () {
            const { endpoint, transport } = yield* listenWatched()
            const socket = yield* openPieces(endpoint.address, laneQuery(newConnectionId(), "pieces"))
            if (socket instanceof Error) throw socket
            const closing = new Promise((resolve) => socket.once("close", resolve))
            if (isKilled) {
              transport.kill()
              yield* Effect.promise(() => closing)
            }
            return closing
          })
        )
        yield* Effect.promise(() => closed)
      }
    })
  )

  it.live(
    "what is no piece on the socket of pieces breaks the connection, and an end within one is a break",
    () =>
      Effect.gen(function* () {
        const { endpoint, observed, events } = yield* listenWatched()
        const connect = Effect.gen(function* () {
          const id = newConnectionId()
          const messages = new WebSocket(`ws://${endpoint.address}${peerPath}${laneQuery(id, "messages")}`)
          messages.on("error", () => {})
          yield* Effect.addFinalizer(() => Effect.sync(() => messages.terminate()))
          const pieces = yield* openPieces(endpoint.address, laneQuery(id, "pieces"))
          if (pieces instanceof Error) throw pieces
          return pieces
        })
        const first = yield* connect
        yield* observed("Connected")
        first.write(Buffer.from([0, 0, 0, 7, ...encodeMessage({ tag: "Request", channel: 1, piece: 1 }), 0]))
        expect(yield* observed("ProtocolBroken")).toMatchObject([{ connection: -1, bye: "protocol-error" }])
        yield* observed("Disconnected")
        const second = yield* connect
        yield* observed("Connected", 2)
        second.write(Buffer.from([0, 0, 0, 99, 6, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]))
        second.end()
        const [, broke] = yield* observed("Disconnected", 2)
        expect(broke).toMatchObject({ connection: -2, reason: "the connection broke" })
        expect(events.some(({ tag }) => tag === "Received")).toBe(false)
      })
  )
})
