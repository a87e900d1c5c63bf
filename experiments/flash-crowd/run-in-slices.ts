// Runs work in a simulation while an experiment looks at it: virtual time passes in slices, with a look at the world
// between two of them, until the work ends or takes too long. Between slices the event loop of the machine turns, so
// that a signal is noticed. Looking changes nothing.

import { Data, Duration, Effect, Fiber } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { Simulation } from "../../src/runtime-sim/simulation.ts"

/** The work takes more virtual time than it may. */
export class CrowdStuck extends Data.TaggedError("CrowdStuck")<{ readonly message: string }> {}

export interface Slices {
  /** Length of the next slice. */
  readonly every: () => Micros
  /** Called before each slice, and once more at the end. */
  readonly look: () => void
  /** Virtual time that the work may take. */
  readonly patience: Micros
  /** The part that is not done, for the message of CrowdStuck. */
  readonly missing: () => string
}

/** Lets the event loop of the machine turn once: signals are noticed, and the simulation stands still. */
const breathe = Effect.callback<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** Runs `work` in the simulation to its end and gives its result. */
export const runInSlices = <A, E>(
  simulation: Simulation,
  work: Effect.Effect<A, E>,
  slices: Slices
): Effect.Effect<A, E | CrowdStuck> =>
  Effect.gen(function* () {
    const { kernel, runExit } = simulation
    const began = kernel.now
    const fiber = yield* runExit(Effect.forkDetach(work))
    const nextLook = Effect.suspend(() =>
      Effect.raceFirst(
        Fiber.await(fiber),
        Effect.as(Effect.sleep(Duration.millis(slices.every() / 1_000)), undefined)
      )
    )
    for (;;) {
      slices.look()
      if (kernel.now - began > slices.patience) {
        const message = `${slices.missing()} after ${slices.patience / 1e6} s of virtual time`
        return yield* new CrowdStuck({ message })
      }
      yield* breathe
      const ended = yield* runExit(nextLook)
      if (ended === undefined) continue
      const result = yield* ended
      slices.look()
      return result
    }
  })
