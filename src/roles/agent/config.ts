// What can be configured of an agent: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown
// key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen, ZoneName } from "../config/addresses.ts"
import { clientLimitKeys } from "../config/client-limits.ts"
import { optional, required, withDefault } from "../config/keys.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { duration, Fraction, size } from "../config/quantities.ts"
import { namingKeys } from "../upstream/mirror-config.ts"
import { RegistryName } from "../upstream/mirror-names.ts"

/** How much of the disk an agent may take, measured on its own files (disk-budget.ts). */
export const DiskBudgetConfig = Schema.Struct({
  budget: required(
    size("100GB"),
    "Bytes that the agent may store; above it the agent evicts the blobs that were used longest ago",
    [{ key: "budgetBytes" }]
  ),
  highWatermark: withDefault(Fraction, 0.9, "Eviction begins above this part of the budget"),
  lowWatermark: withDefault(Fraction, 0.8, "Eviction ends at this part of the budget")
}).check(
  Schema.makeFilter(({ highWatermark, lowWatermark }) =>
    lowWatermark < highWatermark
      ? undefined
      : `lowWatermark ${lowWatermark} must be less than highWatermark ${highWatermark}`
  )
)
export type DiskBudgetConfig = typeof DiskBudgetConfig.Type

const Registration = Schema.Struct({
  url: required(HttpUrl, "How proxies reach this agent, which can then be preheated"),
  zone: optional(ZoneName, "The agent's zone"),
  listen: optional(Listen, "Where proxies alone are served; without it they ask at `registry`")
})

export const AgentConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  registry: required(Listen, "Where the registry read API listens, with /metrics, /health and /readiness"),
  ...clientLimitKeys,
  trackers: required(Schema.NonEmptyArray(HttpUrl), "The HTTP addresses of the trackers"),
  buildIndexes: required(Schema.NonEmptyArray(HttpUrl), "The HTTP addresses of the build-indexes"),
  proxy: optional(
    HttpUrl,
    "The proxy that takes pushes: the agent tells clients its address, or forwards pushes to it"
  ),
  // Every pull of a tag that is older asks the build-index, a question that is answered 304 without a body.
  freshness: withDefault(
    duration({ least: 0, most: "1 day" }),
    "5 seconds",
    "How soon a moved tag or a deletion is seen; 0 asks at every request"
  ),
  serveStale: withDefault(
    Schema.Boolean,
    true,
    "Whether the last known value is served, with its Age, while the build-index is away"
  ),
  push: withDefault(
    Schema.Literals(["refuse", "forward"]),
    "refuse",
    "What becomes of a push; forward needs `proxy`"
  ),
  register: optional(Registration, "Makes the agent known to the trackers, so that proxies can preheat it"),
  disk: optional(DiskBudgetConfig, "Bounds what is kept; without it an agent keeps everything"),
  ...namingKeys,
  defaultUpstream: optional(
    RegistryName,
    "One of `mirrors`: the registry of names that name none and that the cluster does not have (docker)"
  )
})
export type AgentConfig = typeof AgentConfig.Type

/** What is written of it; defaults may be left out. */
export type AgentSettings = typeof AgentConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const agentConfig = Schema.decodeSync(AgentConfig)
