// What this process uses, read from Node: processor time, resident memory, and how late its event loop is. The delays
// are those since the last reading that is at least `loopDelayWindow` old, so that several roles and scrapers of one
// process see the same.

import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { Effect, type Scope } from "effect"
import type { ProcessUse } from "../../roles/services/process-use.ts"
import { PlatformLimits } from "./limits.ts"

/** Watches the event loop until the scope closes. */
export const nodeProcessUse: Effect.Effect<() => ProcessUse, never, Scope.Scope> = Effect.gen(function* () {
  const { loopDelayWindow, loopDelayStep } = yield* PlatformLimits
  const step = loopDelayStep / 1000
  const delays = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const monitor = monitorEventLoopDelay({ resolution: step })
      monitor.enable()
      return monitor
    }),
    (monitor) => Effect.sync(() => monitor.disable())
  )
  // Node tells the time between two wakes, in nanoseconds.
  const late = (nanoseconds: number): number =>
    delays.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - step / 1000)
  let read: { readonly at: number; readonly loopDelay: ProcessUse["loopDelay"] } | undefined
  const loopDelay = (): ProcessUse["loopDelay"] => {
    const now = performance.now()
    if (read !== undefined && now - read.at < loopDelayWindow / 1000) return read.loopDelay
    read = { at: now, loopDelay: { p99: late(delays.percentile(99)), max: late(delays.max) } }
    delays.reset()
    return read.loopDelay
  }
  return () => {
    const { user, system } = process.cpuUsage()
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
      loopDelay: loopDelay()
    }
  }
})
