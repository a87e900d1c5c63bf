// Decides how an experiment looks at a simulation while it runs: virtual time passes in slices, with a look at the
// world between two of them, until the work is done or patience ends. Between slices the host's event loop turns, so
// that a signal is heard. Looking changes nothing.

import { Data, Duration, Effect, Fiber } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { Simulation } from "../../src/runtime-sim/simulation.ts"

/** The work took more virtual time than allowed. */
export class CrowdStuck extends Data.TaggedError("CrowdStuck")<{ readonly message: string }> {}

export interface Slices {
  /** Length of the next slice. */
  readonly every: () => Micros
  /** Called before each slice, and once more at the end. */
  readonly look: () => void
  /** Virtual time that the work may take. */
  readonly patience: Micros
  /** What is not done, for the message when patience ends. */
  readonly missing: () => string
}

/** Lets the host's event loop turn: signals are heard, and nothing of the simulation moves. */
const breathe = Effect.callback<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** Runs `work` in the simulation to its end and gives what it gave. */
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
