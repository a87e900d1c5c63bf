// Limits of an origin: copies to other origins, repairs, fetches from upstreams, and its collector. Each line states
// the unit, the formula or the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

const MiB = 1024 * 1024

export const originLimits = {
  /** Copies to other origins that wait for a retry, and the pause between two retries, which bounds their rate. */
  maxQueuedReplications: 100_000,
  replicationRetryPause: seconds(1),
  /** Rows of that queue that are read at once. */
  replicationPage: 256,
  /** Wait before a failed copy is tried again. It doubles from the first to the last. */
  minReplicationDelay: seconds(5),
  maxReplicationDelay: seconds(600),
  /** Blobs that an origin fetches at once from other owners, to repair its own copies. */
  maxParallelRepairs: 2,
  /** Blobs that wait for a repair. One without a place is repaired when it is requested again. */
  maxQueuedRepairs: 1000,

  /** Blobs that an origin fetches from upstreams at once, and blobs that are fetched or wait for it. */
  maxUpstreamFetches: 4,
  maxQueuedUpstreamFetches: 1000,
  /** Bytes of a blob from which on it is served while it arrives. A shorter one is waited for. */
  minArrivalBytes: 1 * MiB,
  /**
   * Time after which a blob that is being received is given out by its arrival. One that is whole by then never has a
   * second swarm. The first byte of all others waits for it.
   */
  arrivalDelay: milliseconds(100),
  /** Time that an origin lets a request wait for a blob that is being fetched before it says so. */
  upstreamFetchWait: seconds(10),

  /** An origin keeps an unneeded blob for this time after its last touch: as long as its link. */
  blobGrace: seconds(24 * 3600),
  /**
   * Minimum of the grace in a configuration. A link follows its touch within touchReliance, so within this time a
   * blob cannot be collected in between, whatever clocks and processes do.
   */
  minBlobGrace: seconds(20),
  /** Blobs whose last touch an origin remembers, about 150 bytes each. Beyond it all others count as touched. */
  maxTouchesRemembered: 1_000_000
}

export type OriginLimits = Readonly<typeof originLimits>

/** The limits that an origin reads when it is made. Tests provide others. */
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
