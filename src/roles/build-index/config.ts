// What can be configured of a build-index: one schema for a YAML file, a JSON file, flags and a simulated host. An
// unknown key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { ImagePattern } from "../config/image-pattern.ts"
import { optional, required, withDefault } from "../config/keys.ts"
import { dataKeys } from "../config/process-keys.ts"
import { duration, PositiveInt, writtenMicros } from "../config/quantities.ts"
import { UpstreamList } from "../upstream/mirror-config.ts"
import { buildIndexLimits } from "./limits.ts"

const TagPattern = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._*-]{1,128}$/)).annotate({
  title: "tag pattern"
})

/**
 * What stays of the images that a rule means; without any of the three "keep", every tag stays. A tag is judged by the
 * first rule that means it.
 */
const RetentionRule = Schema.Struct({
  images: required(ImagePattern, "The images that the rule means; a tag is judged by the first such rule"),
  keepLast: optional(PositiveInt, "Keeps so many tags that moved last"),
  keepMatching: withDefault(Schema.Array(TagPattern), [], "Keeps tags of these patterns"),
  keepPulledWithin: optional(
    duration({ least: "1 second" }),
    "Keeps tags whose manifest somebody asked for within this time"
  ),
  untaggedOlderThan: optional(
    duration({ least: "1 second" }),
    "Manifests go that are older, and that no tag, manifest or subject keeps; without it they stay"
  )
})
export type RetentionRule = typeof RetentionRule.Type

export const retentionRule = Schema.decodeSync(RetentionRule)

/** What a build-index takes away by itself. */
const CollectConfig = Schema.Struct({
  every: optional(
    duration({ least: "1 second" }),
    "The time between two collections; without it, only when asked (POST /collect)"
  ),
  grace: withDefault(
    duration({ least: "1 second" }),
    writtenMicros(buildIndexLimits.linkGrace),
    "How long a blob stays that no manifest names, after someone relied on it"
  ),
  retention: withDefault(Schema.Array(RetentionRule), [], "Which tags and manifests stay; without rules, all")
})
export type CollectConfig = typeof CollectConfig.Type

/** Of a build-index, also in a herd. */
export const indexRuleKeys = {
  immutableTags: withDefault(
    Schema.Array(ImagePattern),
    [],
    "Tags that, once put, are neither moved nor deleted"
  ),
  collect: withDefault(CollectConfig, {}, "What is taken away, and when")
}

export const BuildIndexConfig = Schema.Struct({
  ...dataKeys,
  http: required(Listen, "Where the build-index listens, with /metrics, /health and /readiness"),
  ...indexRuleKeys,
  upstreams: withDefault(
    UpstreamList,
    [],
    "Registries whose tags and manifests are looked up when they are asked for; needs `origins`"
  ),
  origins: optional(Schema.NonEmptyArray(HttpUrl), "Where the manifests of upstreams are kept")
})
export type BuildIndexConfig = typeof BuildIndexConfig.Type

/** What is written of it; defaults may be left out. */
export type BuildIndexSettings = typeof BuildIndexConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const buildIndexConfig = Schema.decodeSync(BuildIndexConfig)
