// Tests of the pool of cells: equal outcomes on any number of workers, crashes reported with the name of the cell,
// hanging threads ended at once, cells refused that do not fit.

import { Deferred, Effect, Exit, Fiber } from "effect"
import { assert, describe, it } from "vitest"
import { experiments } from "../../testing/experiments/trial-experiments.ts"
import { makeCellPool, type PoolOptions } from "./cell-pool.ts"
import { measureIn } from "./measure-cells.ts"
import { type Progress, silentProgress } from "./progress.ts"
import { planReport } from "./report.ts"

const [counted] = experiments
const registry = new URL("../../testing/experiments/trial-experiments.ts", import.meta.url).href

const inPool = (
  options: Readonly<Record<string, string>>,
  pool: Partial<PoolOptions>,
  { seeds, progress }: { readonly seeds?: string; readonly progress?: Progress } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const plan = yield* planReport(counted!, { options, ...(seeds === undefined ? {} : { seeds }) })
      const made = yield* makeCellPool({ workers: 2, registry, sourcesAreTheSame: () => true, ...pool })
      return yield* measureIn({ pool: made, progress: progress ?? silentProgress })(
        plan.experiment,
        plan.cells
      )
    })
  )

describe("a pool of cells", () => {
  it("gives equal outcomes in the order of the cells, on one worker and on several", async () => {
    const [one, two] = await Promise.all([1, 2].map((workers) => Effect.runPromise(inPool({}, { workers }))))
    const cells = [1, 2].flatMap((seed) => [0, 1, 2, 3, 4, 5].map((cell) => `${seed}-${cell}`))
    assert.deepStrictEqual(
      one!.map(({ traceHash }) => traceHash),
      cells
    )
    assert.deepStrictEqual(two, one)
  })

  it.each([
    ["fail", 'counted: lost count (in the run "seed 1, cell 5")'],
    ["throw", 'counted: Error: no fingers (in the run "seed 1, cell 5")'],
    ["exit", 'counted: its thread ended by itself with code 3 (in the run "seed 1, cell 5")']
  ])("names the cell when it does not %s well", async (last, message) => {
    const error = await Effect.runPromise(Effect.flip(inPool({ last }, { workers: 2 }, { seeds: "1" })))
    assert.strictEqual(error.message, message)
  })

  it("ends a thread that does not listen at once", async () => {
    const exit = await Effect.runPromise(
      Effect.gen(function* () {
        const hangs = yield* Deferred.make<void>()
        const progress = { update: () => Deferred.doneUnsafe(hangs, Effect.void), finish: () => {} }
        const run = inPool({ last: "hang", cells: "1" }, { workers: 2 }, { seeds: "1", progress })
        const fiber = yield* Effect.forkChild(run)
        yield* Deferred.await(hangs)
        yield* Fiber.interrupt(fiber)
        return yield* Fiber.await(fiber)
      })
    )
    assert.isTrue(Exit.hasInterrupts(exit))
  })

  it("continues after a thread crashed", async () => {
    const outcomes = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* makeCellPool({ workers: 2, registry, sourcesAreTheSame: () => true })
          const measure = Effect.fnUntraced(function* (last: string) {
            const plan = yield* planReport(counted!, { seeds: "1", options: { last } })
            return yield* measureIn({ pool })(plan.experiment, plan.cells)
          })
          yield* Effect.flip(measure("exit"))
          return yield* measure("count")
        })
      )
    )
    assert.strictEqual(outcomes.length, 6)
  })

  it("refuses a cell that never fits before anything runs, and names the numbers", async () => {
    const error = await Effect.runPromise(Effect.flip(inPool({ memory: "3000000000" }, { budget: 2 ** 31 })))
    assert.strictEqual(
      error.message,
      'counted: the run "seed 1, cell 0" needs about 2862 MiB of memory and this machine has 2048 MiB for it: choose smaller options'
    )
  })

  it("stops when a thread has loaded other sources", async () => {
    const error = await Effect.runPromise(Effect.flip(inPool({}, { sourcesAreTheSame: () => false })))
    assert.include(error.message, "the sources changed since this run began")
  })
})
