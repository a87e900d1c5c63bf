// Requests of a process to its own listeners: a herd is several roles that find each other by URL, and here their
// requests become calls of the other role's app. Bodies pass as the streams that they are, without sockets. The app
// sees the same method, URL, headers and body as from a socket.
//
// Invariants: a listener is called only while it is served; interrupting a request interrupts its handler; the scope
// of a request closes when its response has no body, or when its body was read to the end or left. It stays open for a
// body that is never begun, so handlers keep nothing in it that a body does not need.

import { Cause, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import {
  HttpBody,
  HttpClient,
  HttpClientRequest,
  type HttpClientResponse,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { localUrl } from "../../roles/http/host-and-port.ts"
import type { HttpApp } from "../../roles/http/http-app.ts"

export interface OwnListeners {
  /** Calls the app for requests to this address until the scope closes. */
  readonly add: (
    listener: { readonly host: string; readonly port: number },
    app: HttpApp
  ) => Effect.Effect<void, never, Scope.Scope>
  /** The client, with the listeners of this process in front of the network. */
  readonly inFrontOf: (client: HttpClient.HttpClient) => HttpClient.HttpClient
}

/** "http://host:port" of a URL. */
const origin = /^http:\/\/[^/?#]+/

export const makeOwnListeners = (): OwnListeners => {
  const apps = new Map<string, HttpApp>()
  return {
    add: (listener, app) => {
      const url = localUrl(listener)
      return Effect.acquireRelease(
        Effect.sync(() => apps.set(url, app)),
        () => Effect.sync(() => apps.delete(url))
      )
    },
    inFrontOf: (client) =>
      HttpClient.transform(client, (overNetwork, request) => {
        const url = origin.exec(request.url)?.[0]
        const app = url === undefined ? undefined : apps.get(url)
        return app === undefined ? overNetwork : called(app, request)
      })
  }
}

const loopback = Option.some("127.0.0.1")

/**
 * The response of the app. A defect is logged and answered with 500, as by a socket's server. The handler has a fiber
 * of its own: a caller that gives up does not wait for it.
 */
const called = (
  app: HttpApp,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientResponse.HttpClientResponse> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const received = HttpServerRequest.fromClientRequest(withHost(request)).modify({
        remoteAddress: loopback
      })
      const isStreamed = (response: HttpServerResponse.HttpServerResponse): boolean =>
        response.body._tag === "Stream" && !HttpServerResponse.omitsBody(response, request.method === "HEAD")
      const handler = app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, received),
        Scope.provide(scope),
        Effect.interruptible,
        Effect.onExit((exit) =>
          Exit.isSuccess(exit) && isStreamed(exit.value) ? Effect.void : Scope.close(scope, exit)
        )
      )
      const fiber = yield* Effect.forkDetach(handler)
      const exit = yield* restore(Fiber.await(fiber)).pipe(
        Effect.onInterrupt(() => Effect.sync(() => fiber.interruptUnsafe()))
      )
      if (Exit.isSuccess(exit)) {
        const response = isStreamed(exit.value) ? closingWithBody(exit.value, scope) : exit.value
        return HttpServerResponse.toClientResponse(response, { request })
      }
      yield* Effect.logError("a request to this process' own listener died:", exit.cause)
      return HttpServerResponse.toClientResponse(HttpServerResponse.empty({ status: 500 }), { request })
    })
  )

const withHost = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.setHeader(request, "host", origin.exec(request.url)![0].slice("http://".length))

const closingWithBody = (
  response: HttpServerResponse.HttpServerResponse,
  scope: Scope.Closeable
): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag !== "Stream") return response
  // A body that dies breaks off, as on a socket.
  const stream = body.stream.pipe(
    Stream.catchCause((cause) => Stream.fail(Cause.squash(cause))),
    Stream.onExit((exit) => Scope.close(scope, exit))
  )
  return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
}
