// The configuration of an origin: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown key
// or a bad value is refused with its path, before anything is opened.

import { Duration, Schema } from "effect"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { optional, required, withDefault } from "../config/keys.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { duration, writtenMicros } from "../config/quantities.ts"
import { UpstreamList } from "../upstream/mirror-config.ts"
import { originLimits } from "./limits.ts"

/** The rules by which an origin removes blobs itself. */
const OriginCollect = Schema.Struct({
  every: optional(
    duration({ least: "1 second" }),
    "The time between two collections; without it, only on request (POST /collect)"
  ),
  grace: withDefault(
    duration({ least: Duration.millis(originLimits.minBlobGrace / 1_000) }),
    writtenMicros(originLimits.blobGrace),
    "Time for which an unneeded blob stays after a client relied on it"
  )
})
export type OriginCollect = typeof OriginCollect.Type

export const OriginConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  http: required(Listen, "Where the origin listens for HTTP, with /metrics, /health and /readiness"),
  origins: required(
    Schema.NonEmptyArray(HttpUrl),
    "Every origin of the ring, this one included, by the URL that the others use"
  ),
  self: required(HttpUrl, "This origin's own entry among the origins"),
  upstreams: withDefault(UpstreamList, [], "Registries whose blobs are fetched on request"),
  buildIndexes: optional(
    Schema.NonEmptyArray(HttpUrl),
    "Every build-index of the cluster; without it no unneeded blob is collected"
  ),
  collect: withDefault(OriginCollect, {}, "When unneeded blobs are removed")
})
export type OriginConfig = typeof OriginConfig.Type

/** The configuration as it is written. Defaults may be left out. */
export type OriginSettings = typeof OriginConfig.Encoded

/** The configuration that the settings mean, with all defaults. */
export const originConfig = Schema.decodeSync(OriginConfig)
