// Tests of the order and the limits of the queue of cells, for any cells, slots, memory and interrupted cells.

import { Effect, Fiber, Schema } from "effect"
import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { makeCellQueue, type Slot } from "./cell-queue.ts"
import { defineExperiment } from "./experiment.ts"
import { silentProgress } from "./progress.ts"

const unused = defineExperiment({
  name: "unused",
  title: "",
  question: "",
  options: Schema.Struct({}),
  quick: {},
  seeds: "1",
  method: [],
  limits: [],
  cells: () => [],
  measure: () => Effect.die("a slot measures"),
  conclude: () => Effect.die("nothing is concluded"),
  answer: () => ""
})

interface Paced {
  readonly cost: number
  readonly memory: number
  /** Steps after which it is interrupted. */
  readonly patience: number
}

const budget = 10

/**
 * Runs cells that take as many steps as they cost; gives the order of their starts and the maxima of what ran at once.
 */
const pace = (cells: ReadonlyArray<Paced>, places: number) =>
  Effect.gen(function* () {
    const started: Array<number> = []
    const running = new Set<number>()
    let mostMemory = 0
    let mostCells = 0
    const slot: Slot = {
      measure: (_, { input }) => {
        const index = input as number
        const steps = Effect.forEach(Array.from({ length: cells[index]!.cost + 1 }), () => Effect.yieldNow, {
          discard: true
        })
        return Effect.sync(() => {
          started.push(index)
          running.add(index)
          mostCells = Math.max(mostCells, running.size)
          mostMemory = Math.max(
            mostMemory,
            [...running].reduce((sum, cell) => sum + cells[cell]!.memory, 0)
          )
        }).pipe(
          Effect.andThen(steps),
          Effect.as({ traceHash: "", events: 0 }),
          Effect.ensuring(Effect.sync(() => running.delete(index)))
        )
      }
    }
    const queue = makeCellQueue(
      Array.from({ length: places }, () => slot),
      budget
    )
    const fibers = yield* Effect.forEach(cells, ({ cost, memory }, index) =>
      Effect.forkChild(queue(unused, { label: "", input: index, cost, memory }, silentProgress))
    )
    yield* Effect.forEach(
      fibers,
      (fiber, index) =>
        Effect.gen(function* () {
          for (let step = 0; step < cells[index]!.patience; step++) yield* Effect.yieldNow
          if (cells[index]!.patience < 50) yield* Fiber.interrupt(fiber)
          else yield* Fiber.await(fiber)
        }),
      { concurrency: "unbounded", discard: true }
    )
    return { started, mostMemory, mostCells }
  })

const arbitraryCell = (patience: fc.Arbitrary<number>): fc.Arbitrary<Paced> =>
  fc.record({ cost: fc.nat(5), memory: fc.integer({ min: 1, max: budget }), patience })
const patient = fc.constant(50)

describe("the queue of cells", () => {
  it("never exceeds its slots and its memory, and starts every cell that is not interrupted", async () => {
    const cells = fc.array(arbitraryCell(fc.oneof(patient, fc.nat(12))), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(cells, fc.integer({ min: 1, max: 4 }), async (cells, places) => {
        const { started, mostCells, mostMemory } = await Effect.runPromise(pace(cells, places))
        assert.isAtMost(mostCells, places)
        assert.isAtMost(mostMemory, budget)
        const waitedFor = cells.flatMap(({ patience }, index) => (patience === 50 ? [index] : []))
        assert.includeMembers(started, waitedFor)
      })
    )
  })

  it("starts the longest of the waiting cells", async () => {
    const cells = fc.array(arbitraryCell(patient), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(cells, async (cells) => {
        const { started } = await Effect.runPromise(pace(cells, 1))
        // The first cell finds a free slot.
        const costs = started.slice(1).map((index) => cells[index]!.cost)
        assert.deepStrictEqual(
          costs,
          [...costs].sort((left, right) => right - left)
        )
      })
    )
  })
})
