// Decides how an experiment may run the roles under limits other than the shipped ones: a world may replace some of the
// swarm's rules; one that says nothing gets protocol/limits.ts. No configuration reaches this, so what ships is what
// was measured.

import { Context } from "effect"
import type { HandOutRules } from "../../protocol/tracking/hand-out.ts"
import type { PeerHostRules } from "../../protocol/swarm/host-context.ts"
import type { Micros } from "../../protocol/kit/time.ts"

/** One set for peers and trackers: the rules that both have, such as the degree, change for both. */
export interface SwarmRules extends PeerHostRules, HandOutRules {
  /** limits.ts says what it means. */
  readonly secondAnnounceDelay: Micros
}

export const SwarmRules: Context.Reference<Partial<SwarmRules>> = Context.Reference(
  "shoal/roles/SwarmRules",
  {
    defaultValue: (): Partial<SwarmRules> => ({})
  }
)
