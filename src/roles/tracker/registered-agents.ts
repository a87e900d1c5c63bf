// The agents that a tracker knows: those that registered, and again in time. The URL identifies an agent, so a new
// installation replaces the old one. Nothing is stored on disk; after a restart, the agents' next registrations
// complete the table again.
//
//   absent --registers--> known --registers--> known
//                           \--silent for announceMisses periods--> absent
//
// Invariant: at most maxRegisteredAgents; the Map's order is that of the last registration.

import type { Micros } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import type { AskLimits } from "../client/limits.ts"
import type { AgentRegistration } from "../client/registration-wire.ts"
import { baseUrl } from "../client/upstreams.ts"

export interface RegisteredAgents {
  /** False when there is no room for another agent. */
  readonly register: (registration: AgentRegistration, now: Micros) => boolean
  /** Agents that registered in time, sorted by URL. */
  readonly list: (now: Micros) => ReadonlyArray<AgentRegistration>
  readonly count: () => number
}

/** Time for which a tracker knows a silent agent. */
export const registrationLifetime = ({ registrationPeriod }: AskLimits): Micros =>
  registrationPeriod * limits.announceMisses

export const makeRegisteredAgents = (asking: AskLimits): RegisteredAgents => {
  const lifetime = registrationLifetime(asking)
  const table = new Map<string, { readonly registration: AgentRegistration; readonly heardAt: Micros }>()

  const forgetSilent = (now: Micros): void => {
    for (const [url, { heardAt }] of table) {
      if (now - heardAt < lifetime) return
      table.delete(url)
    }
  }

  return {
    register: (registration, now) => {
      forgetSilent(now)
      const url = baseUrl(registration.url)
      if (!table.delete(url) && table.size >= asking.maxRegisteredAgents) return false
      table.set(url, { registration: { ...registration, url }, heardAt: now })
      return true
    },
    list: (now) => {
      forgetSilent(now)
      return [...table.values()]
        .map(({ registration }) => registration)
        .sort((one, other) => (one.url < other.url ? -1 : 1))
    },
    count: () => table.size
  }
}
