// Limits of a tracker: swarms and metainfo that it keeps, and bytes of what it is told. Each line states the unit and
// the trade-off; relations between limits are asserted when the module loads. Peers of one swarm: protocol/limits.ts.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const trackerLimits = {
  /** Swarms that a tracker keeps; the one announced longest ago is forgotten first, and announced again in time. */
  maxSwarmsTracked: 100_000,
  /** Bytes of an announce: less than 2 KiB a swarm. */
  maxAnnounceBytes: 512 * KiB,
  /** Bytes of a registration: an address and a zone. */
  maxRegistrationBytes: 1 * KiB,
  /** Metainfo that a tracker keeps: entries, bytes of the longest one, and how long. A miss is not kept. */
  maxMetainfoCached: 256,
  maxMetainfoBytesCached: MiB,
  metainfoLifetime: seconds(300)
}

export type TrackerLimits = Readonly<typeof trackerLimits>

/** What a tracker reads when it is made: these limits, unless a test sets others. */
export const TrackerLimits: Context.Reference<TrackerLimits> = Context.Reference(
  "shoal/roles/tracker/TrackerLimits",
  {
    defaultValue: () => trackerLimits
  }
)

invariant(
  2 * KiB * askLimits.maxSwarmsPerAnnounce <= trackerLimits.maxAnnounceBytes,
  "limits: the largest announce does not fit a request"
)
