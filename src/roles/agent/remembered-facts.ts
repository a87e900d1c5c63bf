// Decides what an agent believes of what build-indexes told it, how old that is, and what of it must survive a restart.
// A pure state machine: answers go in with the time at which the question was asked, rows for a table come out. It refuses
// to know who asks (image-resolver.ts) and how long a fact counts as fresh.
//
//   tag:       unknown --Here--> at version v --Here w>v, Same--> at w, confirmed     at v --Gone--> gone, not below v
//   manifest:  unknown --Here--> known --Gone--> unknown
//   blob:      unknown --Here, or named by a manifest--> there --Gone--> gone --Here--> there
//
// Invariants: a tag never goes to a lower version of the same epoch; an answer that knows of fewer deletions, or of as
// many and was asked for earlier, never replaces another; a fact's age counts from when its question was asked, so what was put before then is in it. Manifests
// and blobs change only by deletion: an answer that tells of no deletion since confirms all that the repository has.

import { Option, Schema } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { limits } from "../../protocol/limits.ts"
import type { ManifestAnswer, TagAnswer, Told } from "../client/build-index-records.ts"
import { RecentMap } from "./recent-map.ts"
import type { TableRow, TableWrite } from "../services/table-store.ts"
import { DigestText } from "../http/wire-schema.ts"

const told = { epoch: Schema.String, deletions: Schema.Int, at: Schema.Int }
const described = { digest: DigestText, mediaType: Schema.String, size: Schema.Int }

const TagRow = Schema.Struct({
  ...told,
  version: Schema.Int,
  /** Milliseconds since an upstream confirmed it, when it was told; absent for a tag that is decided here. */
  upstreamAge: Schema.optionalKey(Schema.Int),
  manifest: Schema.optionalKey(Schema.Struct(described))
})
const ManifestRow = Schema.Struct({
  ...told,
  ...described,
  names: Schema.Array(DigestText),
  missing: Schema.optionalKey(Schema.Array(DigestText))
})
const BlobRow = Schema.Struct({ ...told, gone: Schema.optionalKey(Schema.Boolean) })

const decodeTag = Schema.decodeUnknownOption(Schema.fromJsonString(TagRow))
const decodeManifest = Schema.decodeUnknownOption(Schema.fromJsonString(ManifestRow))
const decodeBlob = Schema.decodeUnknownOption(Schema.fromJsonString(BlobRow))

/** `at` is when the question was asked: milliseconds since 1970. */
type Confirmed = Told & { readonly at: number }
/** Without a manifest the tag is gone. */
export type TagFact = typeof TagRow.Type
export type ManifestFact = typeof ManifestRow.Type
export type BlobFact = typeof BlobRow.Type

export interface Seen<Fact> {
  readonly fact: Fact
  /** Milliseconds since it was confirmed; below 0 when the clock was set back. */
  readonly age: number
  /** It was confirmed before something was written through this agent. */
  readonly outdated: boolean
}

/** A change of what is believed: `writes` are to be durable before `apply`. */
export interface Learned {
  readonly outcome: "changed" | "same" | "gone" | "older"
  readonly writes: ReadonlyArray<TableWrite>
  readonly apply: () => void
}

interface Repository extends Confirmed {
  readonly askAfter: number
}

export const factTables = { tags: "facts-tags", manifests: "facts-manifests", blobs: "facts-blobs" } as const

const put = (table: string, key: string, value: object): TableWrite => ({
  tag: "Put",
  table,
  key,
  value: JSON.stringify(value)
})

export class RememberedFacts {
  private readonly repositories = new RecentMap<Repository>(limits.maxRememberedRepositories)
  private readonly tags = new RecentMap<TagFact>(limits.maxRememberedTags)
  private readonly manifests = new RecentMap<ManifestFact>(limits.maxRememberedManifests)
  private readonly blobs = new RecentMap<BlobFact>(limits.maxRememberedBlobs)
  /** Blobs that have a row of their own; the others are believed because a manifest names them. */
  private readonly blobRows = new RecentMap<true>(limits.maxRememberedBlobs)
  /** When each tag's version was heard. A restart forgets its questions, so it need not be noted. */
  private readonly heard = new RecentMap<number>(limits.maxRememberedTags)
  /** When the row of each tag was written. */
  private readonly noted = new RecentMap<number>(limits.maxRememberedTags)

  /** Takes up what an earlier run noted; damaged rows are left out. */
  restore(table: string, rows: ReadonlyArray<TableRow>): void {
    for (const { key, value } of rows) {
      if (table === factTables.tags) {
        const fact = Option.getOrUndefined(decodeTag(value))
        if (fact === undefined) continue
        this.tags.set(key, fact)
        this.noted.set(key, fact.at)
      } else if (table === factTables.manifests) {
        const fact = Option.getOrUndefined(decodeManifest(value))
        if (fact === undefined) continue
        this.manifests.set(key, fact)
        this.believeNames(key.slice(0, key.indexOf(" ")), fact)
      } else {
        const fact = Option.getOrUndefined(decodeBlob(value))
        if (fact === undefined) continue
        this.blobs.set(key, fact)
        this.blobRows.set(key, true)
      }
    }
  }

  tag(repository: string, name: string, now: number): Seen<TagFact> | undefined {
    return this.seen(repository, this.tags.get(`${repository} ${name}`), now, false)
  }

  manifest(repository: string, digest: Digest, now: number): Seen<ManifestFact> | undefined {
    return this.seen(repository, this.manifests.get(`${repository} ${digest}`), now, true)
  }

  blob(repository: string, digest: Digest, now: number): Seen<BlobFact> | undefined {
    return this.seen(repository, this.blobs.get(`${repository} ${digest}`), now, true)
  }

  /** Something of the repository was written now: what was asked until now counts no more. */
  outdate(repository: string, now: number): void {
    const known = this.repositories.peek(repository) ?? { epoch: "", deletions: -1, at: -1 }
    this.repositories.set(repository, { ...known, askAfter: now })
  }

  /**
   * `answer`: the tag, "same" as it was, or "gone"; it was asked for at `at` and heard `now`. "Gone" has no version: it
   * counts only when it was asked for after what is known was heard, else the tag may have been put since.
   */
  learnTag(
    repository: string,
    name: string,
    answer: TagAnswer | "same" | "gone",
    at: number,
    now = at
  ): Learned {
    const key = `${repository} ${name}`
    const known = this.tags.peek(key)
    if (answer === "same") {
      if (known?.manifest === undefined || at < known.at) return nothing("same")
      const fact = { ...known, at }
      const isDue = at - (this.noted.peek(key) ?? 0) >= limits.confirmationNotePause / 1_000
      return this.tagLearned("same", repository, key, fact, isDue ? [put(factTables.tags, key, fact)] : [])
    }
    if (answer === "gone") {
      if (known === undefined || at < known.at) return nothing("gone")
      if (at < (this.heard.peek(key) ?? 0)) return nothing("older")
      const { manifest, ...rest } = known
      const fact = { ...rest, at }
      return {
        outcome: "gone",
        writes: manifest === undefined ? [] : [put(factTables.tags, key, fact)],
        apply: () => this.tags.set(key, fact)
      }
    }
    const { epoch, deletions, version, digest, mediaType, size, names, missing, age } = answer
    if (known !== undefined) {
      if (at < known.at) return nothing("older")
      const isBehind = known.manifest === undefined ? version <= known.version : version < known.version
      if (epoch === known.epoch && isBehind) return nothing("older")
    }
    const fact: TagFact = {
      ...{ epoch, deletions, at, version },
      ...(age === undefined ? {} : { upstreamAge: age }),
      manifest: { digest, mediaType, size }
    }
    const manifest = this.manifestLearned(repository, {
      ...{ epoch, deletions, at, digest, mediaType, size, names },
      ...(missing === undefined ? {} : { missing })
    })
    const tag = this.tagLearned("changed", repository, key, fact, [
      put(factTables.tags, key, fact),
      ...this.tags.displacedBy(key).map((gone) => remove(factTables.tags, gone))
    ])
    const learned = together("changed", tag, manifest)
    return {
      ...learned,
      apply: () => {
        learned.apply()
        this.heard.set(key, now)
      }
    }
  }

  learnManifest(repository: string, digest: Digest, answer: ManifestAnswer | "gone", at: number): Learned {
    const key = `${repository} ${digest}`
    const known = this.manifests.peek(key)
    if (isOlder(known, { at, ...(answer === "gone" ? {} : answer) })) return nothing("older")
    if (answer === "gone") {
      return {
        outcome: "gone",
        writes: known === undefined ? [] : [remove(factTables.manifests, key)],
        apply: () => this.manifests.delete(key)
      }
    }
    const { epoch, deletions, mediaType, size, names, missing } = answer
    return this.manifestLearned(repository, {
      ...{ epoch, deletions, at, digest, mediaType, size, names },
      ...(missing === undefined ? {} : { missing })
    })
  }

  learnBlob(repository: string, digest: Digest, answer: Told | "gone", at: number): Learned {
    const key = `${repository} ${digest}`
    const known = this.blobs.peek(key)
    if (isOlder(known, { at, ...(answer === "gone" ? {} : answer) })) return nothing("older")
    if (answer === "gone") {
      if (known === undefined || known.gone === true) return nothing("gone")
      const fact: BlobFact = { ...known, at, gone: true }
      // A manifest's row may name it: the deletion must be found beside it at the next start.
      return this.blobLearned("gone", key, fact)
    }
    const { epoch, deletions } = answer
    const fact: BlobFact = { epoch, deletions, at }
    const isNews = known === undefined || known.gone === true
    const learned: Learned = isNews
      ? this.blobLearned("changed", key, fact)
      : { outcome: "same", writes: [], apply: () => this.blobs.set(key, fact) }
    return {
      ...learned,
      apply: () => {
        learned.apply()
        this.confirmRepository(repository, fact)
      }
    }
  }

  /** Facts of each kind, for a gauge. */
  sizes(): { readonly tags: number; readonly manifests: number; readonly blobs: number } {
    return { tags: this.tags.size, manifests: this.manifests.size, blobs: this.blobs.size }
  }

  private seen<Fact extends Confirmed>(
    repository: string,
    fact: Fact | undefined,
    now: number,
    byRepository: boolean
  ): Seen<Fact> | undefined {
    if (fact === undefined) return undefined
    const known = this.repositories.get(repository)
    const confirms = byRepository && known?.epoch === fact.epoch && known.deletions === fact.deletions
    const at = confirms ? Math.max(known.at, fact.at) : fact.at
    return { fact, age: now - at, outdated: known !== undefined && at <= known.askAfter }
  }

  private tagLearned(
    outcome: "changed" | "same",
    repository: string,
    key: string,
    fact: TagFact,
    writes: ReadonlyArray<TableWrite>
  ): Learned {
    return {
      outcome,
      writes,
      apply: () => {
        this.tags.set(key, fact)
        if (writes.length > 0) this.noted.set(key, fact.at)
        this.confirmRepository(repository, fact)
      }
    }
  }

  private blobLearned(outcome: "changed" | "gone", key: string, fact: BlobFact): Learned {
    return {
      outcome,
      writes: [
        put(factTables.blobs, key, fact),
        ...this.blobRows.displacedBy(key).map((gone) => remove(factTables.blobs, gone))
      ],
      apply: () => {
        this.blobs.set(key, fact)
        this.blobRows.set(key, true)
      }
    }
  }

  private manifestLearned(repository: string, fact: ManifestFact): Learned {
    const key = `${repository} ${fact.digest}`
    const known = this.manifests.peek(key)
    const isKnown = known !== undefined && known.mediaType === fact.mediaType && sameMissing(known, fact)
    const back = fact.names.filter(
      (named) =>
        this.blobs.peek(`${repository} ${named}`)?.gone === true && !(fact.missing ?? []).includes(named)
    )
    return {
      outcome: isKnown ? "same" : "changed",
      writes: isKnown
        ? []
        : [
            put(factTables.manifests, key, fact),
            ...back.map((named) => remove(factTables.blobs, `${repository} ${named}`)),
            ...this.manifests.displacedBy(key).map((gone) => remove(factTables.manifests, gone))
          ],
      apply: () => {
        this.manifests.set(key, fact)
        this.believeNames(repository, fact)
        this.confirmRepository(repository, fact)
      }
    }
  }

  /** What a manifest names is there, unless it was said to be missing. */
  private believeNames(repository: string, { epoch, deletions, at, names, missing }: ManifestFact): void {
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
      askAfter: known?.askAfter ?? -1
    })
  }
}

/** Whether an answer says less than what is known: fewer deletions, or as many and it was asked for earlier. */
const isOlder = (known: Confirmed | undefined, answer: Partial<Told> & { readonly at: number }): boolean => {
  if (known === undefined) return false
  const { deletions } = answer
  if (deletions === undefined || answer.epoch !== known.epoch || deletions === known.deletions) {
    return answer.at < known.at
  }
  return deletions < known.deletions
}

const remove = (table: string, key: string): TableWrite => ({ tag: "Delete", table, key })

const nothing = (outcome: Learned["outcome"]): Learned => ({ outcome, writes: [], apply: () => {} })

const together = (outcome: Learned["outcome"], one: Learned, other: Learned): Learned => ({
  outcome,
  writes: [...one.writes, ...other.writes],
  apply: () => {
    one.apply()
    other.apply()
  }
})

const sameMissing = (one: ManifestFact, other: ManifestFact): boolean =>
  (one.missing ?? []).join() === (other.missing ?? []).join()
