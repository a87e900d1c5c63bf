// Limits of a host in swarms, in addition to those of its peer machine (protocol/limits.ts). Each line states the
// unit and the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"

export const peerLimits = {
  /** A complete swarm without users frees its file and memory after this time. A request of a peer opens it again. */
  idleSwarmTimeout: seconds(300),
  /**
   * A swarm with neighbours counts as being served for this time after a piece was loaded, because they will ask
   * again.
   */
  servedLately: seconds(1),
  /** A downloader with fewer neighbours asks its tracker again as soon as it may. */
  fewNeighbours: 4,
  /** Announces that are due within this time are sent together. */
  announceCoalescing: milliseconds(100)
}

export type PeerLimits = Readonly<typeof peerLimits>

/** The limits that a host in swarms reads when it is made. Tests provide others. */
export const PeerLimits: Context.Reference<PeerLimits> = Context.Reference("shoal/roles/peer/PeerLimits", {
  defaultValue: () => peerLimits
})

invariant(peerLimits.fewNeighbours <= limits.targetNeighbours, "limits: the target counts as few neighbours")
invariant(
  peerLimits.servedLately <= peerLimits.idleSwarmTimeout,
  "limits: a swarm is idle while it is served"
)
