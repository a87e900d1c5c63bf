// What can be configured of an origin: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown
// key or a bad value is refused with its path, before anything is opened.

import { Duration, Schema } from "effect"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { optional, required, withDefault } from "../config/keys.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { duration, writtenMicros } from "../config/quantities.ts"
import { UpstreamList } from "../upstream/mirror-config.ts"
import { originLimits } from "./limits.ts"

/** What an origin takes away by itself. */
const OriginCollect = Schema.Struct({
  every: optional(
    duration({ least: "1 second" }),
    "The time between two collections; without it, only when asked (POST /collect)"
  ),
  grace: withDefault(
    duration({ least: Duration.millis(originLimits.minBlobGrace / 1_000) }),
    writtenMicros(originLimits.blobGrace),
    "How long a blob stays that no repository needs, after someone relied on it"
  )
})
export type OriginCollect = typeof OriginCollect.Type

export const OriginConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  http: required(Listen, "Where the origin listens for HTTP, with /metrics, /health and /readiness"),
  origins: required(
    Schema.NonEmptyArray(HttpUrl),
    "Every origin of the cluster, this one included, as the others reach it: the members of the ring"
  ),
  self: required(HttpUrl, "This origin's own entry among the origins"),
  upstreams: withDefault(UpstreamList, [], "Registries whose blobs are fetched when they are asked for"),
  buildIndexes: optional(
    Schema.NonEmptyArray(HttpUrl),
    "Every build-index of the cluster: what none of them needs can be collected; without it nothing is"
  ),
  collect: withDefault(OriginCollect, {}, "When blobs go that no repository needs")
})
export type OriginConfig = typeof OriginConfig.Type

/** What is written of it; defaults may be left out. */
export type OriginSettings = typeof OriginConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const originConfig = Schema.decodeSync(OriginConfig)
