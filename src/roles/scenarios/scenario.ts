// Decides what a scenario is - a name and a script over a world - and how one waits: a bounded poll of what a person could
// see.

import { Duration, Effect, Schedule, type Scope } from "effect"
import type { HostProgramError } from "../host-program.ts"
import { ScenarioFailed } from "./registry-script.ts"
import type { ScenarioWorld } from "./world.ts"

export interface Scenario {
  readonly name: string
  readonly run: (world: ScenarioWorld) => Effect.Effect<void, ScenarioFailed | HostProgramError, Scope.Scope>
}

export const MiB = 1024 * 1024

/** Polls until `check` holds; fails with its message after `patience` seconds of the world's time. */
export const until = (
  what: string,
  check: Effect.Effect<boolean, ScenarioFailed>,
  patience = 20
): Effect.Effect<void, ScenarioFailed> =>
  Effect.gen(function* () {
    const held = yield* Effect.orElseSucceed(check, () => false)
    if (!held) return yield* new ScenarioFailed({ message: `not within ${patience} s: ${what}` })
  }).pipe(
    Effect.retry(
      Schedule.spaced(Duration.millis(20)).pipe(Schedule.upTo({ duration: Duration.seconds(patience) }))
    )
  )
