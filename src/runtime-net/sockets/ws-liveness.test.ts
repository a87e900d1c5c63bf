// Connections that look open but are dead: a peer that fell silent and a peer that never reads are cut, a peer that is
// slow or throttled is not. Time is given to the check, nothing waits for it.

import { createServer, type Server } from "node:http"
import type net from "node:net"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect, vi } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { milliseconds } from "../../protocol/kit/time.ts"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { limits } from "../../protocol/limits.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { monotonicNow } from "../platform/node-timers.ts"
import type { Lanes } from "./lane.ts"
import { type SocketLimits, socketLimits } from "./limits.ts"
import { type ConnectionRates, WsConnection } from "./ws-connection.ts"
import { WsLane } from "./ws-lane.ts"

const unlimited: ConnectionRates = { egress: undefined, ingress: undefined }

const singleLane = (socket: WebSocket, tcp: net.Socket): Lanes => {
  const lane = new WsLane(socket, tcp)
  lane.resume()
  return { messages: lane, pieces: lane }
}

/** A connection under test and the raw socket at its other end. */
const connection = (rates: ConnectionRates = unlimited, changed: Partial<SocketLimits> = {}) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const made = createServer()
        made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
      }),
      (made) =>
        Effect.sync(() => {
          made.close()
          made.closeAllConnections()
        })
    )
    const sockets = new WebSocketServer({ noServer: true })
    const { port } = server.address() as net.AddressInfo
    const peer = new WebSocket(`ws://127.0.0.1:${port}`, { autoPong: false })
    peer.on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.sync(() => peer.terminate()))
    const events: Array<string> = []
    let whenClosed = (): void => {}
    const closed = new Promise<void>((resolve) => {
      whenClosed = resolve
    })
    const tested = yield* Effect.callback<WsConnection>((resume) => {
      server.once("upgrade", (request, socket, head) =>
        sockets.handleUpgrade(request, socket, head, (accepted) =>
          resume(
            Effect.succeed(
              new WsConnection(
                singleLane(accepted, request.socket),
                rates,
                {
                  received: (message) => events.push(message.tag),
                  protocolBroken: (reason) => events.push(`broken: ${reason}`),
                  pieceSent: () => events.push("sent"),
                  closed: (reason) => {
                    events.push(`closed: ${reason}`)
                    whenClosed()
                  }
                },
                { ...socketLimits, ...changed }
              )
            )
          )
        )
      )
    })
    yield* Effect.promise(() => new Promise((resolve) => peer.once("open", resolve)))
    return { tested, peer, events, closed: Effect.promise(() => closed) }
  })

const bye = Buffer.from([10, 0])

const received = (peer: WebSocket, event: "ping" | "message") =>
  Effect.promise(() => new Promise((resolve) => peer.once(event, resolve)))

describe("liveness of a connection", () => {
  it.live("a silent peer is pinged, then cut; one that answers lives on", () =>
    Effect.gen(function* () {
      const { tested, peer, events, closed } = yield* connection()
      const start = monotonicNow()
      const pinged = received(peer, "ping")
      tested.checkLiveness(start + socketLimits.pingInterval)
      yield* pinged
      peer.pong()
      peer.send(bye)
      while (events.length === 0) yield* Effect.promise(() => new Promise(setImmediate))
      tested.checkLiveness(start + socketLimits.deadConnectionTimeout)
      tested.checkLiveness(start + 2 * socketLimits.deadConnectionTimeout - socketLimits.pingInterval)
      expect(events).toEqual(["Bye"])
      tested.checkLiveness(start + 2 * socketLimits.deadConnectionTimeout)
      yield* closed
      expect(events).toEqual(["Bye", "closed: nothing came for 45 s"])
    })
  )

  it.live("a host that does not read because of its own rate does not blame the peer", () =>
    Effect.gen(function* () {
      const now = monotonicNow()
      const ingress = new TokenBucket({ bytesPerSecond: 1000, burstBytes: 1 }, now)
      const { tested, peer, events } = yield* connection({ egress: undefined, ingress })
      peer.send(Buffer.concat([Buffer.from([6, 0, 0, 0, 0, 0, 0]), Buffer.alloc(100_000)]))
      while (events.length === 0) yield* Effect.promise(() => new Promise(setImmediate))
      for (let turn = 1; turn < 5; turn++)
        tested.checkLiveness(now + turn * socketLimits.deadConnectionTimeout)
      yield* Effect.promise(() => new Promise(setImmediate))
      expect(events).toEqual(["Piece"])
    })
  )

  it.live("a peer that never reads is cut before its messages fill the memory", () =>
    Effect.gen(function* () {
      const { tested, peer, events, closed } = yield* connection()
      peer.pause()
      const pieces = Array.from({ length: limits.maxPiecesPerMessage }, (_, index) => index)
      let sent = 0
      while (events.length === 0 && sent < 100_000) {
        tested.send({ tag: "Have", channel: 1, pieces }, undefined)
        sent++
        if (sent % 100 === 0) yield* Effect.promise(() => new Promise(setImmediate))
      }
      yield* closed
      expect(events).toEqual(["closed: the peer does not read what is sent to it"])
      expect(sent).toBeLessThan(20_000)
    })
  )

  it.live("a peer for which too many messages wait behind a piece is cut", () =>
    Effect.gen(function* () {
      const few = { maxSocketBuffer: 1, maxStuckBytes: 1e9, maxQueuedMessages: 5 }
      const { tested, peer, events, closed } = yield* connection(unlimited, few)
      peer.pause()
      const payload = new Uint8Array(limits.maxPieceLength)
      const swarm = "ab".repeat(32) as SwarmId
      for (const piece of [1, 2])
        tested.send({ tag: "Piece", channel: 1, piece, proof: new Uint8Array(0), payload }, swarm)
      // The second piece waits for room, the Close for the piece, and what follows for the Close.
      tested.send({ tag: "Close", channel: 1, reason: "finished" }, undefined)
      for (let piece = 0; piece < 3; piece++)
        tested.send({ tag: "Have", channel: 2, pieces: [piece] }, undefined)
      yield* Effect.promise(() => new Promise(setImmediate))
      expect(events).toEqual([])
      tested.send({ tag: "Have", channel: 2, pieces: [3] }, undefined)
      yield* closed
      expect(events).toEqual(["closed: the peer does not read what is sent to it"])
    })
  )

  it.live("a disconnect does not wait for a peer that reads nothing", () =>
    Effect.gen(function* () {
      const { tested, peer, events, closed } = yield* connection()
      peer.pause()
      const payload = new Uint8Array(limits.maxPieceLength)
      for (let piece = 0; piece < 4; piece++) {
        tested.send(
          { tag: "Piece", channel: 1, piece, proof: new Uint8Array(0), payload },
          "ab".repeat(32) as SwarmId
        )
      }
      const cut = vi.spyOn(WebSocket.prototype, "terminate")
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
      tested.disconnect("enough")
      vi.advanceTimersByTime(socketLimits.disconnectDrain / milliseconds(1) - 1)
      expect(cut).not.toHaveBeenCalled()
      vi.advanceTimersByTime(1)
      expect(cut).toHaveBeenCalledTimes(1)
      vi.useRealTimers()
      cut.mockRestore()
      yield* closed
      expect(events.at(-1)).toBe("closed: enough")
    })
  )
})
