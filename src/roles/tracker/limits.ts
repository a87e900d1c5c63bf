// Limits of a tracker: the swarms and metainfo that it keeps, and bytes of its requests. Each line states the unit
// and the trade-off; relations between limits are asserted when the module loads. protocol/limits.ts bounds the peers
// of one swarm.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

const KiB = 1024

export const trackerLimits = {
  /** Swarms that a tracker keeps. The one announced longest ago is forgotten first, and announced again in time. */
  maxSwarmsTracked: 100_000,
  /** Bytes of an announce: less than 2 KiB per swarm. */
  maxAnnounceBytes: 512 * KiB,
  /** Bytes of a registration: an address and a zone. */
  maxRegistrationBytes: 1 * KiB,
  /** Metainfo that a tracker keeps: entries, at most 200 bytes each, and time. A miss is not cached. */
  maxMetainfoCached: 4096,
  metainfoLifetime: seconds(300)
}

export type TrackerLimits = Readonly<typeof trackerLimits>

/** The limits that a tracker reads when it is made. Tests provide others. */
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
