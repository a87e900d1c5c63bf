// What can be configured of an agent: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown
// key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen, ZoneName } from "../config/addresses.ts"
import { clientLimitKeys } from "../config/client-limits.ts"
import { defaultTo, Fraction, PositiveInt } from "../config/numbers.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { namingKeys } from "../upstream/mirror-config.ts"
import { RegistryName } from "../upstream/mirror-names.ts"

/** How much of the disk an agent may take, measured on its own files (disk-budget.ts). Absent: as much as there is. */
export const DiskBudgetConfig = Schema.Struct({
  budgetBytes: PositiveInt,
  /** Parts of the budget: above the first, what was used longest ago goes, until there is no more than the second. */
  highWatermark: defaultTo(Fraction, 0.9),
  lowWatermark: defaultTo(Fraction, 0.8)
}).check(
  Schema.makeFilter(({ highWatermark, lowWatermark }) =>
    lowWatermark < highWatermark
      ? undefined
      : `lowWatermark ${lowWatermark} must be less than highWatermark ${highWatermark}`
  )
)
export type DiskBudgetConfig = typeof DiskBudgetConfig.Type

export const AgentConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  /** The registry read API, /metrics, /health and /readiness. */
  registry: Listen,
  ...clientLimitKeys,
  trackers: Schema.NonEmptyArray(HttpUrl),
  buildIndexes: Schema.NonEmptyArray(HttpUrl),
  /** Where a client that tries to push here is sent, in words; with `push: forward`, where what it sends is sent. */
  proxy: Schema.optionalKey(HttpUrl),
  /**
   * Seconds within which a tag that moved, or a deletion, is seen here; 0 asks the build-index at every request. Every
   * pull of a tag that is older asks, a question that is answered 304 without a body.
   */
  freshness: defaultTo(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })), 5),
  /** Whether the last known value is served while the build-index is away, Age telling how old it is. */
  serveStale: defaultTo(Schema.Boolean, true),
  /** What becomes of a push to this agent. */
  push: defaultTo(Schema.Literals(["refuse", "forward"]), "refuse"),
  /** Makes the agent known to the trackers, so that a proxy can preheat it: how it is reached, and where it stands. */
  register: Schema.optionalKey(
    Schema.Struct({
      url: HttpUrl,
      zone: Schema.optionalKey(ZoneName),
      /** Where proxies are listened to, and nobody else is served. Absent: at `registry`. */
      listen: Schema.optionalKey(Listen)
    })
  ),
  disk: Schema.optionalKey(DiskBudgetConfig),
  ...namingKeys,
  /** One of mirrors: where a name without `ns` is looked up when the cluster has no such repository (docker). */
  defaultUpstream: Schema.optionalKey(RegistryName)
})
export type AgentConfig = typeof AgentConfig.Type

/** What is written of it; defaults may be left out. */
export type AgentSettings = typeof AgentConfig.Encoded

/** The configuration that settings mean, filled with defaults. */
export const agentConfig = Schema.decodeSync(AgentConfig)
