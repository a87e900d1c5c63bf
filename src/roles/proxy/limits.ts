// Limits of the preheats of a proxy: remembered images, jobs and hosts, and waits. Each line states the unit and the
// trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const proxyLimits = {
  /** Depth of nested indexes that is followed. */
  maxPreheatDepth: 4,
  /** Bytes of a preheat request and of a notification, and events in a notification. */
  maxPreheatRequestBytes: 64 * KiB,
  maxNotificationBytes: 1 * MiB,
  maxNotificationEvents: 256,
  /** Jobs that a proxy remembers, and agents in all of them together (about 200 bytes each). Ended jobs make room. */
  maxPreheatJobs: 256,
  maxPreheatRecords: 200_000,
  /**
   * Agents that one answer in Dragonfly's form lists, of those that are done and of those that failed. Each has about
   * 200 bytes.
   */
  maxDragonflyTasks: 1000,
  /** Time for which the status of an ended job is available. */
  preheatJobLifetime: seconds(3600),
  /** Agents that a proxy asks at once, over all jobs. Each costs a connection; more at once swarm better. */
  maxPreheatAsks: 512,
  /** An agent that is not done after this time has failed. Its pulls fail by themselves when nothing moves. */
  preheatPatience: seconds(3600),
  /** Number of lookups of an image in a notification, and the wait before the second, which doubles. */
  notifiedLookups: 5,
  notifiedLookupDelay: milliseconds(200),
  /** Bytes of a line of progress. */
  maxPreheatLineBytes: 4 * KiB
}

export type ProxyLimits = Readonly<typeof proxyLimits>

/** The limits that a proxy reads when it is made. Tests provide others. */
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
