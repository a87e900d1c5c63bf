// The reads of a build-index's repositories: the manifest of a tag, the blobs of a repository, the referrers of a
// manifest. Tables: build-index-tables.ts; changes: build-index-changes.ts.
//
// Invariant: a repository has a blob when it was linked, or when one of its manifests names it and nobody deleted it.
// A manifest may name exactly the contents that a client finds in the repository.

import { Effect, Option } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { digestEncoded } from "../../protocol/wire/digest.ts"
import type {
  HistoryEntry,
  LinkAnswer,
  ManifestAnswer,
  Referrer,
  Referrers,
  RepositoryState,
  TagAnswer
} from "../client/build-index-records.ts"
import type { PageRequest } from "../registry/image-source.ts"
import type { ServiceLimits } from "../services/limits.ts"
import type { TableStoreError } from "../services/table-store.ts"
import type { IndexTables } from "./build-index-tables.ts"
import type { BuildIndexLimits } from "./limits.ts"

/**
 * `Failure` is the other way in which a read may fail: a mirror's, when its upstream is unreachable
 * (mirrored-index.ts).
 */
type Found<A, Failure> = Effect.Effect<Option.Option<A>, TableStoreError | Failure>

export interface BuildIndexStore<Failure = never> {
  readonly tag: (repository: string, name: string) => Found<TagAnswer, Failure>
  readonly manifest: (repository: string, digest: Digest) => Found<ManifestAnswer, Failure>
  readonly blob: (repository: string, digest: Digest) => Found<LinkAnswer, Failure>
  /** The state that accompanies these answers. */
  readonly state: (repository: string) => Effect.Effect<RepositoryState, TableStoreError>
  /** Last change first; none when the tag never existed. */
  readonly history: (repository: string, tag: string) => Found<ReadonlyArray<HistoryEntry>, Failure>
  readonly referrers: (
    repository: string,
    subject: Digest,
    page: PageRequest,
    artifactType: string | undefined
  ) => Effect.Effect<Referrers, TableStoreError | Failure>
  /** Those of the digests that any repository needs. */
  readonly referenced: (
    digests: ReadonlyArray<Digest>
  ) => Effect.Effect<ReadonlyArray<Digest>, TableStoreError>
  /** None when there is no such repository. */
  readonly tags: (repository: string, page: PageRequest) => Found<ReadonlyArray<string>, Failure>
  readonly repositories: (page: PageRequest) => Effect.Effect<ReadonlyArray<string>, TableStoreError>
}

export const makeBuildIndexStore = (
  tables: IndexTables,
  { maxReferrersBytes, tableScanPage }: BuildIndexLimits & ServiceLimits
): BuildIndexStore => {
  /**
   * Read before the rest of its answer: a deletion in between then makes the answer look older than it is, not newer.
   */
  const stateOf = (repository: string): Effect.Effect<RepositoryState, TableStoreError> =>
    Effect.all({ epoch: tables.epoch, deletions: tables.deletions(repository) })

  /** Those of the names that were deleted; only present when there are any. */
  const missing = (repository: string, names: ReadonlyArray<Digest>) =>
    Effect.gen(function* () {
      const deleted = yield* tables.keys("unlinked", `${repository} `, { limit: 1 })
      if (deleted.length === 0) return {}
      const found = yield* Effect.filter(names, (named) => tables.isUnlinked(repository, named))
      return found.length === 0 ? {} : { missing: found }
    })

  const manifest: BuildIndexStore["manifest"] = (repository, digest) =>
    Effect.gen(function* () {
      const state = yield* stateOf(repository)
      const kept = yield* tables.manifest(repository, digest)
      if (Option.isNone(kept)) return Option.none()
      return Option.some({
        ...kept.value,
        ...state,
        ...(yield* missing(repository, kept.value.names))
      })
    })

  const tag: BuildIndexStore["tag"] = (repository, name) =>
    Effect.gen(function* () {
      const state = yield* stateOf(repository)
      const row = yield* tables.tag(repository, name)
      if (Option.isNone(row)) return Option.none()
      const { digest, version, changedAt } = row.value
      const kept = yield* tables.manifest(repository, digest)
      if (Option.isNone(kept)) return Option.none()
      const { mediaType, size, names } = kept.value
      return Option.some({
        digest,
        mediaType,
        size,
        version,
        changedAt,
        ...state,
        names,
        ...(yield* missing(repository, names))
      })
    })

  const referrersPage = (
    repository: string,
    subject: Digest,
    page: PageRequest,
    artifactType: string | undefined
  ) =>
    Effect.gen(function* () {
      const found: Referrer[] = []
      let bytes = 0
      let last = page.last
      for (;;) {
        const limit = tableScanPage
        const rows = yield* tables.referrers(repository, subject, {
          limit,
          ...(last === undefined ? {} : { last })
        })
        for (const referrer of rows) {
          last = referrer.digest
          if (artifactType !== undefined && referrer.artifactType !== artifactType) continue
          bytes += JSON.stringify(referrer).length
          if (found.length >= page.limit || (found.length > 0 && bytes > maxReferrersBytes)) {
            return { referrers: found, more: true }
          }
          found.push(referrer)
        }
        if (rows.length < limit) return { referrers: found, more: false }
      }
    })

  return {
    tag,
    manifest,
    state: stateOf,
    blob: (repository, digest) =>
      Effect.gen(function* () {
        const state = yield* stateOf(repository)
        return (yield* hasBlob(tables, repository, digest)) ? Option.some(state) : Option.none()
      }),
    history: (repository, name) =>
      Effect.map(tables.history(repository, name), (entries) =>
        entries.length === 0 ? Option.none() : Option.some([...entries].reverse())
      ),
    referrers: (repository, subject, page, artifactType) =>
      Effect.gen(function* () {
        const found = yield* referrersPage(repository, subject, page, artifactType)
        const fallback = yield* tag(repository, fallbackTag(subject))
        if (Option.isNone(fallback)) return found
        const { digest, mediaType, size, version, changedAt } = fallback.value
        return { ...found, fallback: { digest, mediaType, size, version, changedAt } }
      }),
    referenced: (digests) => Effect.filter(digests, tables.isReferenced),
    tags: (repository, page) =>
      Effect.gen(function* () {
        if (!(yield* tables.hasRepository(repository))) return Option.none()
        return Option.some(yield* tables.keys("tags", `${repository} `, page))
      }),
    repositories: (page) => tables.keys("repositories", "", page)
  }
}

/** Whether the repository has the content, by the invariant of the header. */
export const hasBlob = (
  tables: IndexTables,
  repository: string,
  digest: Digest
): Effect.Effect<boolean, TableStoreError> =>
  Effect.gen(function* () {
    if (Option.isSome(yield* tables.link(repository, digest))) return true
    if ((yield* tables.namedBy(digest, repository, 1)).length === 0) return false
    return !(yield* tables.isUnlinked(repository, digest))
  })

/** OCI, "Referrers Tag Schema": the digest with "-" for ":", cut to the length of a tag. */
export const fallbackTag = (subject: Digest): string =>
  `${subject.slice(0, subject.indexOf(":"))}-${digestEncoded(subject)}`.slice(0, 128)
