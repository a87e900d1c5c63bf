// The response of a simulated HTTP client: status, headers and a body that crosses the network while it is read. It
// uses no promise, so every way to read it works on virtual time. A body can be read once as a stream, or any number
// of times as a whole.

import { Effect, Inspectable, Option, type Pipeable, type Schema, Stream } from "effect"
import {
  type Cookies,
  type Headers,
  HttpClientError,
  type HttpClientRequest,
  HttpClientResponse,
  HttpIncomingMessage,
  UrlParams
} from "effect/http"
import { pipeArguments } from "effect/Pipeable"
import type { Socket } from "effect/socket"
import type { BodyBroken } from "./http-body.ts"
import type { ResponseHead } from "./http-frames.ts"

type Failure = HttpClientError.HttpClientError

export class SimHttpClientResponse
  extends Inspectable.Class
  implements HttpClientResponse.HttpClientResponse, Pipeable.Pipeable
{
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly remoteAddress: Option.Option<string>
  readonly stream: Stream.Stream<Uint8Array, Failure>
  /** Known from the start when the body came with the head. */
  #whole: Effect.Effect<Uint8Array<ArrayBuffer>, Failure> | undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    url: string,
    remoteAddress: string,
    head: ResponseHead,
    body: Stream.Stream<Uint8Array, BodyBroken>
  ) {
    super()
    this.request = request
    this.url = url
    this.status = head.status
    this.headers = head.headers
    this.cookies = head.cookies
    this.remoteAddress = Option.some(remoteAddress)
    if (head.body.tag === "inline") this.#whole = Effect.succeed(head.body.bytes as Uint8Array<ArrayBuffer>)
    this.stream = Stream.mapError(body, (cause) => this.#decodeError(cause))
  }

  get #bytes(): Effect.Effect<Uint8Array<ArrayBuffer>, Failure> {
    this.#whole ??= Effect.runSync(Effect.cached(Stream.mkUint8Array(this.stream)))
    return this.#whole
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, Failure> {
    return Effect.map(this.#bytes, (bytes) =>
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
    )
  }

  get text(): Effect.Effect<string, Failure> {
    return Effect.map(this.#bytes, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<Schema.Json, Failure> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => (text === "" ? null : (JSON.parse(text) as Schema.Json)),
        catch: (cause) => this.#decodeError(cause)
      })
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, Failure> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, Failure> {
    return Effect.fail(this.#decodeError(new Error("form data is not part of the simulated HTTP")))
  }

  get upgrade(): Effect.Effect<Socket.Socket, Failure> {
    return Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.StatusCodeError({
          request: this.request,
          response: this,
          description: "upgrades are not part of the simulated HTTP"
        })
      })
    )
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }

  pipe() {
    // biome-ignore lint/complexity/noArguments: the signature of Pipeable is Effect's, and it hands arguments over
    return pipeArguments(this, arguments)
  }

  #decodeError(cause: unknown): Failure {
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })
  }
}
