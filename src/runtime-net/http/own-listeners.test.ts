// A request to a listener of the same process: the app sees what a socket would give it, bodies pass both ways, and the
// scope of a request ends with its response. Everything else goes to the network.

import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger, Option, type Scope, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { describe, expect } from "vitest"
import type { HttpApp } from "../../roles/http/http-app.ts"
import { makeOwnListeners } from "./own-listeners.ts"

const network = HttpClient.make((request) =>
  Effect.succeed(HttpServerResponse.toClientResponse(HttpServerResponse.text("network"), { request }))
)

const listener = { host: "0.0.0.0", port: 5000 }
const url = "http://127.0.0.1:5000"

const clientOf = (app: HttpApp): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> => {
  const own = makeOwnListeners()
  return Effect.as(own.add(listener, app), own.inFrontOf(network))
}

const text = (client: HttpClient.HttpClient, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(client.execute(request), (response) =>
    Effect.map(response.text, (body) => `${response.status} ${body}`)
  )

/** Counts requests whose scope is open. */
const counting = (open: { count: number }, app: HttpApp): HttpApp =>
  Effect.andThen(
    Effect.acquireRelease(
      Effect.sync(() => open.count++),
      () => Effect.sync(() => open.count--)
    ),
    app
  )

describe("a request to a listener of the same process", () => {
  it.effect("reaches the app as it would over a socket", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const from = Option.getOrElse(request.remoteAddress, () => "nobody")
          const { method, headers } = request
          const body = yield* Effect.orDie(request.text)
          return HttpServerResponse.text(
            [method, request.url, headers.host, headers["content-length"], headers["x-a"], from, body].join(
              " "
            )
          )
        })
      )
      const request = HttpClientRequest.put(`${url}/blob`, { urlParams: { a: "1" }, headers: { "x-a": "b" } })
      expect(yield* text(client, HttpClientRequest.bodyText(request, "hello"))).toBe(
        "200 PUT /blob?a=1 127.0.0.1:5000 5 b 127.0.0.1 hello"
      )
    })
  )

  it.effect("passes chunks of both bodies as the objects that they are", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(
        Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
          HttpServerResponse.stream(Stream.orDie(request.stream), { contentLength: 3 })
        )
      )
      const chunks = [new Uint8Array([1]), new Uint8Array([2, 3])]
      const body = HttpBody.stream(Stream.fromIterable(chunks), "application/octet-stream", 3)
      const response = yield* client.execute(HttpClientRequest.setBody(HttpClientRequest.post(url), body))
      expect(response.headers["content-length"]).toBe("3")
      const received = yield* Stream.runCollect(response.stream)
      expect(received).toHaveLength(2)
      expect(received.every((chunk, index) => chunk === chunks[index])).toBe(true)
    })
  )

  it.effect("closes the request's scope when the body is read, left, or absent", () =>
    Effect.gen(function* () {
      const open = { count: 0 }
      const body = () => Stream.fromIterable([new Uint8Array(1), new Uint8Array(1)]).pipe(Stream.rechunk(1))
      const client = yield* clientOf(
        counting(
          open,
          Effect.sync(() => HttpServerResponse.stream(body(), { contentLength: 2 }))
        )
      )
      const read = yield* client.get(url)
      expect(open.count).toBe(1)
      yield* Stream.runDrain(read.stream)
      expect(open.count).toBe(0)
      const left = yield* client.get(url)
      yield* Stream.runDrain(Stream.take(left.stream, 1))
      expect(open.count).toBe(0)
      const head = yield* client.head(url)
      expect(head.headers["content-length"]).toBe("2")
      expect(open.count).toBe(0)
    })
  )

  it.effect("interrupts the handler when the caller is interrupted, and does not wait for its end", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const client = yield* clientOf(
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.ensuring(Effect.andThen(Deferred.await(gate), Deferred.succeed(ended, undefined)))
        )
      )
      const asking = yield* Effect.forkChild(client.get(url))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(asking)
      expect(yield* Deferred.isDone(ended)).toBe(false)
      yield* Deferred.succeed(gate, undefined)
      yield* Deferred.await(ended)
    })
  )

  it.effect("breaks off a body that dies, as an error of the response", () =>
    Effect.gen(function* () {
      const body = Stream.concat(Stream.succeed(new Uint8Array(1)), Stream.die(new Error("broken")))
      const client = yield* clientOf(Effect.sync(() => HttpServerResponse.stream(body, { contentLength: 2 })))
      const response = yield* client.get(url)
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      expect(error._tag).toBe("HttpClientError")
    })
  )

  it.effect("answers 500 for a defect, and logs it", () =>
    Effect.gen(function* () {
      const logged: unknown[] = []
      const open = { count: 0 }
      const client = yield* clientOf(counting(open, Effect.die(new Error("broken"))))
      const response = yield* client
        .get(url)
        .pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))])))
      expect(response.status).toBe(500)
      expect(String(logged)).toContain("own listener died")
      expect(open.count).toBe(0)
    })
  )

  it.effect("goes to the network for another host or port, and once the listener is gone", () =>
    Effect.gen(function* () {
      const own = makeOwnListeners()
      const client = own.inFrontOf(network)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* own.add(listener, Effect.succeed(HttpServerResponse.text("app")))
          expect(yield* text(client, HttpClientRequest.get(`${url}/`))).toBe("200 app")
          expect(yield* text(client, HttpClientRequest.get(`${url}?q`))).toBe("200 app")
          expect(yield* text(client, HttpClientRequest.get("http://127.0.0.1:50000/"))).toBe("200 network")
          expect(yield* text(client, HttpClientRequest.get("http://10.0.0.1:5000/"))).toBe("200 network")
          expect(yield* text(client, HttpClientRequest.get("https://127.0.0.1:5000/"))).toBe("200 network")
        })
      )
      expect(yield* text(client, HttpClientRequest.get(url))).toBe("200 network")
    })
  )
})
