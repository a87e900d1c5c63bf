// Exponential backoff with bounded jitter: the wait after a failure.
//
//   step(attempt) = min(max, min x 2^attempt)                  attempt 0 is the first wait
//   delay         = uniform in [step - floor(step / 2), step]
//
// A wait is at least half of min and at most max, its mean is 3/4 of the step, and hosts that fail at the same instant
// come back spread over half a step. All numbers are integers. It does not know what failed or when to give up.

import { invariant } from "./invariant.ts"
import type { RandomSource } from "./random-source.ts"
import type { Micros } from "./time.ts"

export interface BackoffRange {
  /** The first step, in microseconds, at least 1. */
  readonly min: Micros
  /** The last step, at least `min`. */
  readonly max: Micros
}

/** The step without its jitter: min x 2^attempt, at most max. */
export const backoffStep = (attempt: number, { min, max }: BackoffRange): Micros => {
  invariant(Number.isSafeInteger(min) && Number.isSafeInteger(max), "backoff: min and max are integers")
  invariant(min >= 1 && min <= max, "backoff: 1 <= min <= max")
  invariant(attempt >= 0, "backoff: attempts count from 0")
  let step = min
  for (let doublings = 0; doublings < attempt && step < max; doublings++) step *= 2
  return Math.min(step, max)
}

/** The wait after failure number `attempt` (0, 1, 2, ...). Takes one draw from `random`. */
export const backoffDelay = (attempt: number, range: BackoffRange, random: RandomSource): Micros => {
  const step = backoffStep(attempt, range)
  const choices = Math.floor(step / 2) + 1
  // A source draws numbers below 2^31, so a range of over an hour is drawn in grains of a few microseconds.
  const grain = Math.ceil(choices / 0x80000000)
  return step - random.nextInt(Math.ceil(choices / grain)) * grain
}
