// Decides what a proxy asks of an agent that it preheats, and what the agent tells meanwhile: a line of JSON now and
// then, the last of which says that it ended. The agent is asked for names of the cluster, never for addresses.
//
//   POST /preheat   a PreheatAsk -> 200, lines of PreheatProgress; hanging up withdraws what is asked

import { Schema } from "effect"
import { DigestText, RepositoryText } from "../http/wire-schema.ts"
import { askLimits } from "./limits.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A manifest, a config or a layer. */
export const PreheatContent = Schema.Struct({
  digest: DigestText,
  /** Bytes. */
  size: Count
})
export type PreheatContent = typeof PreheatContent.Type

export const PreheatAsk = Schema.Struct({
  repository: RepositoryText,
  contents: Schema.NonEmptyArray(PreheatContent).check(Schema.isMaxLength(askLimits.maxPreheatContents))
})
export type PreheatAsk = typeof PreheatAsk.Type

export const PreheatProgress = Schema.Struct({
  /** Contents that the agent has whole. */
  done: Count,
  /** Contents that it could not get. */
  failed: Count,
  /** Bytes of those that it has. */
  bytes: Count,
  /** Bytes of those that it had not before. */
  fetched: Count,
  ended: Schema.Boolean,
  /** Why the first of those failed. */
  message: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1000)))
})
export type PreheatProgress = typeof PreheatProgress.Type
