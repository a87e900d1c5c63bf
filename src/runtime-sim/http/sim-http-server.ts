// The HTTP server of a simulated host. A listener on its port hands every request to the role's app, in a fiber that
// belongs to the host, ends with it, and is interrupted when the client goes away. Responses stream with
// backpressure. A handler's defect becomes a 500, as on sockets; a body that fails midway breaks the connection.

import { type Context, Effect, Fiber, Option, type Scope, Stream } from "effect"
import {
  Cookies,
  Headers,
  HttpBody,
  HttpClientRequest,
  HttpEffect,
  type HttpMethod,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import type { HttpApp } from "../../roles/http/http-app.ts"
import type { ConnectionEnd } from "../network/connection.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { HttpExchange } from "./http-exchange.ts"
import { bodyStream, type FramedBody, frameBody, type HttpFrame, type RequestHead } from "./http-frames.ts"

export interface HttpServing {
  readonly process: SimProcess
  /** The host's own services, for every handler fiber. */
  readonly context: Context.Context<never>
  /** When it closes, running handlers are interrupted. */
  readonly scope: Scope.Scope
  readonly app: HttpApp
}

/** Serves an app on a port of the process' host. Returns the port, or undefined when it is in use. */
export const listenHttp = (serving: HttpServing, port: number): number | undefined => {
  const { process } = serving
  // Made at the first request, because most of thousands of agents are never asked.
  let handled: Handled | undefined
  return process.connections.listen(process.host, port, (end) => {
    if (!process.alive) return undefined
    handled ??= HttpEffect.toHandled(serving.app, respond)
    return new ServerExchange(serving, handled, end)
  })
}

type Handled = Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>

/** The exchange of a request, so that its response finds the way back. */
const exchanges = new WeakMap<object, ServerExchange>()

class ServerExchange extends HttpExchange {
  readonly #serving: HttpServing
  readonly #handled: Handled
  #fiber: Fiber.Fiber<void> | undefined
  readonly #remote: string
  /** The whole response is in flight: a client that leaves now interrupts nothing. */
  responded = false

  constructor(serving: HttpServing, handled: Handled, end: ConnectionEnd) {
    super(serving.process)
    this.#serving = serving
    this.#handled = handled
    this.end = end
    this.#remote = end.peer.host.name
  }

  opened(): void {}

  refused(): void {}

  closed(reason: string): void {
    this.over = true
    this.breakBodies(reason)
    if (!this.responded) this.#fiber?.interruptUnsafe(undefined, HttpServerError.ClientAbort.annotation)
  }

  head(frame: HttpFrame): void {
    if (frame.tag !== "RequestHead" || this.#fiber !== undefined) return
    if (frame.body.tag === "none") this.inbox.end()
    const source = this.#clientRequest(frame)
    const request = HttpServerRequest.fromClientRequest(source).modify({
      remoteAddress: Option.some(this.#remote)
    })
    exchanges.set(source, this)
    const provided = Effect.provideService(this.#handled, HttpServerRequest.HttpServerRequest, request)
    const fiber = Effect.runForkWith(this.#serving.context)(provided)
    this.#fiber = fiber
    Fiber.runIn(fiber, this.#serving.scope)
    fiber.addObserver((exit) => {
      this.#fiber = undefined
      // The response to a defect is a 500, and the fiber fails all the same.
      if (exit._tag === "Failure" && !this.responded) this.abort("the handler ended without a response")
    })
    if (fiber.pollUnsafe() !== undefined) this.#fiber = undefined
  }

  bodyTaken(): void {}

  #clientRequest(head: RequestHead): HttpClientRequest.HttpClientRequest {
    const { contentType, contentLength } = head
    const received = HttpClientRequest.make(head.method as HttpMethod.HttpMethod)(head.url)
    const withBody = HttpClientRequest.setBody(received, this.#incomingBody(head, contentType, contentLength))
    return HttpClientRequest.setHeaders(withBody, head.headers)
  }

  #incomingBody(head: RequestHead, contentType?: string, contentLength?: number): HttpBody.HttpBody {
    if (head.body.tag === "none") return HttpBody.empty
    if (head.body.tag === "inline") return HttpBody.uint8Array(head.body.bytes, contentType)
    // A handler that does not read its body does not break the connection, because it still has an answer to give.
    const body = this.inbox.stream(() => {})
    return HttpBody.stream(body, contentType, contentLength)
  }
}

const respond = (
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse
): Effect.Effect<void> => {
  const exchange = exchanges.get(request.source)
  if (exchange === undefined || exchange.over) return Effect.void
  const bodyless = HttpServerResponse.omitsBody(response, request.method === "HEAD")
  const framed: FramedBody = bodyless ? { tag: "none" } : frameBody(response.body)
  exchange.send({
    tag: "ResponseHead",
    status: response.status,
    headers: responseHeaders(response),
    cookies: response.cookies,
    body: framed
  })
  if (framed.tag !== "chunks") {
    exchange.responded = true
    return Effect.void
  }
  return exchange.outbox.write(Stream.orDie(bodyStream(response.body))).pipe(
    Effect.interruptible,
    Effect.matchCauseEffect({
      onSuccess: () =>
        Effect.sync(() => {
          exchange.responded = true
          exchange.send({ tag: "End" })
        }),
      onFailure: (cause) =>
        Effect.suspend(() => {
          if (exchange.over) return Effect.void
          exchange.breakOff("the server broke off the body")
          return Effect.logWarning("a response's body broke off", cause)
        })
    })
  )
}

const responseHeaders = (response: HttpServerResponse.HttpServerResponse): Headers.Headers => {
  if (Cookies.isEmpty(response.cookies)) return response.headers
  const [first] = Cookies.toSetCookieHeaders(response.cookies)
  return first === undefined ? response.headers : Headers.set(response.headers, "set-cookie", first)
}
