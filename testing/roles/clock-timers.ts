// Test timers of the data plane, which run on Effect's clock, so that a test clock moves them.

import { Clock, Duration, Effect } from "effect"
import type { Timers } from "../../src/roles/services/timers.ts"

export interface ClockTimers {
  readonly now: Timers["Service"]["now"]
  readonly wakeAt: Timers["Service"]["wakeAt"]
  /** Number of timers that were neither called nor cancelled. */
  readonly armed: ReadonlySet<symbol>
}

/** Timers on the clock of the current fiber. */
export const clockTimers: Effect.Effect<ClockTimers> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const now = (): number => Math.round(clock.currentTimeMillisUnsafe() * 1_000)
  const armed = new Set<symbol>()
  return {
    now,
    armed,
    // Like a real timer, never calls back within wakeAt.
    wakeAt: (at, wake) => {
      const wait = Effect.sleep(Duration.millis(Math.max(1, at - now()) / 1_000))
      const timer = Symbol("timer")
      const disarm = Effect.sync(() => armed.delete(timer))
      armed.add(timer)
      const fiber = Effect.runForkWith(context)(
        Effect.andThen(wait, Effect.andThen(disarm, Effect.sync(wake)))
      )
      return () => {
        armed.delete(timer)
        fiber.interruptUnsafe()
      }
    }
  }
})
