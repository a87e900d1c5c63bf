// HTTP between two simulated hosts, through the shipped client and router: bodies, backpressure, and every kind of
// failure.

import { Effect, Fiber, Option, Stream } from "effect"
import {
  HttpBody,
  type HttpClient,
  HttpClientRequest,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { describe, expect, it } from "vitest"
import { type HttpRoute, makeHttpApp } from "../../roles/http/http-app.ts"
import { makeRoleMetrics } from "../../roles/services/metrics.ts"
import type { SimHost } from "../host/host.ts"
import { makeSimulation, type Simulation, type SimulationOptions } from "../simulation.ts"

const server = (routes: ReadonlyArray<HttpRoute>) =>
  Effect.gen(function* () {
    const app = yield* makeHttpApp(routes, {
      metrics: makeRoleMetrics("server"),
      notReady: Effect.succeed([])
    })
    return { listeners: [{ name: "http", listen: { host: "server", port: 80 }, app }] }
  })

interface Played {
  readonly client: HttpClient.HttpClient
  readonly simulation: Simulation
  readonly host: SimHost
}

const play = <A>(
  routes: ReadonlyArray<HttpRoute>,
  script: (played: Played) => Effect.Effect<A, unknown>,
  options: Partial<SimulationOptions> = {}
): A => {
  const simulation = makeSimulation({ seed: "http", ...options })
  const client = simulation.httpClient("client")
  return simulation.run(
    Effect.flatMap(simulation.startHost("server", server(routes)), (host) =>
      script({ client, simulation, host })
    )
  )
}

const route = (method: HttpRoute["method"], handler: HttpRoute["handler"]): HttpRoute => ({
  method,
  path: "/thing",
  handler
})
const url = "http://server/thing"

const echo = route(
  "PUT",
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const bytes = yield* Effect.orDie(request.arrayBuffer)
    return HttpServerResponse.uint8Array(new Uint8Array(bytes), {
      headers: { "x-seen": request.url, "x-from": Option.getOrElse(request.remoteAddress, () => "") }
    })
  })
)

const put = (body: HttpBody.HttpBody) =>
  HttpClientRequest.put(`${url}?a=1&b=two`).pipe(HttpClientRequest.setBody(body))

/** An endless stream of chunks that counts how many were pulled. */
const endless = (count: { chunks: number; ended?: string }) =>
  Stream.fromEffectRepeat(
    Effect.sync(() => {
      count.chunks++
      return new Uint8Array(100_000)
    })
  )

describe("a request", () => {
  it("reaches the route with its body, query and remote name; the response comes back", () => {
    for (const size of [0, 100, 8192, 8193, 3_000_000]) {
      const bytes = new Uint8Array(size).map((_, index) => index * 7)
      const answer = play([echo], ({ client }) =>
        Effect.gen(function* () {
          const response = yield* client.execute(put(HttpBody.uint8Array(bytes)))
          const { status, headers } = response
          return { status, headers, body: new Uint8Array(yield* response.arrayBuffer) }
        })
      )
      expect(answer.status).toBe(200)
      expect(answer.headers).toMatchObject({ "x-seen": "/thing?a=1&b=two", "x-from": "client" })
      expect(answer.headers["content-length"]).toBe(String(size))
      expect(answer.body).toEqual(bytes)
    }
  })

  it("may stream its body, and fails with it", () => {
    const chunks = Stream.fromIterable([1, 2, 3].map((value) => new Uint8Array(400_000).fill(value)))
    const outcome = play([echo], ({ client }) =>
      Effect.gen(function* () {
        const whole = yield* client.execute(put(HttpBody.stream(chunks)))
        const broken = Stream.concat(chunks, Stream.fail("the disk broke"))
        const failure = yield* Effect.flip(client.execute(put(HttpBody.stream(broken))))
        return { length: (yield* whole.arrayBuffer).byteLength, message: failure.message }
      })
    )
    expect(outcome.length).toBe(1_200_000)
    expect(outcome.message).toMatch(/the request's body failed/)
  })

  it("takes the time of its bytes on the links", () => {
    const took = play([echo], ({ client, simulation }) =>
      Effect.gen(function* () {
        const response = yield* client.execute(put(HttpBody.uint8Array(new Uint8Array(12_500_000))))
        yield* response.arrayBuffer
        return simulation.kernel.now
      })
    )
    // Upload and download one after the other, at 125 bytes per microsecond, and a few round trips.
    expect(took).toBeGreaterThan(200_000)
    expect(took).toBeLessThan(215_000)
  })

  it("by HEAD is answered without a body", () => {
    const get = route("GET", Effect.succeed(HttpServerResponse.uint8Array(new Uint8Array(5000))))
    const response = play([get], ({ client }) =>
      Effect.flatMap(client.head(url), (head) => Effect.map(head.text, (text) => ({ head, text })))
    )
    expect(response.text).toBe("")
    expect(response.head.headers["content-length"]).toBe("5000")
  })

  it("gets 404 without a route and 500 from a defect", () => {
    const broken = route("GET", Effect.die(new Error("a bug")))
    const statuses = play([broken], ({ client }) =>
      Effect.all([
        Effect.map(client.get("http://server/nothing"), ({ status }) => status),
        Effect.map(client.get(url), ({ status }) => status)
      ])
    )
    expect(statuses).toEqual([404, 500])
  })

  it("lets its response be read as text and JSON any number of times", () => {
    const json = route("GET", Effect.succeed(HttpServerResponse.jsonUnsafe({ answer: 42 })))
    const read = play([json], ({ client }) =>
      Effect.flatMap(client.get(url), (response) => Effect.all([response.json, response.text, response.json]))
    )
    expect(read).toEqual([{ answer: 42 }, '{"answer":42}', { answer: 42 }])
  })
})

describe("backpressure", () => {
  it("stops its server when the client stops reading, and interrupts it when the client leaves", () => {
    const count: { chunks: number; ended?: string } = { chunks: 0 }
    const body = Stream.onExit(endless(count), (exit) =>
      Effect.sync(() => {
        count.ended = exit._tag
      })
    )
    const chunks = play([route("GET", Effect.succeed(HttpServerResponse.stream(body)))], ({ client }) =>
      Effect.gen(function* () {
        const response = yield* client.get(url)
        let taken = 0
        const reader = yield* Effect.forkChild(
          Stream.runForEach(response.stream, () => (++taken < 5 ? Effect.void : Effect.never))
        )
        yield* Effect.sleep("10 seconds")
        const stalled = count.chunks
        yield* Effect.sleep("10 seconds")
        expect(count.chunks).toBe(stalled)
        expect(count.ended).toBeUndefined()
        yield* Fiber.interrupt(reader)
        yield* Effect.sleep("1 second")
        return stalled
      })
    )
    expect(chunks).toBeGreaterThan(5)
    expect(chunks).toBeLessThan(40)
    expect(count.ended).toBe("Failure")
  })

  it("stops its body when the handler does not read", () => {
    const count = { chunks: 0 }
    const slow = route("PUT", Effect.as(Effect.sleep("1 minute"), HttpServerResponse.empty()))
    const status = play([slow], ({ client }) =>
      Effect.gen(function* () {
        const response = yield* client.execute(put(HttpBody.stream(endless(count))))
        return response.status
      })
    )
    expect(status).toBe(204)
    expect(count.chunks).toBeLessThan(15)
  })

  it("lets the client leave a body early without an error", () => {
    const count: { chunks: number; ended?: string } = { chunks: 0 }
    const body = HttpServerResponse.stream(
      Stream.onExit(endless(count), (exit) =>
        Effect.sync(() => {
          count.ended = exit._tag
        })
      )
    )
    const taken = play([route("GET", Effect.succeed(body))], ({ client }) =>
      Effect.gen(function* () {
        const response = yield* client.get(url)
        const first = yield* Stream.runCollect(Stream.take(response.stream, 3))
        yield* Effect.sleep("1 second")
        return first.length
      })
    )
    expect(taken).toBe(3)
    expect(count.ended).toBe("Failure")
    expect(count.chunks).toBeLessThan(40)
  })
})

describe("trouble", () => {
  it("interrupts its handler when the client gives up", () => {
    let interruptedAt = 0
    const slow = (simulation: () => number) =>
      route(
        "GET",
        Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            interruptedAt = simulation()
          })
        )
      )
    let now = () => 0
    play([slow(() => now())], ({ client, simulation }) => {
      now = () => simulation.kernel.now
      return Effect.andThen(Effect.timeoutOption(client.get(url), "2 seconds"), Effect.sleep("1 second"))
    })
    expect(interruptedAt).toBe(2_000_500)
  })

  it("fails with a transport error when the server is absent, stopped or killed", () => {
    const messages = play([echo], ({ client, host, simulation }) =>
      Effect.gen(function* () {
        const wrongPort = yield* Effect.flip(client.get("http://server:81/"))
        yield* host.kill
        const killed = yield* Effect.flip(client.get(url))
        simulation.networkFaults.powerOff(simulation.machine("server").host)
        const off = yield* Effect.flip(client.get(url))
        return [wrongPort, killed, off].map(({ message }) => message)
      })
    )
    expect(messages).toEqual([
      expect.stringMatching(/^Transport: connection refused by server:81/),
      expect.stringMatching(/^Transport: connection refused by server:80/),
      expect.stringMatching(/^Transport: server:80 does not answer/)
    ])
  })

  it("breaks its body when the server is killed midway", () => {
    const count = { chunks: 0 }
    const body = route("GET", Effect.succeed(HttpServerResponse.stream(endless(count))))
    const outcome = play([body], ({ client, host }) =>
      Effect.gen(function* () {
        const response = yield* client.get(url)
        const reading = yield* Effect.forkChild(Effect.flip(Stream.runDrain(response.stream)))
        yield* Effect.sleep("50 millis")
        yield* host.kill
        const failure = yield* Fiber.join(reading)
        const stopped = count.chunks
        yield* Effect.sleep("1 second")
        expect(count.chunks).toBe(stopped)
        return failure.reason
      })
    )
    expect(outcome).toMatchObject({
      _tag: "DecodeError",
      cause: { message: "server reset the connection" }
    })
  })

  it("fails after the detection delay in a partition", () => {
    const slow = route("GET", Effect.as(Effect.sleep("1 second"), HttpServerResponse.text("late")))
    const failedAt = play([slow], ({ client, simulation }) =>
      Effect.gen(function* () {
        const request = yield* Effect.forkChild(Effect.flip(client.get(url)))
        yield* Effect.sleep("500 millis")
        const { networkFaults, machine } = simulation
        networkFaults.cut(machine("client").host, machine("server").host)
        yield* Fiber.join(request)
        return simulation.kernel.now
      })
    )
    expect(failedAt).toBeGreaterThan(2_000_000)
    expect(failedAt).toBeLessThan(2_010_000)
  })

  it("breaks the connection when the server cannot finish the body", () => {
    const broken = Stream.concat(Stream.succeed(new Uint8Array(500_000)), Stream.fail("no disk"))
    const outcome = play([route("GET", Effect.succeed(HttpServerResponse.stream(broken)))], ({ client }) =>
      Effect.flatMap(client.get(url), (response) => Effect.flip(response.arrayBuffer))
    )
    expect(outcome).toMatchObject({ reason: { _tag: "DecodeError" } })
  })
})
