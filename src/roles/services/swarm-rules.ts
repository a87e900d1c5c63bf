// Swarm rules for experiments: a world may replace some of the limits of swarms; the others are those of
// protocol/limits.ts. No configuration can change them, so the shipped rules are the measured ones.

import { Context } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import type { PeerHostRules } from "../../protocol/swarm/host-context.ts"
import type { HandOutRules } from "../../protocol/tracking/hand-out.ts"

/** The rules of peers and trackers; a rule that both use, such as the degree, changes for both. */
export interface SwarmRules extends PeerHostRules, HandOutRules {
  /** See protocol/limits.ts. */
  readonly secondAnnounceDelay: Micros
}

export const SwarmRules: Context.Reference<Partial<SwarmRules>> = Context.Reference(
  "shoal/roles/SwarmRules",
  {
    defaultValue: (): Partial<SwarmRules> => ({})
  }
)
