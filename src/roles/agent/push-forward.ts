// Push forwarding of an agent (`push: forward`): each write request goes to the proxy unchanged, and the proxy's
// answer goes back unchanged, so an image pushed to localhost lands in the cluster. The agent stores nothing of a
// push: upload sessions, digest checks and errors are the proxy's.
//
// Invariants: bodies are streamed with backpressure in both directions. Only paths of registry endpoints are sent, to
// the configured proxy and nowhere else. A Location is relative, so it names this host. After a successful write
// `written` runs before the client gets the answer, so the client's next read sees the write.

import { Effect, Stream } from "effect"
import {
  type Headers,
  HttpBody,
  type HttpClient,
  type HttpClientError,
  HttpClientRequest,
  type HttpClientResponse,
  type HttpMethod,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { baseUrl, whyFailed } from "../client/upstreams.ts"
import { boundedBytes } from "../http/bounded-bytes.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { formatRegistryPath, type RegistryEndpoint } from "../oci/repository-path.ts"
import type { RegistryHead, RegistryWrite } from "../registry/registry-routes.ts"

export interface PushForward {
  readonly write: RegistryWrite
  /**
   * Answers HEAD of a blob. A client does not upload a blob that exists, so the proxy answers, because it protects
   * that blob from collection. While the proxy is away the agent answers by itself.
   */
  readonly headBlob: RegistryHead
}

/** Headers of one connection (RFC 9110, 7.6.1), and headers that the HTTP client sets again. */
const ownToConnection = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "host",
  "content-length"
])

/** The end-to-end headers: all but those above and those that Connection names. */
const messageHeaders = (headers: Headers.Headers): Record<string, string> => {
  const named = new Set((headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string] => !ownToConnection.has(entry[0]) && !named.has(entry[0])
    )
  )
}

const bodyOf = (request: HttpServerRequest.HttpServerRequest): HttpBody.HttpBody => {
  const { "content-length": length, "content-type": type } = request.headers
  const bodiless = request.method === "GET" || request.method === "HEAD" || request.method === "DELETE"
  if (bodiless || length === "0") return HttpBody.empty
  return HttpBody.stream(request.stream, type, length === undefined ? undefined : Number(length))
}

/** The query without `ns`, which the endpoint's repository already includes. */
const queryOf = (url: string): string => {
  const at = url.indexOf("?")
  const parameters = at === -1 ? [] : url.slice(at + 1).split("&")
  const kept = parameters.filter((parameter) => !/^ns(?:=|$)/.test(parameter))
  return kept.length === 0 ? "" : `?${kept.join("&")}`
}

/** The Location without its scheme and host. */
const relativeLocation = (location: string): string => location.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "")

export const makePushForward = (options: {
  readonly client: HttpClient.HttpClient
  /** Base URL of the proxy. */
  readonly proxy: string
  /** A write through this agent changed the repository: what the agent has cached of it is out of date. */
  readonly written: (repository: string) => Effect.Effect<void>
  /** Bytes of an answer of the proxy that are read. */
  readonly maxAnswerBytes: number
}): PushForward => {
  const proxy = baseUrl(options.proxy)

  const away = (error: HttpClientError.HttpClientError): OciError =>
    ociError("UNAVAILABLE", {
      message: `the proxy ${proxy}, to which pushes are forwarded, does not answer: ${whyFailed(error)}`,
      headers: { "retry-after": "1" }
    })

  const sent = Effect.fnUntraced(function* (endpoint: RegistryEndpoint) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = proxy + formatRegistryPath(endpoint) + queryOf(request.url)
    return yield* Effect.mapError(
      options.client.execute(
        HttpClientRequest.make(request.method as HttpMethod.HttpMethod)(url).pipe(
          HttpClientRequest.setBody(bodyOf(request)),
          HttpClientRequest.setHeaders(messageHeaders(request.headers))
        )
      ),
      away
    )
  })

  const answered = Effect.fnUntraced(function* (
    response: HttpClientResponse.HttpClientResponse,
    isHead: boolean
  ) {
    const bytes = yield* answerBytes(Stream.mapError(response.stream, away), options.maxAnswerBytes)
    const { location } = response.headers
    const headers = {
      ...messageHeaders(response.headers),
      ...(location === undefined ? {} : { location: relativeLocation(location) })
    }
    const { status } = response
    if (bytes.byteLength > 0) {
      const contentType = response.headers["content-type"] ?? "application/octet-stream"
      return HttpServerResponse.uint8Array(bytes, { status, headers, contentType })
    }
    const length = response.headers["content-length"]
    const told = length !== undefined && (isHead || length === "0") ? { "content-length": length } : {}
    return HttpServerResponse.empty({ status, headers: { ...headers, ...told } })
  })

  return {
    write: (method, endpoint) =>
      Effect.gen(function* () {
        const response = yield* sent(endpoint)
        const answer = yield* answered(response, method === "HEAD")
        const changes = method !== "GET" && method !== "HEAD" && response.status < 300
        if (changes && "repository" in endpoint) yield* options.written(endpoint.repository)
        return answer
      }),
    headBlob: (endpoint, own) =>
      Effect.gen(function* () {
        const response = yield* Effect.option(sent(endpoint))
        if (response._tag === "None" || response.value.status >= 500) return yield* own
        return yield* answered(response.value, true)
      })
  }
}

/** The body of the answer to a write, which is empty or a short document. */
const answerBytes = (
  body: Stream.Stream<Uint8Array, OciError>,
  most: number
): Effect.Effect<Uint8Array, OciError> =>
  boundedBytes(body, most, () =>
    ociError("UNAVAILABLE", {
      message: `the proxy's answer is longer than ${most} bytes`
    })
  )
