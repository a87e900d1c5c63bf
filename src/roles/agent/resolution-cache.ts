// Resolution cache of an agent: the answers of build-indexes about tags, manifests and blobs, how old each is, and
// which of them must survive a restart. A pure state machine: answers go in with the time of their question, rows for
// a table come out. It does not know who asks (image-resolver.ts) nor how long an entry counts as fresh.
//
//   tag:       unknown --Here--> at version v --Here w>v, Same--> at w, confirmed     at v --Gone--> gone, not below v
//   manifest:  unknown --Here--> known --Gone--> unknown
//   blob:      unknown --Here, or named by a manifest--> there --Gone--> gone --Here--> there
//
// Invariants: a tag never goes back to a lower version of the same epoch. An answer never replaces one that knows
// more deletions, or as many and was asked later. The age of an entry counts from the time of its question, so every
// put before that time is in it. Manifests and blobs change only by deletion, so an answer that tells of no further
// deletion confirms all entries of its repository.

import { Option, Schema } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { ManifestAnswer, RepositoryState, TagAnswer } from "../client/build-index-records.ts"
import { DigestText } from "../http/wire-schema.ts"
import type { TableRow, TableWrite } from "../services/table-store.ts"
import type { AgentLimits } from "./limits.ts"
import { RecentMap } from "./recent-map.ts"

const stateFields = { epoch: Schema.String, deletions: Schema.Int, at: Schema.Int }
const described = { digest: DigestText, mediaType: Schema.String, size: Schema.Int }

const TagRow = Schema.Struct({
  ...stateFields,
  version: Schema.Int,
  /** Seconds since an upstream confirmed the tag, as of the answer; absent for a tag of the cluster. */
  upstreamAge: Schema.optionalKey(Schema.Int),
  manifest: Schema.optionalKey(Schema.Struct(described))
})
const ManifestRow = Schema.Struct({
  ...stateFields,
  ...described,
  names: Schema.Array(DigestText),
  missing: Schema.optionalKey(Schema.Array(DigestText))
})
const BlobRow = Schema.Struct({ ...stateFields, gone: Schema.optionalKey(Schema.Boolean) })

const decodeTag = Schema.decodeUnknownOption(Schema.fromJsonString(TagRow))
const decodeManifest = Schema.decodeUnknownOption(Schema.fromJsonString(ManifestRow))
const decodeBlob = Schema.decodeUnknownOption(Schema.fromJsonString(BlobRow))

/** `at` is the time of the question in milliseconds since 1970. */
type Confirmed = RepositoryState & { readonly at: number }
/** A tag without a manifest is deleted. */
export type CachedTag = typeof TagRow.Type
export type CachedManifest = typeof ManifestRow.Type
export type CachedBlob = typeof BlobRow.Type

export interface CacheEntry<Value> {
  readonly value: Value
  /** Milliseconds since the entry was confirmed; negative when the clock was set back. */
  readonly age: number
  /** A write through this agent came after the confirmation. */
  readonly invalidated: boolean
}

/** A change of the cache: `writes` must be durable before `apply` is called. */
export interface CacheUpdate {
  readonly outcome: "changed" | "same" | "gone" | "older"
  readonly writes: ReadonlyArray<TableWrite>
  readonly apply: () => void
}

interface Repository extends Confirmed {
  readonly invalidatedAt: number
}

export const cacheTables = { tags: "facts-tags", manifests: "facts-manifests", blobs: "facts-blobs" } as const

const put = (table: string, key: string, value: object): TableWrite => ({
  tag: "Put",
  table,
  key,
  value: JSON.stringify(value)
})

export class ResolutionCache {
  private readonly repositories: RecentMap<Repository>
  private readonly tags: RecentMap<CachedTag>
  private readonly manifests: RecentMap<CachedManifest>
  private readonly blobs: RecentMap<CachedBlob>
  /** Blobs that have a row of their own; the others are in the cache because a manifest names them. */
  private readonly blobRows: RecentMap<true>
  /** When the answer with each tag's version arrived. It is not stored, since a restart ends all questions. */
  private readonly receivedAt: RecentMap<number>
  /** When the row of each tag was written. */
  private readonly persistedAt: RecentMap<number>
  private readonly limits: AgentLimits

  constructor(limits: AgentLimits) {
    this.limits = limits
    this.repositories = new RecentMap(limits.maxRememberedRepositories)
    this.tags = new RecentMap(limits.maxRememberedTags)
    this.manifests = new RecentMap(limits.maxRememberedManifests)
    this.blobs = new RecentMap(limits.maxRememberedBlobs)
    this.blobRows = new RecentMap(limits.maxRememberedBlobs)
    this.receivedAt = new RecentMap(limits.maxRememberedTags)
    this.persistedAt = new RecentMap(limits.maxRememberedTags)
  }

  /** Loads the rows of an earlier run, without those that are damaged. */
  restore(table: string, rows: ReadonlyArray<TableRow>): void {
    for (const { key, value: text } of rows) {
      if (table === cacheTables.tags) {
        const value = Option.getOrUndefined(decodeTag(text))
        if (value === undefined) continue
        this.tags.set(key, value)
        this.persistedAt.set(key, value.at)
      } else if (table === cacheTables.manifests) {
        const value = Option.getOrUndefined(decodeManifest(text))
        if (value === undefined) continue
        this.manifests.set(key, value)
        this.addNamedBlobs(key.slice(0, key.indexOf(" ")), value)
      } else {
        const value = Option.getOrUndefined(decodeBlob(text))
        if (value === undefined) continue
        this.blobs.set(key, value)
        this.blobRows.set(key, true)
      }
    }
  }

  tag(repository: string, name: string, now: number): CacheEntry<CachedTag> | undefined {
    return this.entry(repository, this.tags.get(`${repository} ${name}`), now, false)
  }

  manifest(repository: string, digest: Digest, now: number): CacheEntry<CachedManifest> | undefined {
    return this.entry(repository, this.manifests.get(`${repository} ${digest}`), now, true)
  }

  blob(repository: string, digest: Digest, now: number): CacheEntry<CachedBlob> | undefined {
    return this.entry(repository, this.blobs.get(`${repository} ${digest}`), now, true)
  }

  /** A write changed the repository: answers to questions until now are out of date. */
  invalidate(repository: string, now: number): void {
    const known = this.repositories.peek(repository) ?? { epoch: "", deletions: -1, at: -1 }
    this.repositories.set(repository, { ...known, invalidatedAt: now })
  }

  /**
   * `answer` is the tag, "same" for an unchanged one, or "gone"; its question was asked at `at`, it arrived `now`.
   * "Gone" has no version, so it counts only if its question came after the entry's arrival; otherwise a put may be
   * newer.
   */
  updateTag(
    repository: string,
    name: string,
    answer: TagAnswer | "same" | "gone",
    at: number,
    now = at
  ): CacheUpdate {
    const key = `${repository} ${name}`
    const known = this.tags.peek(key)
    if (answer === "same") {
      if (known?.manifest === undefined || at < known.at) return noUpdate("same")
      const value = { ...known, at }
      const isDue = at - (this.persistedAt.peek(key) ?? 0) >= this.limits.confirmationNotePause / 1_000
      return this.storeTag("same", repository, key, value, isDue ? [put(cacheTables.tags, key, value)] : [])
    }
    if (answer === "gone") {
      if (known === undefined || at < known.at) return noUpdate("gone")
      if (at < (this.receivedAt.peek(key) ?? 0)) return noUpdate("older")
      const { manifest, ...rest } = known
      const value = { ...rest, at }
      return {
        outcome: "gone",
        writes: manifest === undefined ? [] : [put(cacheTables.tags, key, value)],
        apply: () => this.tags.set(key, value)
      }
    }
    const { epoch, deletions, version, digest, mediaType, size, names, missing, age } = answer
    if (known !== undefined) {
      if (at < known.at) return noUpdate("older")
      const isBehind = known.manifest === undefined ? version <= known.version : version < known.version
      if (epoch === known.epoch && isBehind) return noUpdate("older")
    }
    const value: CachedTag = {
      ...{ epoch, deletions, at, version },
      ...(age === undefined ? {} : { upstreamAge: age }),
      manifest: { digest, mediaType, size }
    }
    const manifest = this.storeManifest(repository, {
      ...{ epoch, deletions, at, digest, mediaType, size, names },
      ...(missing === undefined ? {} : { missing })
    })
    const tag = this.storeTag("changed", repository, key, value, [
      put(cacheTables.tags, key, value),
      ...this.tags.displacedBy(key).map((gone) => remove(cacheTables.tags, gone))
    ])
    const update = combined("changed", tag, manifest)
    return {
      ...update,
      apply: () => {
        update.apply()
        this.receivedAt.set(key, now)
      }
    }
  }

  updateManifest(
    repository: string,
    digest: Digest,
    answer: ManifestAnswer | "gone",
    at: number
  ): CacheUpdate {
    const key = `${repository} ${digest}`
    const known = this.manifests.peek(key)
    if (isOlder(known, { at, ...(answer === "gone" ? {} : answer) })) return noUpdate("older")
    if (answer === "gone") {
      return {
        outcome: "gone",
        writes: known === undefined ? [] : [remove(cacheTables.manifests, key)],
        apply: () => this.manifests.delete(key)
      }
    }
    const { epoch, deletions, mediaType, size, names, missing } = answer
    return this.storeManifest(repository, {
      ...{ epoch, deletions, at, digest, mediaType, size, names },
      ...(missing === undefined ? {} : { missing })
    })
  }

  updateBlob(repository: string, digest: Digest, answer: RepositoryState | "gone", at: number): CacheUpdate {
    const key = `${repository} ${digest}`
    const known = this.blobs.peek(key)
    if (isOlder(known, { at, ...(answer === "gone" ? {} : answer) })) return noUpdate("older")
    if (answer === "gone") {
      if (known === undefined || known.gone === true) return noUpdate("gone")
      const value: CachedBlob = { ...known, at, gone: true }
      // A manifest's row may name the blob, so the next start must find the deletion too.
      return this.storeBlob("gone", key, value)
    }
    const { epoch, deletions } = answer
    const value: CachedBlob = { epoch, deletions, at }
    const isNews = known === undefined || known.gone === true
    const update: CacheUpdate = isNews
      ? this.storeBlob("changed", key, value)
      : { outcome: "same", writes: [], apply: () => this.blobs.set(key, value) }
    return {
      ...update,
      apply: () => {
        update.apply()
        this.confirmRepository(repository, value)
      }
    }
  }

  /** Number of entries of each kind. */
  sizes(): { readonly tags: number; readonly manifests: number; readonly blobs: number } {
    return { tags: this.tags.size, manifests: this.manifests.size, blobs: this.blobs.size }
  }

  private entry<Value extends Confirmed>(
    repository: string,
    value: Value | undefined,
    now: number,
    byRepository: boolean
  ): CacheEntry<Value> | undefined {
    if (value === undefined) return undefined
    const known = this.repositories.get(repository)
    const confirms = byRepository && known?.epoch === value.epoch && known.deletions === value.deletions
    const at = confirms ? Math.max(known.at, value.at) : value.at
    return { value, age: now - at, invalidated: known !== undefined && at <= known.invalidatedAt }
  }

  private storeTag(
    outcome: "changed" | "same",
    repository: string,
    key: string,
    value: CachedTag,
    writes: ReadonlyArray<TableWrite>
  ): CacheUpdate {
    return {
      outcome,
      writes,
      apply: () => {
        this.tags.set(key, value)
        if (writes.length > 0) this.persistedAt.set(key, value.at)
        this.confirmRepository(repository, value)
      }
    }
  }

  private storeBlob(outcome: "changed" | "gone", key: string, value: CachedBlob): CacheUpdate {
    return {
      outcome,
      writes: [
        put(cacheTables.blobs, key, value),
        ...this.blobRows.displacedBy(key).map((gone) => remove(cacheTables.blobs, gone))
      ],
      apply: () => {
        this.blobs.set(key, value)
        this.blobRows.set(key, true)
      }
    }
  }

  private storeManifest(repository: string, value: CachedManifest): CacheUpdate {
    const key = `${repository} ${value.digest}`
    const known = this.manifests.peek(key)
    const isKnown = known !== undefined && known.mediaType === value.mediaType && sameMissing(known, value)
    const back = value.names.filter(
      (named) =>
        this.blobs.peek(`${repository} ${named}`)?.gone === true && !(value.missing ?? []).includes(named)
    )
    return {
      outcome: isKnown ? "same" : "changed",
      writes: isKnown
        ? []
        : [
            put(cacheTables.manifests, key, value),
            ...back.map((named) => remove(cacheTables.blobs, `${repository} ${named}`)),
            ...this.manifests.displacedBy(key).map((gone) => remove(cacheTables.manifests, gone))
          ],
      apply: () => {
        this.manifests.set(key, value)
        this.addNamedBlobs(repository, value)
        this.confirmRepository(repository, value)
      }
    }
  }

  /** Adds the blobs that a manifest names; those that the answer lists as missing are added as gone. */
  private addNamedBlobs(repository: string, { epoch, deletions, at, names, missing }: CachedManifest): void {
    const absent = new Set(missing)
    for (const named of names) {
      const key = `${repository} ${named}`
      const known = this.blobs.peek(key)
      if (isOlder(known, { epoch, deletions, at })) continue
      this.blobs.set(key, absent.has(named) ? { epoch, deletions, at, gone: true } : { epoch, deletions, at })
    }
  }

  private confirmRepository(repository: string, { epoch, deletions, at }: Confirmed): void {
    const known = this.repositories.peek(repository)
    const isNews =
      known === undefined || epoch !== known.epoch ? at >= (known?.at ?? -1) : deletions >= known.deletions
    if (!isNews) return
    const isSame = known?.epoch === epoch && known.deletions === deletions
    this.repositories.set(repository, {
      epoch,
      deletions,
      at: isSame ? Math.max(at, known.at) : at,
      invalidatedAt: known?.invalidatedAt ?? -1
    })
  }
}

/** Whether an answer is older than an entry: it knows fewer deletions, or as many and was asked earlier. */
const isOlder = (
  known: Confirmed | undefined,
  answer: Partial<RepositoryState> & { readonly at: number }
): boolean => {
  if (known === undefined) return false
  const { deletions } = answer
  if (deletions === undefined || answer.epoch !== known.epoch || deletions === known.deletions) {
    return answer.at < known.at
  }
  return deletions < known.deletions
}

const remove = (table: string, key: string): TableWrite => ({ tag: "Delete", table, key })

const noUpdate = (outcome: CacheUpdate["outcome"]): CacheUpdate => ({ outcome, writes: [], apply: () => {} })

const combined = (outcome: CacheUpdate["outcome"], one: CacheUpdate, other: CacheUpdate): CacheUpdate => ({
  outcome,
  writes: [...one.writes, ...other.writes],
  apply: () => {
    one.apply()
    other.apply()
  }
})

const sameMissing = (one: CachedManifest, other: CachedManifest): boolean =>
  (one.missing ?? []).join() === (other.missing ?? []).join()
