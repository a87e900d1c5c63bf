// The protocol's time, which is integer microseconds, in Effect's terms: durations for control-plane programs, and an
// instant that only grows, whatever happens to the wall clock.

import { Clock, Duration, Effect } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

export const toDuration = (micros: Micros): Duration.Duration => Duration.millis(micros / 1_000)

/** Microseconds on the monotonic clock. */
export const monotonicMicros: Effect.Effect<Micros> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1000n)
)
