// Decides how tests let background fibers come to rest before they look or turn the clock: a bounded number of turns.

import { Effect } from "effect"

/** Lets other fibers run for many turns; no time passes. */
export const settle: Effect.Effect<void> = Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: 500 }))
