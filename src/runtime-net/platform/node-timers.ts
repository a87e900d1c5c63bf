// The time of the data plane on this machine: microseconds of the monotonic clock since the process began, and the
// host's own timers. A timer fires at its instant or about a millisecond later, never earlier.

import { Layer } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import { Timers } from "../../roles/services/timers.ts"

/** Node's longest timeout; a later instant needs several. */
const longestTimeoutMillis = 2 ** 31 - 1

/** Microseconds since the process began. Never decreases. */
export const monotonicNow = (): Micros => Math.floor(performance.now() * 1000)

/** Calls `wake` once when monotonicNow() has reached `at`, never from inside this call; the result cancels it. */
export const wakeAt = (at: Micros, wake: () => void): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  const arm = (): void => {
    const left = at - monotonicNow()
    if (left <= 0) {
      immediate = setImmediate(wake)
      return
    }
    timer = setTimeout(
      () => {
        if (monotonicNow() >= at) wake()
        else arm()
      },
      Math.min(Math.ceil(left / 1000), longestTimeoutMillis)
    )
  }
  arm()
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

export const nodeTimers: Layer.Layer<Timers> = Layer.succeed(Timers, { now: monotonicNow, wakeAt })
