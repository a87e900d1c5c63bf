// Decides what a build-index answers to each request on its paths (build-index-wire.ts): reads from its store, writes
// through its changes. Every failure is told in OCI's form, with the code that a client of the registry may be given.

import { Effect, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { buildIndexLimits } from "./limits.ts"
import { ociLimits } from "../oci/limits.ts"
import type { BuildIndexChanges, ContentMissing, NothingThere, TagImmutable } from "./build-index-changes.ts"
import { ChangeBy, LinkPut, ManifestPut, References, tagEntity } from "../client/build-index-records.ts"
import type { BuildIndexStore } from "./build-index-store.ts"
import { describeIndexEndpoint, type IndexEndpoint } from "../client/build-index-wire.ts"
import { jsonBody } from "../http/json-body.ts"
import type { UpstreamAway } from "../upstream/upstream-errors.ts"
import { parsePage, singleParameter } from "../oci/listing.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import type { TableStoreError } from "../services/table-store.ts"

export type IndexFailure = TableStoreError | ContentMissing | NothingThere | TagImmutable | UpstreamAway

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError | IndexFailure,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

const unknownCode = (endpoint: IndexEndpoint) =>
  endpoint.tag === "Link" ? "BLOB_UNKNOWN" : endpoint.tag === "Tags" ? "NAME_UNKNOWN" : "MANIFEST_UNKNOWN"

/** The OCI error of a failure. */
export const indexFailure = (error: IndexFailure): OciError => {
  switch (error._tag) {
    case "TableStoreError":
      return ociError("UNAVAILABLE", { message: `the build-index cannot use its tables: ${error.message}` })
    case "ContentMissing":
      return ociError("MANIFEST_BLOB_UNKNOWN", {
        message: `the repository lacks ${error.digests.length} of what the manifest names`,
        detail: error.digests
      })
    case "TagImmutable":
      return ociError("DENIED", {
        message: `the tag ${error.tag} is immutable by the rule "${error.rule}": push another tag`,
        detail: { tag: error.tag, rule: error.rule }
      })
    case "NothingThere":
      return ociError("MANIFEST_UNKNOWN", { message: "there is nothing to delete" })
    case "UpstreamAway":
      return ociError("UNAVAILABLE", { message: error.message })
  }
}

/** A client hears of a record that does not fit: it is its manifest. */
const recordBody = <A>(schema: Schema.Codec<A, unknown>, what: string) =>
  Effect.mapError(jsonBody(schema, what, buildIndexLimits.maxRecordBytes), ({ message }) =>
    ociError("MANIFEST_INVALID", { message })
  )
const manifestBody = recordBody(ManifestPut, "a manifest's record")
const linkBody = recordBody(LinkPut, "a link")
const referencesBody = recordBody(References, "a list of digests")

const unsupported = (method: string, endpoint: IndexEndpoint) =>
  Effect.fail(
    ociError("UNSUPPORTED", {
      message: `a build-index knows no ${method} of ${describeIndexEndpoint(endpoint)}`
    })
  )

export const makeIndexAnswers = (
  index: BuildIndexStore<UpstreamAway>,
  changes: BuildIndexChanges,
  /** Hears of every manifest that is asked for. */
  pulled: BuildIndexChanges["notePull"] = () => Effect.void
): {
  readonly read: (endpoint: IndexEndpoint) => Answer
  readonly write: (endpoint: IndexEndpoint, method: string) => Answer
} => {
  const json = (body: object, status = 200, headers: Readonly<Record<string, string>> = {}) =>
    HttpServerResponse.text(JSON.stringify(body), { status, headers, contentType: "application/json" })

  const empty = (status: number, headers: Readonly<Record<string, string>> = {}) =>
    HttpServerResponse.empty({ status, headers: { ...headers, "content-length": "0" } })

  const unknown = (endpoint: IndexEndpoint) =>
    ociError(unknownCode(endpoint), { message: `there is no ${describeIndexEndpoint(endpoint)}` })

  const found = <A>(endpoint: IndexEndpoint, value: Option.Option<A>) =>
    Option.isSome(value) ? Effect.succeed(value.value) : Effect.fail(unknown(endpoint))

  const page = Effect.gen(function* () {
    // A registry asks for one entry more than its page holds, to see whether there is another page.
    const parsed = parsePage(yield* HttpServerRequest.ParsedSearchParams, ociLimits.maxPageSize + 1)
    if (parsed instanceof OciError) return yield* parsed
    return { limit: parsed.count, ...(parsed.last === undefined ? {} : { last: parsed.last }) }
  })

  const parameter = (name: string) =>
    Effect.map(HttpServerRequest.ParsedSearchParams, (query) => singleParameter(query[name]))

  const readTag = (endpoint: IndexEndpoint & { readonly tag: "Tag" }): Answer =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const record = yield* found(endpoint, yield* index.tag(endpoint.repository, endpoint.name))
      yield* pulled(endpoint.repository, record.digest)
      const headers = { etag: tagEntity(record) }
      // A mirrored tag's age is always told.
      return record.age === undefined && request.headers["if-none-match"] === headers.etag
        ? HttpServerResponse.empty({ status: 304, headers })
        : json(record, 200, headers)
    })

  const readLink = (endpoint: IndexEndpoint & { readonly tag: "Link" }): Answer =>
    Effect.gen(function* () {
      const { repository, digest } = endpoint
      const link = yield* found(endpoint, yield* index.blob(repository, digest))
      if ((yield* parameter("renew")) !== undefined) yield* changes.renewLink(repository, digest)
      return json(link)
    })

  const read = (endpoint: IndexEndpoint): Answer => {
    switch (endpoint.tag) {
      case "Tag":
        return readTag(endpoint)
      case "Link":
        return readLink(endpoint)
      case "Manifest":
        return Effect.gen(function* () {
          const manifest = yield* found(endpoint, yield* index.manifest(endpoint.repository, endpoint.digest))
          yield* pulled(endpoint.repository, endpoint.digest)
          return json(manifest)
        })
      case "History":
        return Effect.gen(function* () {
          const history = yield* found(endpoint, yield* index.history(endpoint.repository, endpoint.name))
          return json({ history })
        })
      case "Referrers":
        return Effect.gen(function* () {
          const { repository, digest } = endpoint
          const artifactType = yield* parameter("artifactType")
          return json(yield* index.referrers(repository, digest, yield* page, artifactType))
        })
      case "Tags":
        return Effect.gen(function* () {
          return json({ names: yield* found(endpoint, yield* index.tags(endpoint.repository, yield* page)) })
        })
      case "Repositories":
        return Effect.gen(function* () {
          return json({ names: yield* index.repositories(yield* page) })
        })
      case "References":
        return unsupported("GET", endpoint)
    }
  }

  const putManifest = (repository: string, digest: Digest): Answer =>
    Effect.gen(function* () {
      const put = yield* manifestBody
      if (put.record.digest !== digest) {
        return yield* ociError("DIGEST_INVALID", { message: `the record is of ${put.record.digest}` })
      }
      return json({ version: yield* changes.putManifest(repository, put) }, 201)
    })

  const change = Effect.gen(function* () {
    const { by, operation } = yield* HttpServerRequest.ParsedSearchParams
    return yield* Schema.decodeUnknownEffect(ChangeBy)({ by, operation }).pipe(
      Effect.mapError((error) =>
        ociError("UNSUPPORTED", { status: 400, message: `who changes what? ${error.message}` })
      )
    )
  })

  const deleted = (
    endpoint: IndexEndpoint,
    gone: Effect.Effect<unknown, NothingThere | TagImmutable | TableStoreError>
  ): Answer =>
    gone.pipe(
      Effect.as(empty(202)),
      Effect.catchTag("NothingThere", () => Effect.fail(unknown(endpoint)))
    )

  const remove = (endpoint: IndexEndpoint): Answer => {
    switch (endpoint.tag) {
      case "Tag":
        return Effect.flatMap(change, (by) =>
          deleted(endpoint, changes.deleteTag(endpoint.repository, endpoint.name, by))
        )
      case "Manifest":
        return Effect.flatMap(change, (by) =>
          deleted(endpoint, changes.deleteManifest(endpoint.repository, endpoint.digest, by))
        )
      case "Link":
        return deleted(endpoint, changes.unlink(endpoint.repository, endpoint.digest))
      default:
        return unsupported("DELETE", endpoint)
    }
  }

  const put = (endpoint: IndexEndpoint): Answer => {
    switch (endpoint.tag) {
      case "Manifest":
        return putManifest(endpoint.repository, endpoint.digest)
      case "Link":
        return Effect.gen(function* () {
          const { size } = yield* linkBody
          yield* changes.link(endpoint.repository, endpoint.digest, size)
          return empty(201)
        })
      default:
        return unsupported("PUT", endpoint)
    }
  }

  const write = (endpoint: IndexEndpoint, method: string): Answer => {
    if (method === "PUT") return put(endpoint)
    if (method === "DELETE") return remove(endpoint)
    if (method !== "POST" || endpoint.tag !== "References") return unsupported(method, endpoint)
    return Effect.gen(function* () {
      const { digests } = yield* referencesBody
      return json({ digests: yield* index.referenced(digests) })
    })
  }

  return { read, write }
}
