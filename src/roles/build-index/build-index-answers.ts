// The answers of a build-index to the requests of its API (build-index-api.ts): reads come from its store, writes go
// through its changes. Every failure becomes the OCI error that a client of the registry may get.

import { Effect, Layer, Option, type Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import type { Digest } from "../../protocol/wire/digest.ts"
import { BuildIndexApi, names } from "../client/build-index-api.ts"
import { LinkPut, ManifestPut, References, tagStateName } from "../client/build-index-records.ts"
import { jsonBody } from "../http/json-body.ts"
import { entityTag, matchesEntityTag } from "../oci/entity-tag.ts"
import type { OciLimits } from "../oci/limits.ts"
import { parsePage } from "../oci/listing.ts"
import { OciError, type OciErrorCode, ociError } from "../oci/oci-error.ts"
import type { TableStoreError } from "../services/table-store.ts"
import type { UpstreamAway } from "../upstream/upstream-errors.ts"
import type { BuildIndexChanges, ContentMissing, NotFound, TagImmutable } from "./build-index-changes.ts"
import type { BuildIndexStore } from "./build-index-store.ts"
import type { BuildIndexLimits } from "./limits.ts"

type IndexFailure = TableStoreError | ContentMissing | NotFound | TagImmutable | UpstreamAway

/** The OCI error of a failure. */
const indexFailure = (error: IndexFailure): OciError => {
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
    case "NotFound":
      return ociError("MANIFEST_UNKNOWN", { message: "there is nothing to delete" })
    case "UpstreamAway":
      return ociError("UNAVAILABLE", { message: error.message })
  }
}

const inOci = <A, E extends IndexFailure, R>(
  effect: Effect.Effect<A, E | OciError, R>
): Effect.Effect<A, OciError, R> =>
  Effect.mapError(effect, (error) => (error instanceof OciError ? error : indexFailure(error)))

/** The found value, or the error that there is no `what`. */
const found = <A>(
  reading: Effect.Effect<Option.Option<A>, IndexFailure>,
  code: OciErrorCode,
  what: string
): Effect.Effect<A, OciError> =>
  Effect.flatMap(inOci(reading), (value) =>
    Option.isSome(value)
      ? Effect.succeed(value.value)
      : Effect.fail(ociError(code, { message: `there is no ${what}` }))
  )

/** A deletion. When nothing was there, the error names `what`. */
const deleted = (deletion: Effect.Effect<unknown, IndexFailure>, code: OciErrorCode, what: string) =>
  deletion.pipe(
    Effect.asVoid,
    Effect.catchTag("NotFound", () => Effect.fail(ociError(code, { message: `there is no ${what}` }))),
    inOci
  )

/** A body that a client's manifest causes: a record that does not fit is refused to the client. */
const recordBody = <A>(schema: Schema.Codec<A, unknown>, what: string, mostBytes: number) =>
  Effect.mapError(jsonBody(schema, what, mostBytes), ({ message }) =>
    ociError("MANIFEST_INVALID", { message })
  )

/**
 * A page of the request's size. A registry asks for one entry more than its page, to see whether there is another
 * page.
 */
const pageOf = (limits: OciLimits) => (query: { readonly n?: string; readonly last?: string }) => {
  const parsed = parsePage(query, { ...limits, maxPageSize: limits.maxPageSize + 1 })
  if (parsed instanceof OciError) return Effect.fail(parsed)
  return Effect.succeed({ limit: parsed.count, ...(parsed.last === undefined ? {} : { last: parsed.last }) })
}

/** The build-index's own answers fit its schemas, and the client checks them. */
const api = BuildIndexApi.annotate(HttpApi.SuccessParseOptions, { disableChecks: true })

/** The handlers of all groups. `pulled` is called for every manifest that is requested. */
export const buildIndexAnswers = (
  index: BuildIndexStore<UpstreamAway>,
  changes: BuildIndexChanges,
  limits: BuildIndexLimits & OciLimits,
  pulled: BuildIndexChanges["notePull"] = () => Effect.void
) => {
  const page = pageOf(limits)
  const { maxRecordBytes } = limits
  const manifestBody = recordBody(ManifestPut, "a manifest's record", maxRecordBytes)
  const linkBody = recordBody(LinkPut, "a link", maxRecordBytes)
  const referencesBody = recordBody(References, "a list of digests", maxRecordBytes)

  /** A manifest that a client requests, if it is there. */
  const asked = <A extends { readonly digest: Digest }>(
    repository: string,
    reading: Effect.Effect<Option.Option<A>, IndexFailure>,
    what: string
  ) => Effect.tap(found(reading, "MANIFEST_UNKNOWN", what), ({ digest }) => inOci(pulled(repository, digest)))

  return Layer.mergeAll(
    HttpApiBuilder.group(api, "tag", (handlers) =>
      handlers
        .handle("get", ({ params, headers }) =>
          Effect.map(
            asked(params.repository, index.tag(params.repository, params.tag), names.tag(params)),
            (record) => {
              const state = tagStateName(record)
              const etag = entityTag(state)
              // A mirrored tag is always answered with its age.
              return record.age === undefined && matchesEntityTag(headers["if-none-match"], state)
                ? HttpServerResponse.empty({ status: 304, headers: { etag } })
                : HttpServerResponse.text(JSON.stringify(record), {
                    headers: { etag },
                    contentType: "application/json"
                  })
            }
          )
        )
        .handle("delete", ({ params, query }) =>
          deleted(
            changes.deleteTag(params.repository, params.tag, query),
            "MANIFEST_UNKNOWN",
            names.tag(params)
          )
        )
    ),
    HttpApiBuilder.group(api, "history", (handlers) =>
      handlers.handle("get", ({ params }) =>
        Effect.map(
          found(index.history(params.repository, params.tag), "MANIFEST_UNKNOWN", names.tag(params)),
          (history) => ({ history })
        )
      )
    ),
    HttpApiBuilder.group(api, "manifest", (handlers) =>
      handlers
        .handle("get", ({ params }) =>
          asked(params.repository, index.manifest(params.repository, params.digest), names.manifest(params))
        )
        .handleRaw("put", ({ params }) =>
          Effect.gen(function* () {
            const put = yield* manifestBody
            if (put.record.digest !== params.digest) {
              return yield* ociError("DIGEST_INVALID", { message: `the record is of ${put.record.digest}` })
            }
            return { version: yield* inOci(changes.putManifest(params.repository, put)) }
          })
        )
        .handle("delete", ({ params, query }) =>
          deleted(
            changes.deleteManifest(params.repository, params.digest, query),
            "MANIFEST_UNKNOWN",
            names.manifest(params)
          )
        )
    ),
    HttpApiBuilder.group(api, "link", (handlers) =>
      handlers
        .handle("get", ({ params, query }) =>
          Effect.gen(function* () {
            const { repository, digest } = params
            const link = yield* found(index.blob(repository, digest), "BLOB_UNKNOWN", names.blob(params))
            if (query.renew !== undefined) yield* inOci(changes.renewLink(repository, digest))
            return link
          })
        )
        .handleRaw("put", ({ params }) =>
          Effect.flatMap(linkBody, ({ size }) => inOci(changes.link(params.repository, params.digest, size)))
        )
        .handle("delete", ({ params }) =>
          deleted(changes.unlink(params.repository, params.digest), "BLOB_UNKNOWN", names.blob(params))
        )
    ),
    HttpApiBuilder.group(api, "referrers", (handlers) =>
      handlers.handle("get", ({ params, query }) =>
        Effect.flatMap(page(query), (asked) =>
          inOci(index.referrers(params.repository, params.digest, asked, query.artifactType))
        )
      )
    ),
    HttpApiBuilder.group(api, "tags", (handlers) =>
      handlers.handle("list", ({ params, query }) =>
        Effect.flatMap(page(query), (asked) =>
          Effect.map(
            found(index.tags(params.repository, asked), "NAME_UNKNOWN", names.repository(params)),
            (tags) => ({ names: tags })
          )
        )
      )
    ),
    HttpApiBuilder.group(api, "repositories", (handlers) =>
      handlers.handle("list", ({ query }) =>
        Effect.flatMap(page(query), (asked) =>
          Effect.map(inOci(index.repositories(asked)), (repositories) => ({ names: repositories }))
        )
      )
    ),
    HttpApiBuilder.group(api, "references", (handlers) =>
      handlers.handleRaw("find", () =>
        Effect.gen(function* () {
          const { digests } = yield* referencesBody
          return { digests: yield* inOci(index.referenced(digests)) }
        })
      )
    )
  )
}
