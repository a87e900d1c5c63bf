// What can be configured of a build-index: one schema for a YAML file, a JSON file, flags and a simulated host. An
// unknown key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { ImagePattern } from "../config/image-pattern.ts"
import { defaultTo, PositiveInt } from "../config/numbers.ts"
import { dataKeys } from "../config/process-keys.ts"
import { UpstreamList } from "../upstream/mirror-config.ts"

const TagPattern = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._*-]{1,128}$/))

/**
 * What stays of the images that a rule means; without any of the three "keep", every tag stays. A tag is judged by the
 * first rule that means it.
 */
export const RetentionRule = Schema.Struct({
  images: ImagePattern,
  /** The tags that moved last. */
  keepLast: Schema.optionalKey(PositiveInt),
  keepMatching: defaultTo(Schema.Array(TagPattern), []),
  /** Seconds: tags whose manifest somebody asked for within them. */
  keepPulledWithin: Schema.optionalKey(PositiveInt),
  /** Seconds: older manifests go that no tag, manifest or subject keeps. Absent: they stay. */
  untaggedOlderThan: Schema.optionalKey(PositiveInt)
})
export type RetentionRule = typeof RetentionRule.Type

export const retentionRule = Schema.decodeSync(RetentionRule)

/** What a build-index takes away by itself. */
export const CollectConfig = Schema.Struct({
  /** Seconds between two collections. Absent: only when asked (POST /collect). */
  every: Schema.optionalKey(PositiveInt),
  /** Seconds that a blob stays which no manifest names, after someone relied on it. */
  grace: defaultTo(PositiveInt, limits.linkGrace / seconds(1)),
  retention: defaultTo(Schema.Array(RetentionRule), [])
})
export type CollectConfig = typeof CollectConfig.Type

/** Of a build-index, also in a herd. */
export const indexRuleKeys = {
  /** Tags that, once put, are neither moved nor deleted. */
  immutableTags: defaultTo(Schema.Array(ImagePattern), []),
  collect: defaultTo(CollectConfig, {})
}

export const BuildIndexConfig = Schema.Struct({
  ...dataKeys,
  http: Listen,
  ...indexRuleKeys,
  /** Registries whose tags and manifests are looked up when they are asked for; needs origins. */
  upstreams: defaultTo(UpstreamList, []),
  /** Where the manifests of upstreams are kept. */
  origins: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl))
})
export type BuildIndexConfig = typeof BuildIndexConfig.Type

/** What is written of it; defaults may be left out. */
export type BuildIndexSettings = typeof BuildIndexConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const buildIndexConfig = Schema.decodeSync(BuildIndexConfig)
