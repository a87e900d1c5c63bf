// Test client for HTTP: sends one request and returns its complete answer; it follows no redirect.

import { Effect, Stream } from "effect"
import { type HttpClientError, HttpClientRequest } from "effect/http"
import type { MemoryWorld } from "./memory-world.ts"

export interface Exchange {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Uint8Array
  readonly text: string
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes are sent with a Content-Length, a stream without one. */
  readonly body?: Uint8Array | string | Stream.Stream<Uint8Array, unknown>
}

type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"

export const send = (
  world: Pick<MemoryWorld, "client">,
  method: Method,
  url: string,
  options: SendOptions = {}
): Effect.Effect<Exchange, HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const { body } = options
    const plain = HttpClientRequest.make(method)(url)
    const contentType = options.headers?.["content-type"] ?? "application/octet-stream"
    const request =
      body === undefined
        ? method === "GET" || method === "HEAD" || method === "DELETE"
          ? plain
          : HttpClientRequest.setHeader(plain, "content-length", "0")
        : typeof body === "string"
          ? HttpClientRequest.bodyText(plain, body, contentType)
          : body instanceof Uint8Array
            ? HttpClientRequest.bodyUint8Array(plain, body, contentType)
            : HttpClientRequest.bodyStream(plain, body, { contentType })
    const response = yield* world.client.execute(HttpClientRequest.setHeaders(request, options.headers ?? {}))
    const bytes = yield* Stream.mkUint8Array(response.stream)
    return {
      status: response.status,
      headers: response.headers,
      bytes,
      text: new TextDecoder().decode(bytes)
    }
  })

/** The code of an answer in the OCI error form. */
export const errorCode = (exchange: Exchange): string | undefined => {
  const document = JSON.parse(exchange.text) as { readonly errors: ReadonlyArray<{ readonly code: string }> }
  return document.errors[0]?.code
}
