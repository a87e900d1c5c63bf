// Finds the contents of a repository that should go: tags that no rule keeps, manifests that nothing reaches, and
// links of blobs that no manifest names. A pure function of the repository's content; it does not know how anything
// is deleted.
//
// A manifest is reached by a tag, by a reached manifest (as a child of an index), or when its subject is reached (a
// signature stays as long as what it signs). A kept manifest keeps all that it names. An unreached manifest goes when
// it is older than a rule allows.

import { Duration } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { KeptManifest } from "../client/build-index-records.ts"
import { matchesImage } from "../oci/image-pattern.ts"
import type { RetentionRule } from "./config.ts"

export interface RepositoryContent {
  readonly name: string
  readonly tags: ReadonlyArray<{
    readonly name: string
    readonly digest: Digest
    readonly version: number
  }>
  readonly manifests: ReadonlyArray<KeptManifest>
  readonly links: ReadonlyArray<{ readonly digest: Digest; readonly size: number; readonly at: number }>
  /** Time of a manifest's last pull, in milliseconds; absent when there is no record. */
  readonly pulled: ReadonlyMap<Digest, number>
}

export interface RetentionPlan {
  readonly tags: ReadonlyArray<{
    readonly name: string
    readonly digest: Digest
    readonly version: number
    /** The rule's pattern. */
    readonly rule: string
  }>
  readonly manifests: ReadonlyArray<{
    readonly digest: Digest
    readonly size: number
    readonly putAt: number
  }>
  readonly links: ReadonlyArray<{ readonly digest: Digest; readonly size: number }>
}

export interface RetentionOptions {
  readonly rules: ReadonlyArray<RetentionRule>
  readonly isImmutable: (repository: string, tag: string) => boolean
  /** Milliseconds. */
  readonly now: number
  readonly graceMillis: number
}

export const planRetention = (content: RepositoryContent, options: RetentionOptions): RetentionPlan => {
  const { rules, now, graceMillis } = options
  const tags = tagsToDrop(content, options)
  const dropped = new Set(tags.map(({ name }) => name))
  const byDigest = new Map(content.manifests.map((manifest) => [manifest.digest, manifest]))
  const roots = content.tags.filter(({ name }) => !dropped.has(name)).map(({ digest }) => digest)

  // Manifests that are too young to go keep all that they reach.
  const ages = rules
    .filter(({ images }) => matchesImage(images.split(":")[0]!, content.name, ""))
    .map(({ untaggedOlderThan }) => untaggedOlderThan)
    .filter((age) => age !== undefined)
  const oldest = ages.length === 0 ? undefined : Math.min(...ages.map(Duration.toMillis))
  const young = content.manifests
    .filter(({ putAt }) => oldest === undefined || now - putAt <= oldest)
    .map(({ digest }) => digest)

  const kept = reached([...roots, ...young], byDigest)
  const manifests = content.manifests
    .filter(({ digest }) => !kept.has(digest))
    .map(({ digest, size, putAt }) => ({ digest, size, putAt }))

  const named = new Set<Digest>()
  for (const digest of kept) {
    named.add(digest)
    for (const name of byDigest.get(digest)!.names) named.add(name)
  }
  const links = content.links
    .filter(({ digest, at }) => !named.has(digest) && at < now - graceMillis)
    .map(({ digest, size }) => ({ digest, size }))
  return { tags, manifests, links }
}

/** The manifests that these reach, including themselves: children, and manifests whose subject is one of them. */
const reached = (
  from: ReadonlyArray<Digest>,
  byDigest: ReadonlyMap<Digest, KeptManifest>
): ReadonlySet<Digest> => {
  const referrers = new Map<Digest, Digest[]>()
  for (const { digest, subject } of byDigest.values()) {
    if (subject === undefined) continue
    const others = referrers.get(subject)
    if (others === undefined) referrers.set(subject, [digest])
    else others.push(digest)
  }
  const found = new Set<Digest>()
  const waiting = [...from]
  for (;;) {
    const digest = waiting.pop()
    if (digest === undefined) return found
    const manifest = byDigest.get(digest)
    if (manifest === undefined || found.has(digest)) continue
    found.add(digest)
    waiting.push(...manifest.names, ...(referrers.get(digest) ?? []))
  }
}

const tagsToDrop = (content: RepositoryContent, options: RetentionOptions): RetentionPlan["tags"] => {
  const { rules, isImmutable, now } = options
  const judged = new Map<RetentionRule, Array<RepositoryContent["tags"][number]>>()
  for (const tag of content.tags) {
    const rule = rules.find(({ images }) => matchesImage(images, content.name, tag.name))
    if (rule === undefined) continue
    const others = judged.get(rule)
    if (others === undefined) judged.set(rule, [tag])
    else others.push(tag)
  }
  const drops: Array<RetentionPlan["tags"][number]> = []
  for (const [rule, tags] of judged) {
    const { keepLast, keepMatching, keepPulledWithin, images } = rule
    if (keepLast === undefined && keepMatching.length === 0 && keepPulledWithin === undefined) continue
    const newestFirst = [...tags].sort((one, other) => other.version - one.version)
    for (const [index, tag] of newestFirst.entries()) {
      const pulledAt = content.pulled.get(tag.digest) ?? Number.NEGATIVE_INFINITY
      const isKept =
        isImmutable(content.name, tag.name) ||
        (keepLast !== undefined && index < keepLast) ||
        keepMatching.some((pattern) => matchesImage(`**:${pattern}`, content.name, tag.name)) ||
        (keepPulledWithin !== undefined && now - pulledAt <= Duration.toMillis(keepPulledWithin))
      if (!isKept) drops.push({ ...tag, rule: images })
    }
  }
  return drops
}
