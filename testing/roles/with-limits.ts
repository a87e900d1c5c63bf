// Runs a program with limits other than the shipped ones, so that a test reaches a maximum with three entries and a
// timeout within a second.

import { type Context, Effect } from "effect"

/** Runs the effect with `changed` in place of the same limits of `reference`. */
export const withLimits = <Limits extends object, A, E, R>(
  effect: Effect.Effect<A, E, R>,
  reference: Context.Reference<Limits>,
  changed: Partial<Limits>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(reference, (limits) => Effect.provideService(effect, reference, { ...limits, ...changed }))
