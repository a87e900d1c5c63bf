// The request of a proxy to an agent that it preheats, and the agent's progress: lines of JSON from time to time, the
// last of which says that it has ended. The proxy names contents of the cluster, never addresses.
//
//   POST /preheat   a PreheatAsk -> 200, lines of PreheatProgress; hanging up withdraws the request

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
  /** Contents that the agent has completely. */
  done: Count,
  /** Contents that it could not get. */
  failed: Count,
  /** Bytes of the contents that it has. */
  bytes: Count,
  /** Bytes of those that it did not have before. */
  fetched: Count,
  ended: Schema.Boolean,
  /** The reason of the first failure. */
  message: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1000)))
})
export type PreheatProgress = typeof PreheatProgress.Type
