// Limits of the preheats that a proxy orders: images, jobs and hosts that it remembers, and how long it waits. Each line
// states the unit and the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const proxyLimits = {
  /** Indexes within indexes that are followed. */
  maxPreheatDepth: 4,
  /** Bytes of a request to preheat, and of a notification; events in a notification. */
  maxPreheatRequestBytes: 64 * KiB,
  maxNotificationBytes: 1 * MiB,
  maxNotificationEvents: 256,
  /** Jobs that a proxy remembers, and agents in all of them together (about 200 bytes each); ended jobs give way. */
  maxPreheatJobs: 256,
  maxPreheatRecords: 200_000,
  /** An ended job's status can be asked for this long. */
  preheatJobLifetime: seconds(3600),
  /** Agents that a proxy asks at once, over all jobs: a connection each, and the more at once the better they swarm. */
  maxPreheatAsks: 512,
  /** An agent that is not done after this has failed. Its pulls fail by themselves when nothing moves. */
  preheatPatience: seconds(3600),
  /** Times that an image of a notification is looked up, and the wait before the second; it doubles. */
  notifiedLookups: 5,
  notifiedLookupDelay: milliseconds(200),
  /** Bytes of a line of progress. */
  maxPreheatLineBytes: 4 * KiB
}

export type ProxyLimits = Readonly<typeof proxyLimits>

/** What a proxy reads when it is made: these limits, unless a test sets others. */
export const ProxyLimits: Context.Reference<ProxyLimits> = Context.Reference(
  "shoal/roles/proxy/ProxyLimits",
  {
    defaultValue: () => proxyLimits
  }
)

invariant(
  askLimits.maxRegisteredAgents <= proxyLimits.maxPreheatRecords,
  "limits: a preheat of every agent does not fit the table of jobs"
)
invariant(
  askLimits.preheatSilence <= proxyLimits.preheatPatience,
  "limits: an agent fails before it counts as gone"
)
