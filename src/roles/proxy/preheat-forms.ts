// The JSON of preheat requests and of their status: our own forms, and those of Harbor and Dragonfly.
// preheat-order.ts interprets the requests.

import { Schema } from "effect"
import { AgentRegistration } from "../client/registration-wire.ts"
import { DigestText } from "../http/wire-schema.ts"
import { PreheatScope } from "./config.ts"

const Platform = Schema.String.check(
  Schema.isMaxLength(100),
  Schema.isPattern(/^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/)
)

export const PreheatRequest = Schema.Struct({
  image: Schema.String,
  platforms: Schema.optionalKey(Schema.Array(Platform).check(Schema.isMaxLength(50))),
  scope: Schema.optionalKey(PreheatScope)
}).annotate({ identifier: "PreheatRequest" })

/**
 * The scopes of a Dragonfly with schedulers and seed peers. Our seed peers are the origins, which have pushed images.
 */
export const DragonflyScope = Schema.Literals([
  "",
  "single_peer",
  "all_peers",
  "single_seed_peer",
  "all_seed_peers"
])

/** Harbor's form up to 2.11, for the first Dragonfly. */
export const HarborImage = Schema.Struct({
  type: Schema.Literal("image"),
  url: Schema.optionalKey(Schema.String),
  image: Schema.optionalKey(Schema.String),
  tag: Schema.optionalKey(Schema.String),
  digest: Schema.optionalKey(Schema.String),
  scope: Schema.optionalKey(DragonflyScope)
}).annotate({ identifier: "HarborImage" })

/** A job of Dragonfly's open API, which later versions of Harbor send. */
export const DragonflyJob = Schema.Struct({
  type: Schema.Literal("preheat"),
  args: Schema.Struct({
    type: Schema.Literal("image"),
    url: Schema.String,
    platform: Schema.optionalKey(Schema.Union([Schema.Literal(""), Platform])),
    scope: Schema.optionalKey(DragonflyScope)
  })
}).annotate({ identifier: "DragonflyJob" })

export const AgentState = Schema.Literals(["pending", "running", "done", "failed", "cancelled"])

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A preheat without its agents. Sizes are bytes, times ISO 8601. */
export const PreheatSummary = Schema.Struct({
  id: Schema.String,
  image: Schema.String,
  digest: Schema.optionalKey(DigestText),
  platforms: Schema.Array(Schema.String),
  scope: Schema.Union([PreheatScope, Schema.Struct({ kind: Schema.Literal("none") })]),
  state: Schema.Literals(["resolving", "running", "done", "failed", "cancelled"]),
  message: Schema.optionalKey(Schema.String),
  startedAt: Schema.String,
  endedAt: Schema.optionalKey(Schema.String),
  contents: Count,
  bytes: Count,
  /** The number of agents in each state. */
  agents: Schema.Struct({
    total: Count,
    pending: Count,
    running: Count,
    done: Count,
    failed: Count,
    cancelled: Count
  })
}).annotate({ identifier: "PreheatSummary" })
export type PreheatSummary = typeof PreheatSummary.Type

/** A preheat with its agents, or those in one state. */
export const PreheatStatus = Schema.Struct({
  ...PreheatSummary.fields,
  perAgent: Schema.Array(
    Schema.Struct({
      ...AgentRegistration.fields,
      state: AgentState,
      /** Number of times that it was asked. */
      attempts: Count,
      /** Contents that it has, and that it could not get. */
      done: Count,
      failed: Count,
      /** Bytes of those that it has, and of those among them that it had to fetch. */
      bytes: Count,
      fetched: Count,
      /** The reason why it failed, or why it is asked again. */
      message: Schema.optionalKey(Schema.String)
    })
  )
}).annotate({ identifier: "PreheatStatus" })
export type PreheatStatus = typeof PreheatStatus.Type
