// Decides what the data plane's timers are in tests: Effect's clock, so that a test clock moves them.

import { Clock, Duration, Effect } from "effect"
import type { Timers } from "../services/timers.ts"

/** Timers on the clock of whoever asks for them. */
export const clockTimers: Effect.Effect<Timers["Service"]> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const now = (): number => Math.round(clock.currentTimeMillisUnsafe() * 1_000)
  return {
    now,
    // Never in the instant that asked: as a real timer.
    wakeAt: (at, wake) => {
      const wait = Effect.sleep(Duration.millis(Math.max(1, at - now()) / 1_000))
      const fiber = Effect.runForkWith(context)(Effect.andThen(wait, Effect.sync(wake)))
      return () => fiber.interruptUnsafe()
    }
  }
})
