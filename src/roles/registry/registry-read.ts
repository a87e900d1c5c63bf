// Reads of the registry API (OCI distribution spec, "Pull" and "Content Discovery") over any ImageSource: manifests,
// blobs, tags, referrers (referrers.ts), the catalog, and the history of a tag, an extension of Shoal. A HEAD never
// reads content from the source. Writes are elsewhere (registry-write.ts).

import { Cause, Clock, DateTime, Effect, Exit, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { BlobSelection } from "../oci/byte-range.ts"
import { entityTag, matchesEntityTag } from "../oci/entity-tag.ts"
import { cutPage, type Page, parsePage } from "../oci/listing.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import { formatRegistryPath, type RegistryEndpoint } from "../oci/repository-path.ts"
import { blobResponse } from "./blob-response.ts"
import type { BlobReadOutcome, ImageSource, ImageSourceError } from "./image-source.ts"
import type { ApiLimits } from "./limits.ts"
import { readReferrers } from "./referrers.ts"

export type ReadEndpoint = RegistryEndpoint & {
  readonly tag: "Base" | "Catalog" | "Manifest" | "Blob" | "Tags" | "Referrers" | "History"
}

/** Answers a GET or HEAD of an endpoint. */
export type RegistryRead = (
  endpoint: ReadEndpoint
) => Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

const unknownCode = {
  manifest: "MANIFEST_UNKNOWN",
  blob: "BLOB_UNKNOWN",
  repository: "NAME_UNKNOWN"
} as const

export const sourceFailed = (error: ImageSourceError): OciError =>
  error._tag === "ImageUnknown"
    ? ociError(unknownCode[error.what], { message: error.message })
    : error.reason === "full"
      ? ociError("UNAVAILABLE", { status: 507, message: error.message })
      : ociError("UNAVAILABLE", { message: error.message, headers: { "retry-after": "1" } })

const json = (body: object, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.text(JSON.stringify(body), { headers, contentType: "application/json" })

/** Reads manifests, blobs and listings from `source`. Agents of a simulation have one each, so it is one closure. */
export const makeRegistryRead =
  (source: ImageSource, limits: ApiLimits): RegistryRead =>
  (endpoint) =>
    Effect.mapError(answer(source, limits, endpoint), (error) =>
      error instanceof OciError ? error : sourceFailed(error)
    )

const answer = (
  source: ImageSource,
  limits: ApiLimits,
  endpoint: ReadEndpoint
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError | ImageSourceError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
> => {
  switch (endpoint.tag) {
    case "Base":
      return Effect.succeed(json({}))
    case "Manifest":
      return readManifest(source, endpoint)
    case "Blob":
      return readBlob(source, limits, endpoint)
    case "Tags":
      return readListing(
        endpoint,
        limits,
        (page) => source.tags(endpoint.repository, pageRequest(page)),
        (tags) => ({ name: endpoint.repository, tags })
      )
    case "Referrers":
      return readReferrers(source, limits, endpoint.repository, endpoint.digest)
    case "History":
      return Effect.map(source.history(endpoint.repository, endpoint.name), (changes) =>
        json({
          name: endpoint.repository,
          tag: endpoint.name,
          history: changes.map(({ at, by, digest, version }) => ({
            version,
            at: DateTime.formatIso(DateTime.makeUnsafe(at)),
            by,
            ...(digest === undefined ? { deleted: true } : { digest })
          }))
        })
      )
    case "Catalog":
      return readListing(
        endpoint,
        limits,
        (page) => source.repositories(pageRequest(page)),
        (repositories) => ({ repositories })
      )
  }
}

const readManifest = Effect.fnUntraced(function* (
  source: ImageSource,
  endpoint: RegistryEndpoint & { readonly tag: "Manifest" }
) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const { repository, reference } = endpoint
  const resolved = yield* source.resolve(repository, reference)
  const headers = {
    "docker-content-digest": resolved.digest,
    etag: entityTag(resolved.digest),
    "content-type": resolved.mediaType,
    ...(resolved.age === undefined ? {} : { age: String(resolved.age) })
  }
  if (matchesEntityTag(request.headers["if-none-match"], resolved.digest)) {
    return HttpServerResponse.empty({ status: 304, headers })
  }
  if (request.method === "HEAD") {
    return HttpServerResponse.empty({
      status: 200,
      headers: { ...headers, "content-length": String(resolved.size) }
    })
  }
  const bytes = yield* source.manifest(repository, resolved)
  return HttpServerResponse.uint8Array(bytes, { headers, contentType: resolved.mediaType })
})

const readBlob = Effect.fnUntraced(function* (
  source: ImageSource,
  limits: ApiLimits,
  endpoint: RegistryEndpoint & { readonly tag: "Blob" }
) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const { repository, digest } = endpoint
  const clock = yield* Clock.Clock
  const asked = clock.currentTimeMillisUnsafe()
  const ended = (exit: Exit.Exit<unknown, unknown>): void =>
    source.blobRead?.(outcomeOf(exit), (clock.currentTimeMillisUnsafe() - asked) / 1000)
  const failed = (error: ImageSourceError): Effect.Effect<void> =>
    Effect.sync(() => {
      if (request.method === "GET" && error._tag === "ImageUnavailable") ended(Exit.fail(error))
    })
  const { length } = yield* Effect.tapError(source.statBlob(repository, digest), failed)
  let promised: BlobSelection | undefined
  const read = (selection: BlobSelection) => {
    promised = selection
    return Stream.onExit(source.readBlob(repository, digest, selection), (exit) =>
      Effect.sync(() => ended(exit))
    )
  }
  const response = blobResponse({ request, digest, length, read, limits })
  if (promised !== undefined && source.prepareBlob !== undefined) {
    yield* Effect.tapError(source.prepareBlob(repository, digest, promised), failed)
  }
  return response
})

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): BlobReadOutcome => {
  if (Exit.isSuccess(exit)) return "done"
  return Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed"
}

const readListing = Effect.fnUntraced(function* (
  endpoint: RegistryEndpoint,
  limits: ApiLimits,
  find: (page: Page) => Effect.Effect<ReadonlyArray<string>, ImageSourceError>,
  body: (entries: ReadonlyArray<string>) => object
) {
  const page = parsePage(yield* HttpServerRequest.ParsedSearchParams, limits)
  if (page instanceof OciError) return yield* page
  const { entries, headers } = cutPage(formatRegistryPath(endpoint), page, yield* find(page))
  return json(body(entries), headers)
})

const pageRequest = (page: Page) => ({
  limit: page.count + 1,
  ...(page.last === undefined ? {} : { last: page.last })
})
