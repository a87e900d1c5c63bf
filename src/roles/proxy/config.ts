// What can be configured of a proxy, and of the preheating that it begins: one schema for a YAML file, a JSON file, flags
// and a simulated host. An unknown key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen, ZoneName } from "../config/addresses.ts"
import { clientLimitKeys } from "../config/client-limits.ts"
import { ImagePattern } from "../config/image-pattern.ts"
import { defaultTo, PositiveInt } from "../config/numbers.ts"
import { dataKeys } from "../config/process-keys.ts"
import { namingKeys } from "../upstream/mirror-config.ts"

/** Which agents are preheated. */
export const PreheatScope = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("all") }),
  Schema.Struct({ kind: Schema.Literal("zone"), zone: ZoneName }),
  Schema.Struct({ kind: Schema.Literal("count"), count: PositiveInt })
])
export type PreheatScope = typeof PreheatScope.Type

/** Images that are preheated without being asked for, when they are pushed. */
export const PreheatRules = Schema.Struct({
  /** Patterns of "repository" or "repository:tag"; "*" is any text without a slash, "**" any text. */
  onPush: defaultTo(Schema.Array(ImagePattern), []),
  /** Where to, for those, and for a request that names no scope. */
  scope: defaultTo(PreheatScope, { kind: "all" })
})
export type PreheatRules = typeof PreheatRules.Type

export const ProxyConfig = Schema.Struct({
  ...dataKeys,
  /** The registry write API, /metrics, /health and /readiness. */
  registry: Listen,
  ...clientLimitKeys,
  origins: Schema.NonEmptyArray(HttpUrl),
  buildIndexes: Schema.NonEmptyArray(HttpUrl),
  /** Who knows the agents that can be preheated. Absent: there is no preheating. */
  trackers: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl)),
  preheat: defaultTo(PreheatRules, {}),
  ...namingKeys
})
export type ProxyConfig = typeof ProxyConfig.Type

/** What is written of it; defaults may be left out. */
export type ProxySettings = typeof ProxyConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const proxyConfig = Schema.decodeSync(ProxyConfig)
