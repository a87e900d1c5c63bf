// Waits until little of the machine's processors is in use, and says so while it waits.

import { Console, Duration, Effect } from "effect"
import { settleMillis } from "../../experiments/sim-versus-net/registry-pull.ts"
import { CliFailure } from "./cli-failure.ts"
import { machineBusyNow } from "./processor-time.ts"

const quietWithin = "10 minutes"
const millisecondsBetweenLines = 10_000

const percent = (share: number): string => `${Math.round(100 * share)} %`

/**
 * Waits until less than the share `below` of all processors is in use; 1 and more wait only until new processes have
 * settled. Fails after ten minutes. `busyNow` takes the share of the next second.
 */
export const quietMachine = (
  below: number,
  busyNow: Effect.Effect<number, CliFailure> = machineBusyNow
): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    yield* Effect.sleep(Duration.millis(settleMillis))
    if (below >= 1) return
    for (let busy = yield* busyNow; busy >= below; busy = yield* busyNow) {
      yield* Console.log(
        `waits until less than ${percent(below)} of the processors are in use (now ${percent(busy)}); ` +
          "--quiet-below changes that, 1 does not wait"
      )
      yield* Effect.sleep(Duration.millis(millisecondsBetweenLines))
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: quietWithin,
      orElse: () =>
        new CliFailure({
          message:
            `more than ${percent(below)} of the processors were in use for 10 minutes: stop other work, or name ` +
            "another share with --quiet-below (1 does not wait)"
        })
    })
  )
