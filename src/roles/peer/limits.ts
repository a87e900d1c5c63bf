// Limits of a host in swarms, beside those of its peer machine (protocol/limits.ts). Each line states the unit and the
// trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"

export const peerLimits = {
  /** A complete swarm that nobody uses gives back its file and memory after this; a peer that asks opens it again. */
  idleSwarmTimeout: seconds(300),
  /** A swarm that still has neighbours counts as being served this long after a piece was loaded: they ask again. */
  servedLately: seconds(1),
  /** A downloader with fewer neighbours asks its tracker again as soon as it may. */
  fewNeighbours: 4,
  /** Announces that come due within this are sent together. */
  announceCoalescing: milliseconds(100)
}

export type PeerLimits = Readonly<typeof peerLimits>

/** What a host in swarms reads when it is made: these limits, unless a test sets others. */
export const PeerLimits: Context.Reference<PeerLimits> = Context.Reference("shoal/roles/peer/PeerLimits", {
  defaultValue: () => peerLimits
})

invariant(peerLimits.fewNeighbours <= limits.targetNeighbours, "limits: the target counts as few neighbours")
invariant(
  peerLimits.servedLately <= peerLimits.idleSwarmTimeout,
  "limits: a swarm is idle while it is served"
)
