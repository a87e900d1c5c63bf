// Decides what a build-index answers over HTTP: tags and manifests of the repositories that clients put on it. It is
// the one place where a tag has its truth; clients choose it by the repository's name (build-index-client.ts).

import { ByteSize, Effect, Option, Schema } from "effect"
import { HttpIncomingMessage, HttpServerRequest, HttpServerResponse } from "effect/http"
import { limits } from "../protocol/limits.ts"
import { makeBuildIndexStore } from "./build-index-store.ts"
import { type IndexEndpoint, ManifestRecord, parseIndexPath } from "./build-index-wire.ts"
import type { BuildIndexConfig } from "./config.ts"
import { endpointHandler } from "./endpoint-handler.ts"
import type { HostProgram } from "./host-program.ts"
import { type HttpRoute, makeHttpApp } from "./http-app.ts"
import { makeRequestCounter } from "./http-requests.ts"
import { makeRoleMetrics } from "./metrics.ts"
import { parsePage } from "./registry/listing.ts"
import { OciError, ociError } from "./registry/oci-error.ts"
import { HostStorage } from "./services/host-storage.ts"
import type { TableStoreError } from "./services/table-store.ts"
import { toDuration } from "./upstreams.ts"

const decodeRecord = Schema.decodeUnknownEffect(Schema.fromJsonString(ManifestRecord))

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError | TableStoreError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

export const buildIndex = (config: BuildIndexConfig): HostProgram =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const tables = yield* storage.tables(config.data)
    const store = makeBuildIndexStore(tables)
    const metrics = makeRoleMetrics("build-index")
    const counter = makeRequestCounter(metrics)

    const storeFailed = (error: TableStoreError): OciError =>
      ociError("UNAVAILABLE", { message: `the build-index cannot use its tables: ${error.message}` })

    const json = (body: object) =>
      HttpServerResponse.text(JSON.stringify(body), { contentType: "application/json" })

    const found = (record: Option.Option<ManifestRecord>, what: string) =>
      Option.isSome(record)
        ? Effect.succeed(json(record.value))
        : Effect.fail(ociError("MANIFEST_UNKNOWN", { message: `there is no ${what}` }))

    const bodyRecord = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const text = yield* request.text.pipe(
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(limits.maxRecordBytes)),
        Effect.mapError((error) =>
          ociError("MANIFEST_INVALID", { message: `the record could not be read: ${error.message}` })
        )
      )
      return yield* Effect.mapError(decodeRecord(text), (error) =>
        ociError("MANIFEST_INVALID", { message: `not a manifest record: ${error.message}` })
      )
    })

    const page = Effect.gen(function* () {
      const parsed = parsePage(yield* HttpServerRequest.ParsedSearchParams)
      if (parsed instanceof OciError) return yield* parsed
      return { limit: parsed.count, ...(parsed.last === undefined ? {} : { last: parsed.last }) }
    })

    const created = HttpServerResponse.empty({ status: 201, headers: { "content-length": "0" } })

    const read = (endpoint: IndexEndpoint): Answer => {
      switch (endpoint.tag) {
        case "Tag":
          return Effect.flatMap(store.tag(endpoint.repository, endpoint.name), (record) =>
            found(record, `tag ${endpoint.name} in ${endpoint.repository}`)
          )
        case "Manifest":
          return Effect.flatMap(store.manifest(endpoint.repository, endpoint.digest), (record) =>
            found(record, `manifest ${endpoint.digest} in ${endpoint.repository}`)
          )
        case "Tags":
          return Effect.gen(function* () {
            const tags = yield* store.tags(endpoint.repository, yield* page)
            if (Option.isSome(tags)) return json({ names: tags.value })
            return yield* ociError("NAME_UNKNOWN", {
              message: `there is no repository ${endpoint.repository}`
            })
          })
        case "Repositories":
          return Effect.gen(function* () {
            return json({ names: yield* store.repositories(yield* page) })
          })
      }
    }

    const write = (endpoint: IndexEndpoint): Answer =>
      Effect.gen(function* () {
        if (endpoint.tag === "Tags" || endpoint.tag === "Repositories") {
          return yield* ociError("UNSUPPORTED", { message: "a listing cannot be written" })
        }
        const record = yield* bodyRecord
        if (endpoint.tag === "Tag") {
          yield* store.putTag(endpoint.repository, endpoint.name, record)
          return created
        }
        if (record.digest !== endpoint.digest) {
          return yield* ociError("DIGEST_INVALID", { message: `the record is of ${record.digest}` })
        }
        yield* store.putManifest(endpoint.repository, record)
        return created
      })

    const handler = endpointHandler({
      role: "the build-index",
      counter,
      routeName: (kind) => `/repositories ${kind}`,
      parse: parseIndexPath,
      read,
      write,
      failed: storeFailed
    })

    const routes: ReadonlyArray<HttpRoute> = (["GET", "PUT"] as const).map((method) => ({
      method,
      path: "/repositories/*",
      handler
    }))

    const notReady = tables.get("repositories", "").pipe(
      Effect.timeout(toDuration(limits.healthTimeout)),
      Effect.match({
        onSuccess: (): ReadonlyArray<string> => [],
        onFailure: (error) => [`the tables in ${config.data} do not answer: ${error.message}`]
      })
    )
    const app = yield* makeHttpApp(routes, { role: "build-index", metrics, notReady })
    return { listeners: [{ name: "build-index", listen: config.http, app }] }
  })
