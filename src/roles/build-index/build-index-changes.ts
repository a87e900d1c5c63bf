// The changes of a build-index's tables: a manifest is put with its tags; a tag, manifest or blob is deleted; a blob
// is linked. It does not know HTTP.
//
// Invariants: changes happen one after another, and each is one write, so the checks of a change still hold when it
// is written, and readers see all of it or nothing. A manifest is put only when its repository has everything that it
// names (or an upstream registry has it). A change of a tag has a version greater than all before it and is recorded
// in the tag's history; a change that is repeated under the same operation is made once.

import { Clock, Data, Effect, Option, Random, Semaphore } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { ChangeBy, HistoryEntry, ManifestPut, Referrer } from "../client/build-index-records.ts"
import type { TableStore, TableStoreError, TableWrite } from "../services/table-store.ts"
import { hasBlob } from "./build-index-store.ts"
import { deleteRow, type IndexTables, indexKeys, putRow } from "./build-index-tables.ts"
import type { BuildIndexLimits } from "./limits.ts"

/** The repository lacks contents that the manifest names. */
export class ContentMissing extends Data.TaggedError("ContentMissing")<{
  readonly digests: ReadonlyArray<Digest>
}> {}

/** There is nothing to delete. */
export class NotFound extends Data.TaggedError("NotFound") {}

/** A rule of the configuration makes the tag immutable. */
export class TagImmutable extends Data.TaggedError("TagImmutable")<{
  readonly tag: string
  readonly rule: string
}> {}

export interface BuildIndexChanges {
  /**
   * Returns the version of the tags' change, or the last one's when no tag moved. `content` says that the named
   * contents are elsewhere: an upstream registry has them, and they are fetched when they are requested.
   */
  readonly putManifest: (
    repository: string,
    put: ManifestPut,
    content?: "elsewhere"
  ) => Effect.Effect<number, ContentMissing | TagImmutable | TableStoreError>
  /** With `only`, nothing happens unless the tag is at that version. */
  readonly deleteTag: (
    repository: string,
    tag: string,
    change: ChangeBy,
    only?: { readonly version: number }
  ) => Effect.Effect<number, NotFound | TagImmutable | TableStoreError>
  /** Also deletes the tags that name it. Its referrers stay. */
  readonly deleteManifest: (
    repository: string,
    digest: Digest,
    change: ChangeBy
  ) => Effect.Effect<number, NotFound | TagImmutable | TableStoreError>
  /** Deletes a manifest that was put at `putAt` and not since, if no tag and no other manifest names it. */
  readonly collectManifest: (
    repository: string,
    digest: Digest,
    putAt: number,
    change: ChangeBy
  ) => Effect.Effect<void, NotFound | TagImmutable | TableStoreError>
  /** Records a pull of the manifest, when the last record is older than pullNotePause. */
  readonly notePull: (repository: string, digest: Digest) => Effect.Effect<void, TableStoreError>
  /** Removes those of the blobs that no manifest names and nobody relied on since `before`. Returns them. */
  readonly collectLinks: (
    repository: string,
    blobs: ReadonlyArray<Digest>,
    before: number
  ) => Effect.Effect<ReadonlyArray<Digest>, TableStoreError>
  /** Gives the repository a blob of `size` bytes that is durable at an origin. */
  readonly link: (repository: string, blob: Digest, size: number) => Effect.Effect<void, TableStoreError>
  /** Records that a client relies on a link, when the last record is older than half the grace. */
  readonly renewLink: (repository: string, blob: Digest) => Effect.Effect<void, TableStoreError>
  /** Removes a blob, also when a manifest names it; that manifest is then incomplete. */
  readonly unlink: (repository: string, blob: Digest) => Effect.Effect<void, NotFound | TableStoreError>
}

export const makeBuildIndexChanges = (
  tables: IndexTables,
  store: TableStore,
  graceMillis: number,
  { tagHistory, pullNotePause }: BuildIndexLimits,
  /** The rule that makes a tag immutable, if there is one. */
  immutableBy: (repository: string, tag: string) => string | undefined = () => undefined
): BuildIndexChanges => {
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit

  /** The rows of a tag's change, without the oldest history. */
  const historyWrites = (
    repository: string,
    tag: string,
    entry: HistoryEntry,
    before: ReadonlyArray<HistoryEntry>
  ): ReadonlyArray<TableWrite> => [
    putRow("history", indexKeys.history(repository, tag, entry.version), entry),
    ...before
      .slice(0, Math.max(0, before.length + 1 - tagHistory))
      .map(({ version }) => deleteRow("history", indexKeys.history(repository, tag, version)))
  ]

  const putCounter = (table: string, key: string, value: string): TableWrite => ({
    tag: "Put",
    table,
    key,
    value
  })

  const counterWrites = (version: number): Effect.Effect<ReadonlyArray<TableWrite>> => {
    const counter = putCounter("counters", "version", String(version))
    return version > 1
      ? Effect.succeed([counter])
      : Effect.map(Random.nextInt, (epoch) => [
          counter,
          putCounter("counters", "epoch", Math.abs(epoch).toString(36))
        ])
  }

  /** Counts a deletion of a manifest or blob: agents must check their earlier answers about this repository again. */
  const deletionWrites = (repository: string, version: number) =>
    Effect.map(counterWrites(version), (counters) => [
      ...counters,
      putCounter("deletions", repository, String(version))
    ])

  const mayChange = (repository: string, tag: string): Effect.Effect<void, TagImmutable> => {
    const rule = immutableBy(repository, tag)
    return rule === undefined ? Effect.void : Effect.fail(new TagImmutable({ tag, rule }))
  }

  const wasDone = (history: ReadonlyArray<HistoryEntry>, { operation }: ChangeBy): boolean =>
    history.some((entry) => entry.operation === operation)

  /** The rows that move `tag` to `digest`; none when it is there, or when the same operation moved it before. */
  const moveTag = (repository: string, tag: string, digest: Digest, entry: HistoryEntry, isOwn: boolean) =>
    Effect.gen(function* () {
      const old = yield* tables.tag(repository, tag)
      if (Option.isSome(old) && old.value.digest === digest) return []
      const history = yield* tables.history(repository, tag)
      if (wasDone(history, entry)) return []
      if (Option.isSome(old) && isOwn) yield* mayChange(repository, tag)
      return [
        ...(Option.isSome(old)
          ? [deleteRow("tagged", indexKeys.tagged(repository, old.value.digest, tag))]
          : []),
        putRow("tagged", indexKeys.tagged(repository, digest, tag)),
        putRow("tags", indexKeys.tag(repository, tag), {
          digest,
          version: entry.version,
          changedAt: entry.at
        }),
        ...historyWrites(repository, tag, entry, history)
      ]
    })

  const dropTag = (repository: string, tag: string, digest: Digest, entry: HistoryEntry) =>
    Effect.map(tables.history(repository, tag), (history) => [
      deleteRow("tags", indexKeys.tag(repository, tag)),
      deleteRow("tagged", indexKeys.tagged(repository, digest, tag)),
      ...historyWrites(repository, tag, entry, history)
    ])

  /**
   * Rows to delete when `digest` no longer names these. The record of a deleted blob is needed only while a manifest
   * names it.
   */
  const unnamedRows = (repository: string, digest: Digest, names: ReadonlyArray<Digest>) =>
    Effect.map(
      Effect.filter(names, (named) =>
        Effect.gen(function* () {
          if (!(yield* tables.isUnlinked(repository, named))) return false
          return (yield* tables.namedBy(named, repository, 2)).every((manifest) => manifest === digest)
        })
      ),
      (forgotten) => [
        ...names.map((named) => deleteRow("named-by", indexKeys.namedBy(named, repository, digest))),
        ...forgotten.map((named) => deleteRow("unlinked", indexKeys.byDigest(repository, named)))
      ]
    )

  /**
   * Rows of an earlier put of the same manifest that this one does not have: another proxy may interpret its bytes
   * differently.
   */
  const outdatedRows = (repository: string, { digest, names, subject }: ManifestPut["record"]) =>
    Effect.gen(function* () {
      const kept = yield* tables.manifest(repository, digest)
      if (Option.isNone(kept)) return []
      const { names: oldNames, subject: oldSubject } = kept.value
      const unnamed = oldNames.filter((named) => !names.includes(named) && named !== digest)
      return [
        ...(yield* unnamedRows(repository, digest, unnamed)),
        ...(oldSubject === undefined || oldSubject === subject
          ? []
          : [deleteRow("referrers", indexKeys.referrer(repository, oldSubject, digest))])
      ]
    })

  const putManifest: BuildIndexChanges["putManifest"] = (
    repository,
    { record, tags, by, operation },
    content
  ) =>
    oneAtATime(
      Effect.gen(function* () {
        const { digest, subject } = record
        const needed = content === "elsewhere" ? [] : record.names
        const missing = yield* Effect.filter(needed, (named) =>
          Effect.map(hasBlob(tables, repository, named), (there) => !there)
        )
        if (missing.length > 0) return yield* new ContentMissing({ digests: missing })
        const last = yield* tables.version
        const at = yield* Clock.currentTimeMillis
        const entry: HistoryEntry = { by, operation, version: last + 1, at, digest }
        const moves = (yield* Effect.forEach([...new Set(tags)], (tag) =>
          moveTag(repository, tag, digest, entry, content !== "elsewhere")
        )).flat()
        const version = moves.length === 0 ? last : entry.version
        yield* store.write([
          ...(yield* outdatedRows(repository, record)),
          putRow("repositories", repository),
          putRow("manifests", indexKeys.byDigest(repository, digest), { ...record, putAt: at }),
          ...[digest, ...record.names].map((named) =>
            putRow("named-by", indexKeys.namedBy(named, repository, digest))
          ),
          ...(subject === undefined
            ? []
            : [putRow("referrers", indexKeys.referrer(repository, subject, digest), referrerOf(record))]),
          ...moves,
          ...(moves.length === 0 ? [] : yield* counterWrites(version))
        ])
        return version
      })
    )

  const deleteTag: BuildIndexChanges["deleteTag"] = (repository, tag, change, only) =>
    oneAtATime(
      Effect.gen(function* () {
        const last = yield* tables.version
        if (wasDone(yield* tables.history(repository, tag), change)) return last
        const row = yield* tables.tag(repository, tag)
        if (Option.isNone(row)) return yield* new NotFound()
        if (only !== undefined && only.version !== row.value.version) return yield* new NotFound()
        yield* mayChange(repository, tag)
        const version = last + 1
        const at = yield* Clock.currentTimeMillis
        const writes = yield* dropTag(repository, tag, row.value.digest, { ...change, version, at })
        yield* store.write([...writes, ...(yield* counterWrites(version))])
        return version
      })
    )

  const removeManifest = (repository: string, digest: Digest, change: ChangeBy) =>
    Effect.gen(function* () {
      const manifest = yield* tables.manifest(repository, digest)
      if (Option.isNone(manifest)) return yield* new NotFound()
      const { names, subject } = manifest.value
      const version = (yield* tables.version) + 1
      const at = yield* Clock.currentTimeMillis
      const tags = yield* tables.tagsOf(repository, digest)
      yield* Effect.forEach(tags, (tag) => mayChange(repository, tag), { discard: true })
      const tagWrites = yield* Effect.forEach(tags, (tag) =>
        dropTag(repository, tag, digest, { ...change, version, at })
      )
      yield* store.write([
        deleteRow("manifests", indexKeys.byDigest(repository, digest)),
        ...(yield* unnamedRows(repository, digest, [digest, ...names])),
        ...(subject === undefined
          ? []
          : [deleteRow("referrers", indexKeys.referrer(repository, subject, digest))]),
        ...tagWrites.flat(),
        ...(yield* deletionWrites(repository, version))
      ])
      return version
    })

  const deleteManifest: BuildIndexChanges["deleteManifest"] = (repository, digest, change) =>
    oneAtATime(removeManifest(repository, digest, change))

  const collectManifest: BuildIndexChanges["collectManifest"] = (repository, digest, putAt, change) =>
    oneAtATime(
      Effect.gen(function* () {
        const kept = yield* tables.manifest(repository, digest)
        const isSame = Option.isSome(kept) && kept.value.putAt === putAt
        const isNamed = (yield* tables.namedBy(digest, repository, 2)).some((by) => by !== digest)
        if (!isSame || isNamed || (yield* tables.tagsOf(repository, digest)).length > 0) {
          return yield* new NotFound()
        }
        yield* removeManifest(repository, digest, change)
      })
    )

  const collectLinks: BuildIndexChanges["collectLinks"] = (repository, blobs, before) =>
    oneAtATime(
      Effect.gen(function* () {
        const stale = yield* Effect.filter(blobs, (blob) =>
          Effect.gen(function* () {
            const link = yield* tables.link(repository, blob)
            if (Option.isNone(link) || link.value.at >= before) return false
            return (yield* tables.namedBy(blob, repository, 1)).length === 0
          })
        )
        if (stale.length === 0) return stale
        const version = (yield* tables.version) + 1
        yield* store.write([
          ...stale.flatMap((blob) => [
            deleteRow("links", indexKeys.byDigest(repository, blob)),
            deleteRow("linked-by", indexKeys.linkedBy(blob, repository))
          ]),
          ...(yield* deletionWrites(repository, version))
        ])
        return stale
      })
    )

  const linkAt = (repository: string, blob: Digest, size: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) =>
      store.write([
        putRow("repositories", repository),
        putRow("links", indexKeys.byDigest(repository, blob), { size, at }),
        putRow("linked-by", indexKeys.linkedBy(blob, repository)),
        deleteRow("unlinked", indexKeys.byDigest(repository, blob))
      ])
    )

  return {
    putManifest,
    deleteTag,
    deleteManifest,
    collectManifest,
    collectLinks,
    notePull: (repository, digest) =>
      Effect.gen(function* () {
        const key = indexKeys.byDigest(repository, digest)
        const now = yield* Clock.currentTimeMillis
        const noted = Number(Option.getOrElse(yield* store.get("pulled", key), () => "-Infinity"))
        if (now - noted < pullNotePause / 1_000) return
        yield* oneAtATime(
          Effect.gen(function* () {
            if (Option.isNone(yield* tables.manifest(repository, digest))) return
            yield* store.write([putCounter("pulled", key, String(now))])
          })
        )
      }),
    link: (repository, blob, size) => oneAtATime(linkAt(repository, blob, size)),
    renewLink: (repository, blob) =>
      oneAtATime(
        Effect.gen(function* () {
          const link = yield* tables.link(repository, blob)
          if (Option.isNone(link)) return
          const now = yield* Clock.currentTimeMillis
          if (now - link.value.at > graceMillis / 2) yield* linkAt(repository, blob, link.value.size)
        })
      ),
    unlink: (repository, blob) =>
      oneAtATime(
        Effect.gen(function* () {
          if (!(yield* hasBlob(tables, repository, blob))) return yield* new NotFound()
          const isNamed = (yield* tables.namedBy(blob, repository, 1)).length > 0
          const version = (yield* tables.version) + 1
          yield* store.write([
            deleteRow("links", indexKeys.byDigest(repository, blob)),
            deleteRow("linked-by", indexKeys.linkedBy(blob, repository)),
            ...(isNamed ? [putRow("unlinked", indexKeys.byDigest(repository, blob))] : []),
            ...(yield* deletionWrites(repository, version))
          ])
        })
      )
  }
}

const referrerOf = (record: ManifestPut["record"]): Referrer => ({
  mediaType: record.mediaType,
  digest: record.digest,
  size: record.size,
  ...(record.artifactType === undefined ? {} : { artifactType: record.artifactType }),
  ...(record.annotations === undefined ? {} : { annotations: record.annotations })
})
