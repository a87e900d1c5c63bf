// What can be configured of an origin: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown
// key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { defaultTo, PositiveInt } from "../config/numbers.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { UpstreamList } from "../upstream/mirror-config.ts"

/** What an origin takes away by itself. */
export const OriginCollect = Schema.Struct({
  /** Seconds between two collections. Absent: only when asked (POST /collect). */
  every: Schema.optionalKey(PositiveInt),
  /** Seconds that a blob stays which no repository needs, after someone relied on it. */
  grace: defaultTo(
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(limits.minBlobGrace / seconds(1))),
    limits.blobGrace / seconds(1)
  )
})
export type OriginCollect = typeof OriginCollect.Type

export const OriginConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  http: Listen,
  /** Every origin of the cluster, this one included, as the others reach it: the members of the ring. */
  origins: Schema.NonEmptyArray(HttpUrl),
  /** This origin's own entry in `origins`. */
  self: HttpUrl,
  /** Registries whose blobs are fetched when they are asked for. */
  upstreams: defaultTo(UpstreamList, []),
  /** Every build-index of the cluster: what none of them needs can be collected. Absent: nothing is. */
  buildIndexes: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl)),
  collect: defaultTo(OriginCollect, {})
})
export type OriginConfig = typeof OriginConfig.Type

/** What is written of it; defaults may be left out. */
export type OriginSettings = typeof OriginConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const originConfig = Schema.decodeSync(OriginConfig)
