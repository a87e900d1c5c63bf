// Routes of the registry API: one route per method under /v2/. A route parses the path, passes the endpoint to the
// read or the write part, and gives every answer the common headers, the OCI error form and its count.
//
// Invariant: every error under /v2/ has the OCI error form.

import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ociErrorResponse } from "../http/error-response.ts"
import type { HttpRoute, RouteHandler } from "../http/http-app.ts"
import { countedHandler, type RequestCounter } from "../http/http-requests.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { isOciError, parseRegistryPath, type RegistryEndpoint } from "../oci/repository-path.ts"
import type { ImageSource } from "./image-source.ts"
import { type ApiLimits, apiLimits } from "./limits.ts"
import { type NamespaceScope, ownScope } from "./namespace-scope.ts"
import { makeRegistryRead, type ReadEndpoint, type RegistryRead } from "./registry-read.ts"

/** Answers each method and endpoint that is not a read. */
export type RegistryWrite = (
  method: string,
  endpoint: RegistryEndpoint
) => Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

type RegistryAnswer = ReturnType<RegistryWrite>

/** Answers HEAD of a blob; `own` is the answer of the read part. */
export type RegistryHead = (
  endpoint: RegistryEndpoint & { readonly tag: "Blob" },
  own: RegistryAnswer
) => RegistryAnswer

export interface RegistryOptions {
  readonly source: ImageSource
  readonly write: RegistryWrite
  /** Without it the read part answers. */
  readonly headBlob?: RegistryHead
  readonly counter: RequestCounter
  /** The registries that `ns` may name. Without it, only this host. */
  readonly scope?: NamespaceScope
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

const isRead = (endpoint: RegistryEndpoint): endpoint is ReadEndpoint =>
  endpoint.tag !== "Uploads" && endpoint.tag !== "Upload"

const answer = (
  { write, headBlob }: RegistryOptions,
  read: RegistryRead,
  method: string,
  endpoint: RegistryEndpoint
): RegistryAnswer => {
  const reads = (method === "GET" || method === "HEAD") && isRead(endpoint)
  if (!reads) return write(method, endpoint)
  const own = read(endpoint)
  return method === "HEAD" && endpoint.tag === "Blob" && headBlob !== undefined
    ? headBlob(endpoint, own)
    : own
}

/** Answers in a span of the request, whose log lines name the repository. */
const traced = (
  options: RegistryOptions,
  read: RegistryRead,
  method: string,
  endpoint: RegistryEndpoint
): RegistryAnswer => {
  const attributes = {
    method,
    endpoint: endpoint.tag,
    ...("repository" in endpoint ? { repository: endpoint.repository } : {})
  }
  return answer(options, read, method, endpoint).pipe(
    Effect.annotateLogs(attributes),
    Effect.withSpan("registry.request", { attributes }, { captureStackTrace: false })
  )
}

/** The registry API as routes of an HttpApp. */
export const registryRoutes = (options: RegistryOptions): Effect.Effect<ReadonlyArray<HttpRoute>> =>
  Effect.map(apiLimits, (limits) => routesUnder(options, limits))

const routesUnder = (options: RegistryOptions, limits: ApiLimits): ReadonlyArray<HttpRoute> => {
  const read = makeRegistryRead(options.source, limits)
  const scope = options.scope ?? ownScope([])

  const handler: RouteHandler = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { ns } = yield* HttpServerRequest.ParsedSearchParams
    const named = parseRegistryPath(request.url)
    const endpoint = ns === undefined || isOciError(named) ? named : scope.of(named, ns, request.headers.host)
    const route = isOciError(endpoint) ? "malformed" : endpoint.tag.toLowerCase()
    const answered = Effect.catch(
      isOciError(endpoint) ? Effect.fail(endpoint) : traced(options, read, request.method, endpoint),
      (error) => Effect.succeed(ociErrorResponse(error))
    )
    const response = yield* countedHandler(options.counter, `/v2/ ${route}`, answered, () =>
      ociErrorResponse(ociError("UNKNOWN", { message: "the registry failed; its log says where" }))
    )
    const isScoped = typeof ns === "string" && !isOciError(endpoint)
    return HttpServerResponse.setHeaders(response, {
      "docker-distribution-api-version": "registry/2.0",
      ...(isScoped ? { "oci-namespace": ns } : {})
    })
  })

  return methods.map((method) => ({ method, path: "/v2/*", handler }))
}

/** The write part of a read-only registry. `pushTo` names the place to push to instead. */
const readOnlyRegistry =
  (pushTo: string): RegistryWrite =>
  (method, endpoint) =>
    Effect.fail(
      ociError("UNSUPPORTED", {
        message: `${method} is not possible here, this registry is read-only (${endpoint.tag}): push to ${pushTo}`,
        headers: { allow: "GET, HEAD" }
      })
    )

/** The registry API of an agent that takes no pushes. */
export const readOnlyRegistryRoutes = (options: {
  readonly source: ImageSource
  readonly pushTo: string
  readonly counter: RequestCounter
  readonly scope?: NamespaceScope
}): Effect.Effect<ReadonlyArray<HttpRoute>> =>
  registryRoutes({ ...options, write: readOnlyRegistry(options.pushTo) })
