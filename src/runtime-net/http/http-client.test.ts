// Connections of a host's HTTP client to one other host, over real sockets: how many it opens, and how long it keeps
// them.

import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { HttpClient } from "effect/http"
import { expect } from "vitest"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { milliseconds } from "../../protocol/kit/time.ts"
import { nodeHttpClient } from "./http-client.ts"
import { ListenerLimits } from "./limits.ts"

/** A server that answers when the test lets it, and what a client under these limits does there. */
const stage = (limits: Partial<ListenerLimits>) =>
  Effect.gen(function* () {
    const waiting: ServerResponse[] = []
    const sockets = new Set<Socket>()
    let whenRequested = (): void => {}
    let closed = 0
    let whenClosed = (): void => {}
    const server = createServer({ keepAliveTimeout: 0 }, (_, response) => {
      waiting.push(response)
      whenRequested()
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.once("close", () => {
        closed++
        whenClosed()
      })
    })
    yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    const services = yield* withLimits(Layer.build(nodeHttpClient), ListenerLimits, limits)
    const { port } = server.address() as AddressInfo
    const get = Effect.flatMap(
      Effect.provideContext(HttpClient.get(`http://127.0.0.1:${port}/`), services),
      ({ text }) => text
    )
    const requested = Effect.callback<void>((resume) => {
      whenRequested = () => resume(Effect.void)
      if (waiting.length > 0) resume(Effect.void)
    })
    const allClosed = Effect.callback<void>((resume) => {
      whenClosed = () => {
        if (closed === sockets.size) resume(Effect.void)
      }
      whenClosed()
    })
    const answerNext = Effect.andThen(
      requested,
      Effect.sync(() => void waiting.shift()!.end("served"))
    )
    return { get, sockets, answerNext, allClosed }
  })

it.live(
  "has maxHttpConnectionsPerHost connections to another host, over which requests wait for each other",
  () =>
    Effect.gen(function* () {
      const { get, sockets, answerNext } = yield* stage({ maxHttpConnectionsPerHost: 1 })
      const asking = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(get))
      for (let answer = 0; answer < 3; answer++) yield* answerNext
      for (const each of asking) expect(yield* Fiber.join(each)).toBe("served")
      expect(sockets.size).toBe(1)
    })
)

it.live("closes a connection without a request after half of what a listener keeps it", () =>
  Effect.gen(function* () {
    const { get, answerNext, allClosed } = yield* stage({ httpKeepAlive: milliseconds(100) })
    const asking = yield* Effect.forkChild(get)
    yield* answerNext
    expect(yield* Fiber.join(asking)).toBe("served")
    // The server would keep it for ever: the client closes it.
    yield* allClosed
  })
)
