// Decides how an agent takes pushes when it is told to (`push: forward`): every write goes to the proxy as it came, and
// the proxy's answer goes back as it is, so that what is pushed to localhost lands in the cluster. The agent keeps none
// of it: an upload's place, its digest and its errors are the proxy's.
//
// Invariants: bodies are handed on as they come, with backpressure both ways; only a path that names an endpoint of the
// registry is sent, to the configured proxy and nowhere else; a Location names this host (it is relative); after a
// write that succeeded, `written` has run before the client hears of it, so that the client's next read sees it.

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
import { agentLimits } from "./limits.ts"
import { boundedBytes } from "../http/bounded-bytes.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import type { RegistryHead, RegistryWrite } from "../registry/registry-routes.ts"
import { formatRegistryPath, type RegistryEndpoint } from "../oci/repository-path.ts"
import { baseUrl, whyFailed } from "../client/upstreams.ts"

export interface PushForward {
  readonly write: RegistryWrite
  /**
   * HEAD of a blob: a pusher that hears "there" does not send it, so the proxy is asked, which keeps a blob that
   * someone relies on. While the proxy is away the agent answers from what it knows.
   */
  readonly headBlob: RegistryHead
}

/** Of one connection, not of the message (RFC 9110 7.6.1); and what the body or the client says anew. */
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

/** The headers that are the message's own: without those above and those that Connection names. */
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

/** The query without `ns`, which the endpoint's name already follows. */
const queryOf = (url: string): string => {
  const at = url.indexOf("?")
  const parameters = at === -1 ? [] : url.slice(at + 1).split("&")
  const kept = parameters.filter((parameter) => !/^ns(?:=|$)/.test(parameter))
  return kept.length === 0 ? "" : `?${kept.join("&")}`
}

/** The Location as this host has it: whatever host the proxy gave is left out. */
const relativeLocation = (location: string): string => location.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "")

export const makePushForward = (options: {
  readonly client: HttpClient.HttpClient
  /** Base URL. */
  readonly proxy: string
  /** Something in the repository was written through this agent: what it remembers of it must be asked anew. */
  readonly written: (repository: string) => Effect.Effect<void>
}): PushForward => {
  const proxy = baseUrl(options.proxy)

  const away = (error: HttpClientError.HttpClientError): OciError =>
    ociError("UNAVAILABLE", {
      message: `the proxy ${proxy}, which takes what is pushed here, does not answer: ${whyFailed(error)}`,
      headers: { "retry-after": "1" }
    })

  const sent = (endpoint: RegistryEndpoint) =>
    Effect.gen(function* () {
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

  const answered = (response: HttpClientResponse.HttpClientResponse, isHead: boolean) =>
    Effect.gen(function* () {
      const bytes = yield* answerBytes(Stream.mapError(response.stream, away))
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

/** The body of an answer to a write: empty, or a short document. */
const answerBytes = (body: Stream.Stream<Uint8Array, OciError>): Effect.Effect<Uint8Array, OciError> =>
  boundedBytes(body, agentLimits.maxForwardedAnswerBytes, () =>
    ociError("UNAVAILABLE", {
      message: `the proxy's answer is longer than ${agentLimits.maxForwardedAnswerBytes} bytes`
    })
  )
