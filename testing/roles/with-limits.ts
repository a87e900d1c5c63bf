// Runs a program under limits other than those that ship, so that a test reaches a maximum with three entries and a
// timeout within a second.

import { type Context, Effect } from "effect"

/** The effect, for which `changed` of the limits that `reference` names are others. */
export const withLimits = <Limits extends object, A, E, R>(
  effect: Effect.Effect<A, E, R>,
  reference: Context.Reference<Limits>,
  changed: Partial<Limits>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(reference, (limits) => Effect.provideService(effect, reference, { ...limits, ...changed }))
