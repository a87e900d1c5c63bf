// Limits of an origin: copies to other origins, repairs, fetches from upstreams, and what its collector may take. Each
// line states the unit, the formula or the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

export const originLimits = {
  /** Copies to other origins that wait for a retry; the pause between two retries, which bounds their rate. */
  maxQueuedReplications: 100_000,
  replicationRetryPause: seconds(1),
  /** Rows of that queue read at once. */
  replicationPage: 256,
  /** Wait before a failed copy is tried again: doubles from the first to the last. */
  minReplicationDelay: seconds(5),
  maxReplicationDelay: seconds(600),
  /** Blobs that an origin fetches at once from other owners, to repair what it should have. */
  maxParallelRepairs: 2,
  /** Blobs that wait for a repair; one that finds no place is repaired when it is asked for again. */
  maxQueuedRepairs: 1000,

  /** Blobs that an origin fetches from upstreams at once, and blobs that are fetched or wait for it. */
  maxUpstreamFetches: 4,
  maxQueuedUpstreamFetches: 1000,
  /** How long an origin lets a request wait for a blob that is being fetched before it says so. */
  upstreamFetchWait: seconds(10),

  /** An origin keeps a blob that no repository needs for this long after its last touch: as long as its link. */
  blobGrace: seconds(24 * 3600),
  /**
   * The least grace that may be configured. A toucher links within touchReliance, so within this a blob cannot be
   * collected in between, whatever clocks and processes do.
   */
  minBlobGrace: seconds(20),
  /** Blobs whose last touch an origin remembers, about 150 bytes each. Beyond it all others count as touched. */
  maxTouchesRemembered: 1_000_000
}

export type OriginLimits = Readonly<typeof originLimits>

/** What an origin reads when it is made: these limits, unless a test sets others. */
export const OriginLimits: Context.Reference<OriginLimits> = Context.Reference(
  "shoal/roles/origin/OriginLimits",
  {
    defaultValue: () => originLimits
  }
)

invariant(originLimits.minReplicationDelay <= originLimits.maxReplicationDelay, "limits: replication delay")
invariant(
  2 * askLimits.touchReliance <= originLimits.minBlobGrace &&
    originLimits.minBlobGrace <= originLimits.blobGrace,
  "limits: a blob could be collected between its touch and its link"
)
invariant(
  originLimits.upstreamFetchWait + askLimits.askTimeout < askLimits.httpTimeout,
  "limits: a request for a blob that is being fetched would be given up before it is answered"
)
