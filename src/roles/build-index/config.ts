// The configuration of a build-index: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown
// key or a bad value is refused with its path, before anything is opened.

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
 * What stays of the images that a rule matches. Without any of the three "keep" keys, every tag stays. The first rule
 * that matches a tag decides.
 */
const RetentionRule = Schema.Struct({
  images: required(
    ImagePattern,
    "The images that the rule matches; the first matching rule decides over a tag"
  ),
  keepLast: optional(PositiveInt, "Number of tags to keep, those that moved last"),
  keepMatching: withDefault(Schema.Array(TagPattern), [], "Patterns of tags to keep"),
  keepPulledWithin: optional(
    duration({ least: "1 second" }),
    "Keeps tags whose manifest was requested within this time"
  ),
  untaggedOlderThan: optional(
    duration({ least: "1 second" }),
    "A manifest that no tag, index or subject keeps is removed at this age; never when absent"
  )
})
export type RetentionRule = typeof RetentionRule.Type

export const retentionRule = Schema.decodeSync(RetentionRule)

/** The rules by which a build-index removes content itself. */
const CollectConfig = Schema.Struct({
  every: optional(
    duration({ least: "1 second" }),
    "The time between two collections; without it, only on request (POST /collect)"
  ),
  grace: withDefault(
    duration({ least: "1 second" }),
    writtenMicros(buildIndexLimits.linkGrace),
    "Time for which a blob without a manifest stays after a client relied on it"
  ),
  retention: withDefault(Schema.Array(RetentionRule), [], "Which tags and manifests stay; without rules, all")
})
export type CollectConfig = typeof CollectConfig.Type

/** Keys of a build-index, also in a herd. */
export const indexRuleKeys = {
  immutableTags: withDefault(
    Schema.Array(ImagePattern),
    [],
    "Tags that are neither moved nor deleted once they are put"
  ),
  collect: withDefault(CollectConfig, {}, "What is removed, and when")
}

export const BuildIndexConfig = Schema.Struct({
  ...dataKeys,
  http: required(Listen, "Where the build-index listens, with /metrics, /health and /readiness"),
  ...indexRuleKeys,
  upstreams: withDefault(
    UpstreamList,
    [],
    "Registries whose tags and manifests are looked up on request; needs `origins`"
  ),
  origins: optional(Schema.NonEmptyArray(HttpUrl), "Where the manifests of upstreams are stored")
})
export type BuildIndexConfig = typeof BuildIndexConfig.Type

/** The configuration as it is written. Defaults may be left out. */
export type BuildIndexSettings = typeof BuildIndexConfig.Encoded

/** The configuration that the settings mean, with all defaults. */
export const buildIndexConfig = Schema.decodeSync(BuildIndexConfig)
