// Conversion of the protocol's time, integer microseconds, to Effect's: durations for control-plane programs, and a
// monotonic instant that changes of the wall clock do not affect.

import { Clock, Duration, Effect } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

export const toDuration = (micros: Micros): Duration.Duration => Duration.millis(micros / 1_000)

/** Microseconds on the monotonic clock. */
export const monotonicMicros: Effect.Effect<Micros> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1000n)
)
