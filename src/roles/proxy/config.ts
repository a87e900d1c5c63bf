// The configuration of a proxy, and of its preheating: one schema for a YAML file, a JSON file, flags and a simulated
// host. An unknown key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen, ZoneName } from "../config/addresses.ts"
import { clientLimitKeys } from "../config/client-limits.ts"
import { ImagePattern } from "../config/image-pattern.ts"
import { optional, required, withDefault } from "../config/keys.ts"
import { dataKeys } from "../config/process-keys.ts"
import { PositiveInt } from "../config/quantities.ts"
import { namingKeys } from "../upstream/mirror-config.ts"

/** The agents that are preheated. */
export const PreheatScope = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("all") }),
  Schema.Struct({ kind: Schema.Literal("zone"), zone: ZoneName }),
  Schema.Struct({ kind: Schema.Literal("count"), count: PositiveInt })
]).annotate({ title: "{ kind: all }, { kind: zone, zone: NAME } or { kind: count, count: NUMBER }" })
export type PreheatScope = typeof PreheatScope.Type

/** Images that are preheated without a request, when they are pushed. */
export const PreheatRules = Schema.Struct({
  onPush: withDefault(Schema.Array(ImagePattern), [], "Images that are preheated when they are pushed"),
  scope: withDefault(
    PreheatScope,
    { kind: "all" },
    "The agents that pull these images, and the images of requests without a scope"
  )
})
export type PreheatRules = typeof PreheatRules.Type

export const ProxyConfig = Schema.Struct({
  ...dataKeys,
  registry: required(Listen, "Where the registry API listens, with /metrics, /health and /readiness"),
  ...clientLimitKeys,
  origins: required(Schema.NonEmptyArray(HttpUrl), "The HTTP addresses of the origins"),
  buildIndexes: required(Schema.NonEmptyArray(HttpUrl), "The HTTP addresses of the build-indexes"),
  trackers: optional(
    Schema.NonEmptyArray(HttpUrl),
    "The HTTP addresses of the trackers; without them there is no preheating"
  ),
  preheat: withDefault(PreheatRules, {}, "What is preheated without a request, and where"),
  ...namingKeys
})
export type ProxyConfig = typeof ProxyConfig.Type

/** The configuration as it is written. Defaults may be left out. */
export type ProxySettings = typeof ProxyConfig.Encoded

/** The configuration that the settings mean, with all defaults. */
export const proxyConfig = Schema.decodeSync(ProxyConfig)
