// What a listener holds and for how long: connections of all clients and of one, and the requests that run when it
// stops.

import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe, expect, test, vi } from "vitest"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { rawConnection } from "../../../testing/runtime-net/raw-connection.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { configLimits } from "../../roles/config/limits.ts"
import type { HttpApp } from "../../roles/http/http-app.ts"
import { serveListener } from "./http-listener.ts"
import { boundConnections } from "./http-refusals.ts"
import { ListenerLimits } from "./limits.ts"

const serve = (app: HttpApp) => serveListener({ name: "test", listen: { host: "127.0.0.1", port: 0 }, app })

const request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

describe("a listener holds", () => {
  it.live("as many connections as the limits say, of all clients and of one", () =>
    Effect.gen(function* () {
      for (const limits of [{ maxHttpConnections: 2 }, { maxHttpConnectionsPerClient: 2 }]) {
        const { port } = yield* withLimits(
          serve(Effect.succeed(HttpServerResponse.text("served"))),
          ListenerLimits,
          limits
        )
        const answers = yield* Effect.forEach([1, 2, 3], () =>
          Effect.gen(function* () {
            const connection = yield* rawConnection(port)
            connection.write(request)
            return yield* connection.until("served")
          })
        )
        expect(answers.map((answer) => answer.includes("200 OK"))).toEqual([true, true, false])
      }
    })
  )

  it.live("no more connections of one client than it may, and takes new ones when others have gone", () =>
    Effect.gen(function* () {
      const server = createServer((_request, response) => response.end("served"))
      boundConnections(server, 100, 2)
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const { port } = server.address() as AddressInfo
      const asks = Effect.gen(function* () {
        const connection = yield* rawConnection(port)
        connection.write(request)
        return { connection, answer: yield* connection.until("served") }
      })
      const first = yield* asks
      expect(first.answer).toContain("200 OK")
      expect((yield* asks).answer).toContain("200 OK")
      expect((yield* asks).answer).toBe("")
      first.connection.socket.destroy()
      // The server has seen it go when it lets another in; until then it closes those that come.
      for (;;) {
        const { answer } = yield* asks
        if (answer !== "") break
      }
    })
  )
})

test("a listener waits for headers and bodies as long as is configured when its role says nothing", () =>
  Effect.gen(function* () {
    const { server } = yield* serve(Effect.succeed(HttpServerResponse.empty()))
    expect(server.headersTimeout).toBe(configLimits.requestHeadersTimeout / 1000)
    expect(server.timeout).toBe(configLimits.httpSilence / 1000)
  }).pipe(Effect.scoped, Effect.runPromise))

test("a listener cuts a refused connection after refusalLinger when its client keeps it open", () =>
  Effect.gen(function* () {
    const { port, server } = yield* withLimits(
      serve(Effect.succeed(HttpServerResponse.empty())),
      ListenerLimits,
      {
        refusalLinger: seconds(7)
      }
    )
    let accepted: Socket | undefined
    server.on("connection", (socket) => {
      accepted = socket
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
      () => Effect.sync(() => vi.useRealTimers())
    )
    const { socket, write, until } = yield* rawConnection(port)
    // The end of the answer does not end the client's side.
    socket.removeAllListeners("end")
    write("no request\r\n\r\n")
    expect(yield* until("REQUEST_INVALID")).toContain("400 Bad Request")
    vi.advanceTimersByTime(6999)
    expect(accepted?.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(accepted?.destroyed).toBe(true)
    const timers = vi.getTimerCount()
    const polite = yield* rawConnection(port)
    polite.write("no request\r\n\r\n")
    yield* polite.closed
    yield* Effect.callback<void>((resume) => {
      if (accepted?.closed !== false) resume(Effect.void)
      else accepted.once("close", () => resume(Effect.void))
    })
    // A connection that has closed leaves no timer behind.
    expect(vi.getTimerCount()).toBe(timers)
  }).pipe(Effect.scoped, Effect.runPromise))

describe("a listener that stops", () => {
  it.effect("lets a request end within stopDrain, and cuts it then", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const app = Effect.andThen(Deferred.succeed(entered, undefined), Effect.interruptible(Effect.never))
      const scope = yield* Scope.make()
      const listening = withLimits(serve(app), ListenerLimits, { stopDrain: seconds(5) })
      const { port } = yield* Scope.provide(listening, scope)
      const connection = yield* rawConnection(port)
      connection.write(request)
      yield* Deferred.await(entered)
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      expect(stopping.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stopping)
      expect(yield* connection.closed).not.toContain("200 OK")
    })
  )

  it.effect("closes a connection as soon as its last request has ended, and then has stopped", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const app = Deferred.succeed(entered, undefined).pipe(
        Effect.andThen(Deferred.await(finish)),
        Effect.as(HttpServerResponse.text("ended in order"))
      )
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(serve(app), scope)
      const connection = yield* rawConnection(port)
      connection.write(request)
      yield* Deferred.await(entered)
      // The clock stands still: nothing is cut because time is up.
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Deferred.succeed(finish, undefined)
      expect(yield* connection.closed).toContain("ended in order")
      yield* Fiber.join(stopping)
    })
  )
})
