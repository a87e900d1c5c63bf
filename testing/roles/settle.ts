// Lets background fibers settle before a test looks at the result or moves the clock, for a bounded number of turns.

import { Effect } from "effect"

/** Yields to other fibers for many turns without any passing of time. */
export const settle: Effect.Effect<void> = Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: 500 }))
