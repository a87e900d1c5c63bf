// Decides how a build-index keeps what it knows in tables: which manifests a repository has, which tags name them, and
// which repositories there are. It refuses to know HTTP and other build-indexes.
//
//   repositories   {repository}             -> ""
//   manifests      {repository} {digest}    -> manifest record
//   tags           {repository} {tag}       -> manifest record
//
// A space sorts below every character of a name, so a prefix scan gives one repository's entries in order.
//
// Invariants: a write is all or nothing, so a tag never names a manifest that its repository does not have; the last
// write of a tag wins, and a read that begins after a write ended sees it.

import { Effect, Option, Schema } from "effect"
import type { Digest } from "../protocol/digest.ts"
import { ManifestRecord } from "./build-index-wire.ts"
import type { PageRequest } from "./registry/image-source.ts"
import { type TableStore, TableStoreError, type TableWrite } from "./services/table-store.ts"

export interface BuildIndexStore {
  readonly tag: (repository: string, name: string) => Found
  readonly manifest: (repository: string, digest: Digest) => Found
  readonly putTag: (
    repository: string,
    name: string,
    record: ManifestRecord
  ) => Effect.Effect<void, TableStoreError>
  readonly putManifest: (repository: string, record: ManifestRecord) => Effect.Effect<void, TableStoreError>
  /** None when there is no such repository. */
  readonly tags: (
    repository: string,
    page: PageRequest
  ) => Effect.Effect<Option.Option<ReadonlyArray<string>>, TableStoreError>
  readonly repositories: (page: PageRequest) => Effect.Effect<ReadonlyArray<string>, TableStoreError>
}

type Found = Effect.Effect<Option.Option<ManifestRecord>, TableStoreError>

const RecordText = Schema.fromJsonString(ManifestRecord)
const decodeRecord = Schema.decodeUnknownEffect(RecordText)

export const makeBuildIndexStore = (tables: TableStore): BuildIndexStore => {
  const find = (table: string, key: string): Found =>
    Effect.gen(function* () {
      const text = yield* tables.get(table, key)
      if (Option.isNone(text)) return Option.none()
      const record = yield* Effect.mapError(
        decodeRecord(text.value),
        (error) =>
          new TableStoreError({
            table,
            operation: "decode",
            message: `the row "${key}" is damaged: ${error.message}`
          })
      )
      return Option.some(record)
    })

  const put = (table: string, key: string, value: string): TableWrite => ({ tag: "Put", table, key, value })

  const manifestWrites = (repository: string, record: ManifestRecord): ReadonlyArray<TableWrite> => [
    put("repositories", repository, ""),
    put("manifests", `${repository} ${record.digest}`, JSON.stringify(record))
  ]

  const after = (prefix: string, page: PageRequest) =>
    page.last === undefined ? {} : { after: prefix + page.last }

  return {
    tag: (repository, name) => find("tags", `${repository} ${name}`),
    manifest: (repository, digest) => find("manifests", `${repository} ${digest}`),
    putManifest: (repository, record) => tables.write(manifestWrites(repository, record)),
    putTag: (repository, name, record) =>
      tables.write([
        ...manifestWrites(repository, record),
        put("tags", `${repository} ${name}`, JSON.stringify(record))
      ]),
    tags: (repository, page) =>
      Effect.gen(function* () {
        if (Option.isNone(yield* tables.get("repositories", repository))) return Option.none()
        const prefix = `${repository} `
        const rows = yield* tables.scan("tags", { prefix, limit: page.limit, ...after(prefix, page) })
        return Option.some(rows.map((row) => row.key.slice(prefix.length)))
      }),
    repositories: (page) =>
      Effect.map(tables.scan("repositories", { prefix: "", limit: page.limit, ...after("", page) }), (rows) =>
        rows.map((row) => row.key)
      )
  }
}
