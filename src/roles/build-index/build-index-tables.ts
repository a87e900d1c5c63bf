// The tables of a build-index, and reads of single rows and ranges. It does not know what a change means
// (build-index-changes.ts) and HTTP.
//
//   counters      version                      -> the version of the last change
//   counters      epoch                        -> random at the first change: tables that began anew differ
//   repositories  {repo}                       -> ""
//   manifests     {repo} {digest}              -> kept manifest
//   tags          {repo} {tag}                 -> tag row
//   tagged        {repo} {digest} {tag}        -> ""               the tags that name a manifest
//   history       {repo} {tag} {version}       -> history entry
//   links         {repo} {blob}                -> link             the blobs that were given to a repository
//   unlinked      {repo} {blob}                -> ""               deleted, although a manifest still names it
//   named-by      {content} {repo} {manifest}  -> ""               what a manifest names, including itself
//   linked-by     {blob} {repo}                -> ""
//   referrers     {repo} {subject} {manifest}  -> referrer
//   pulled        {repo} {digest}              -> time of the manifest's last pull, if a rule needs it
//   deletions     {repo}                       -> the version of the last deletion of a manifest or blob
//
// A space sorts below every character of a name, so a prefix scan returns one repository's entries in order. Versions
// in keys have 16 digits.

import { Effect, Option, Schema } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { HistoryEntry, KeptManifest, LinkRecord, Referrer, TagRow } from "../client/build-index-records.ts"
import type { ServiceLimits } from "../services/limits.ts"
import { forEachPage } from "../services/table-pages.ts"
import { type TableRow, type TableStore, TableStoreError, type TableWrite } from "../services/table-store.ts"

export const indexKeys = {
  tag: (repository: string, name: string) => `${repository} ${name}`,
  byDigest: (repository: string, digest: Digest) => `${repository} ${digest}`,
  tagged: (repository: string, digest: Digest, tag: string) => `${repository} ${digest} ${tag}`,
  history: (repository: string, tag: string, version: number) =>
    `${repository} ${tag} ${String(version).padStart(16, "0")}`,
  namedBy: (content: Digest, repository: string, manifest: Digest) => `${content} ${repository} ${manifest}`,
  linkedBy: (blob: Digest, repository: string) => `${blob} ${repository}`,
  referrer: (repository: string, subject: Digest, manifest: Digest) => `${repository} ${subject} ${manifest}`
} as const

export const putRow = (table: string, key: string, value: object | "" = ""): TableWrite => ({
  tag: "Put",
  table,
  key,
  value: value === "" ? "" : JSON.stringify(value)
})

export const deleteRow = (table: string, key: string): TableWrite => ({ tag: "Delete", table, key })

type Read<A> = Effect.Effect<A, TableStoreError>

export interface IndexTables {
  readonly version: Read<number>
  /** "" before the first change. */
  readonly epoch: Read<string>
  /** 0 when nothing was ever deleted. It must be read before the rest of its answer. */
  readonly deletions: (repository: string) => Read<number>
  readonly hasRepository: (repository: string) => Read<boolean>
  readonly manifest: (repository: string, digest: Digest) => Read<Option.Option<KeptManifest>>
  readonly tag: (repository: string, name: string) => Read<Option.Option<typeof TagRow.Type>>
  readonly link: (repository: string, blob: Digest) => Read<Option.Option<LinkRecord>>
  readonly isUnlinked: (repository: string, blob: Digest) => Read<boolean>
  /** Manifests of the repository that name this content, at most `limit`. */
  readonly namedBy: (content: Digest, repository: string, limit: number) => Read<ReadonlyArray<Digest>>
  /** Whether any repository has a link to it or a manifest that names it. */
  readonly isReferenced: (content: Digest) => Read<boolean>
  /** Oldest first. */
  readonly history: (repository: string, tag: string) => Read<ReadonlyArray<HistoryEntry>>
  readonly tagsOf: (repository: string, digest: Digest) => Read<ReadonlyArray<string>>
  /** Keys with a prefix, without it. */
  readonly keys: (
    table: string,
    prefix: string,
    page: { readonly last?: string; readonly limit: number }
  ) => Read<ReadonlyArray<string>>
  readonly referrers: (
    repository: string,
    subject: Digest,
    page: { readonly last?: string; readonly limit: number }
  ) => Read<ReadonlyArray<Referrer>>
  /** Every row of a table with a prefix, page by page. */
  readonly all: (table: string, prefix: string) => Read<ReadonlyArray<TableRow>>
}

const decoder = <A>(schema: Schema.Codec<A, unknown>) =>
  Schema.decodeUnknownEffect(Schema.fromJsonString(schema))

const decodeManifest = decoder(KeptManifest)
const decodeTag = decoder(TagRow)
const decodeLink = decoder(LinkRecord)
const decodeHistory = decoder(HistoryEntry)
const decodeReferrer = decoder(Referrer)
const decodeVersion = decoder(Schema.Int)

type Decode<A> = (text: unknown) => Effect.Effect<A, Schema.SchemaError>

const decodeRow = <A>(table: string, { key, value }: TableRow, decode: Decode<A>): Read<A> =>
  Effect.mapError(
    decode(value),
    (error) =>
      new TableStoreError({
        message: `the row "${key}" of ${table} is damaged: ${error.message}`
      })
  )

/** Decodes rows for callers that scan their table. */
export const decodeManifestRow = (row: TableRow): Read<KeptManifest> =>
  decodeRow("manifests", row, decodeManifest)
export const decodeTagRow = (row: TableRow): Read<typeof TagRow.Type> => decodeRow("tags", row, decodeTag)
export const decodeLinkRow = (row: TableRow): Read<LinkRecord> => decodeRow("links", row, decodeLink)

export const makeIndexTables = (tables: TableStore, { tableScanPage }: ServiceLimits): IndexTables => {
  const row = <A>(table: string, key: string, decode: Decode<A>): Read<Option.Option<A>> =>
    Effect.flatMap(tables.get(table, key), (text) =>
      Option.isNone(text)
        ? Effect.succeed(Option.none())
        : Effect.map(decodeRow(table, { key, value: text.value }, decode), Option.some)
    )

  const has = (table: string, key: string): Read<boolean> => Effect.map(tables.get(table, key), Option.isSome)

  const scan = (table: string, prefix: string, page: { readonly last?: string; readonly limit: number }) =>
    tables.scan(table, {
      prefix,
      limit: page.limit,
      ...(page.last === undefined ? {} : { after: prefix + page.last })
    })

  const keys: IndexTables["keys"] = (table, prefix, page) =>
    Effect.map(scan(table, prefix, page), (rows) => rows.map(({ key }) => key.slice(prefix.length)))

  const all: IndexTables["all"] = (table, prefix) =>
    Effect.gen(function* () {
      const rows: TableRow[] = []
      yield* forEachPage(tables, table, { prefix, limit: tableScanPage }, (page) =>
        Effect.sync(() => rows.push(...page))
      )
      return rows
    })

  return {
    version: Effect.map(
      row("counters", "version", decodeVersion),
      Option.getOrElse(() => 0)
    ),
    epoch: Effect.map(
      tables.get("counters", "epoch"),
      Option.getOrElse(() => "")
    ),
    deletions: (repository) =>
      Effect.map(
        row("deletions", repository, decodeVersion),
        Option.getOrElse(() => 0)
      ),
    hasRepository: (repository) => has("repositories", repository),
    manifest: (repository, digest) =>
      row("manifests", indexKeys.byDigest(repository, digest), decodeManifest),
    tag: (repository, name) => row("tags", indexKeys.tag(repository, name), decodeTag),
    link: (repository, blob) => row("links", indexKeys.byDigest(repository, blob), decodeLink),
    isUnlinked: (repository, blob) => has("unlinked", indexKeys.byDigest(repository, blob)),
    namedBy: (content, repository, limit) =>
      keys("named-by", `${content} ${repository} `, { limit }) as Read<ReadonlyArray<Digest>>,
    isReferenced: (content) =>
      Effect.gen(function* () {
        const page = { limit: 1 }
        if ((yield* keys("linked-by", `${content} `, page)).length > 0) return true
        return (yield* keys("named-by", `${content} `, page)).length > 0
      }),
    history: (repository, tag) =>
      Effect.flatMap(all("history", `${repository} ${tag} `), (rows) =>
        Effect.forEach(rows, (found) => decodeRow("history", found, decodeHistory))
      ),
    tagsOf: (repository, digest) => {
      const prefix = `${repository} ${digest} `
      return Effect.map(all("tagged", prefix), (rows) => rows.map(({ key }) => key.slice(prefix.length)))
    },
    keys,
    referrers: (repository, subject, page) =>
      Effect.flatMap(scan("referrers", `${repository} ${subject} `, page), (rows) =>
        Effect.forEach(rows, (found) => decodeRow("referrers", found, decodeReferrer))
      ),
    all
  }
}
