// Runs all experiments one after the other, in the order of the registry and in one pool. An experiment that fails does
// not stop the others; the last message names all that failed.

import { Console, Data, Effect, Result } from "effect"
import type { Laboratory } from "./laboratory.ts"
import { poolFor, type RunRequest, runInPool } from "./run-experiment.ts"

/** Some experiments failed. The reason of each was printed when it failed. */
export class SomeFailed extends Data.TaggedError("SomeFailed")<{
  readonly experiments: ReadonlyArray<string>
  readonly message: string
}> {}

export const runAll = Effect.fnUntraced(function* (
  request: Pick<RunRequest, "quick" | "fresh" | "workers">,
  lab: Laboratory
) {
  const pool = yield* poolFor(lab, request.workers)
  const failed: Array<string> = []
  for (const [index, experiment] of lab.registry.entries()) {
    yield* Console.log(`${index === 0 ? "" : "\n"}experiment ${index + 1} of ${lab.registry.length}`)
    const result = yield* Effect.result(runInPool(experiment, { ...request, options: {} }, pool, lab))
    if (Result.isSuccess(result)) continue
    failed.push(experiment.name)
    yield* Console.error(result.failure.message)
  }
  if (failed.length > 0) {
    return yield* new SomeFailed({
      experiments: failed,
      message: `${failed.length} of ${lab.registry.length} experiments failed: ${failed.join(", ")}; the reasons stand above`
    })
  }
}, Effect.scoped)
