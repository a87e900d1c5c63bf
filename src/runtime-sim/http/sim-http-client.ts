// The HTTP client of a simulated host: a request goes to the host and port of its URL over the simulated network, one
// exchange per connection. Interrupting the request, or leaving its body before the end, breaks the connection and
// interrupts the server's handler.
//
// Errors are those of a real client: TransportError when nobody answers, DecodeError when a body breaks midway.

import { Effect, type Fiber } from "effect"
import { Headers, type HttpBody, HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import type { SimProcess } from "../network/sim-process.ts"
import { HttpExchange } from "./http-exchange.ts"
import { bodyStream, frameBody, type HttpFrame, type RequestHead } from "./http-frames.ts"
import { SimHttpClientResponse } from "./http-response.ts"

type Resume = (effect: Effect.Effect<SimHttpClientResponse, HttpClientError.HttpClientError>) => void

export const makeHttpClient = (process: SimProcess): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal, fiber) =>
    Effect.callback((resume) => {
      const exchange = new ClientExchange(process, request, url, resume, fiber)
      exchange.start()
      // The collection of a garbage response also aborts, at an unpredictable moment: it has no effect during a run.
      signal.addEventListener("abort", () => {
        if (process.kernel.running) exchange.abort("the client gave up")
      })
      return Effect.sync(() => exchange.abort("the client gave up"))
    })
  )

class ClientExchange extends HttpExchange {
  readonly #request: HttpClientRequest.HttpClientRequest
  readonly #url: URL
  readonly #resume: Resume
  readonly #fiber: Fiber.Fiber<unknown, unknown>
  #writer: Fiber.Fiber<void, unknown> | undefined
  #answered = false

  constructor(
    process: SimProcess,
    request: HttpClientRequest.HttpClientRequest,
    url: URL,
    resume: Resume,
    fiber: Fiber.Fiber<unknown, unknown>
  ) {
    super(process)
    this.#request = request
    this.#url = url
    this.#resume = resume
    this.#fiber = fiber
  }

  start(): void {
    const { process } = this
    if (!process.alive) {
      this.#fail(`${process.name} is not running`)
      return
    }
    const { hostname, port, protocol } = this.#url
    const number = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port)
    this.end = process.connections.dial(process.host, hostname, number, this)
  }

  opened(): void {
    if (!this.process.alive) return
    const { body } = this.#request
    const framed = frameBody(body)
    const head: RequestHead = {
      tag: "RequestHead",
      method: this.#request.method,
      url: this.#url.toString(),
      headers: Headers.set(this.#request.headers, "host", this.#url.host),
      contentType: body._tag === "Empty" ? undefined : body.contentType,
      contentLength: body._tag === "Empty" ? undefined : body.contentLength,
      body: framed
    }
    this.send(head)
    if (framed.tag === "chunks") this.#startWriter(body)
  }

  refused(reason: string): void {
    this.#over(reason)
  }

  closed(reason: string): void {
    this.#over(reason)
  }

  head(frame: HttpFrame): void {
    if (frame.tag !== "ResponseHead" || this.#answered) return
    this.#answered = true
    if (frame.body.tag === "inline") this.inbox.push(frame.body.bytes)
    if (frame.body.tag !== "chunks") {
      this.inbox.end()
      this.#complete()
    }
    const body = this.inbox.stream(() => this.abort("the client left the body"))
    const response = new SimHttpClientResponse(
      this.#request,
      this.#url.toString(),
      this.end.peer.host.name,
      frame,
      body
    )
    this.#resume(Effect.succeed(response))
  }

  bodyTaken(): void {
    this.#complete()
  }

  override abort(reason: string): void {
    super.abort(reason)
    this.#stopWriter()
  }

  #startWriter(body: HttpBody.HttpBody): void {
    const write = Effect.andThen(
      this.outbox.write(bodyStream(body)),
      Effect.sync(() => this.send({ tag: "End" }))
    )
    const writer = Effect.runForkWith(this.#fiber.context)(write)
    this.#writer = writer
    writer.addObserver((exit) => {
      if (this.#writer !== writer) return
      this.#writer = undefined
      if (exit._tag === "Success" || this.over) return
      this.abort("the request's body failed")
      this.#fail("the request's body failed", exit.cause)
    })
  }

  #complete(): void {
    this.#stopWriter()
    this.finish()
  }

  #stopWriter(): void {
    const writer = this.#writer
    this.#writer = undefined
    writer?.interruptUnsafe()
  }

  #over(reason: string): void {
    if (this.over) return
    this.over = true
    this.#stopWriter()
    this.breakBodies(reason)
    this.#fail(reason)
  }

  #fail(description: string, cause?: unknown): void {
    if (this.#answered) return
    this.#answered = true
    const reason = new HttpClientError.TransportError({ request: this.#request, description, cause })
    this.#resume(Effect.fail(new HttpClientError.HttpClientError({ reason })))
  }
}
