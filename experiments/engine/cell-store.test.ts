// Tests of kept cells: a finished cell is found again for the same input and sources only and is never half written,
// and an interrupted run continues where it stopped.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { experiments, testLaboratory } from "../../testing/experiments/trial-experiments.ts"
import { makeCellPool } from "./cell-pool.ts"
import { type CellStore, makeCellStore } from "./cell-store.ts"
import { measureIn } from "./measure-cells.ts"
import { planReport } from "./report.ts"

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-cells-"))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const cell = (input: unknown) => ({ label: "a cell", input, cost: 1, memory: 1 })
const outcome = { traceHash: "abc", events: 3, sum: 0.1 + 0.2 }

describe("a store of cells", () => {
  it("finds a kept cell for the same input and sources only", async () => {
    const store = makeCellStore(join(folder, "x"), "sources")
    await Effect.runPromise(store.keep(cell({ seed: 1 }), outcome))
    const find = (from: CellStore, input: unknown) => Effect.runPromise(from.find(cell(input)))
    assert.deepStrictEqual(await find(store, { seed: 1 }), outcome)
    assert.isUndefined(await find(store, { seed: 2 }))
    assert.isUndefined(await find(makeCellStore(join(folder, "x"), "other"), { seed: 1 }))
    assert.isUndefined(await find(makeCellStore(join(folder, "y"), "sources"), { seed: 1 }))
  })

  it("ignores a file that is damaged or belongs to another cell", async () => {
    const store = makeCellStore(folder, "sources")
    await Effect.runPromise(store.keep(cell(1), outcome))
    const [name] = await readdir(folder)
    for (const text of [
      "",
      "{",
      "[]",
      JSON.stringify({ fingerprint: "sources", label: "", input: 2, outcome })
    ]) {
      await writeFile(join(folder, name!), text)
      assert.isUndefined(await Effect.runPromise(store.find(cell(1))), text)
    }
  })

  it("deletes the cells of other sources and nothing else", async () => {
    const old = makeCellStore(folder, "old")
    const now = makeCellStore(folder, "now")
    await Effect.runPromise(
      Effect.all([old.keep(cell(1), outcome), now.keep(cell(1), outcome), now.deleteStale])
    )
    assert.isUndefined(await Effect.runPromise(old.find(cell(1))))
    assert.deepStrictEqual(await Effect.runPromise(now.find(cell(1))), outcome)
  })

  it("fails in one line when it cannot write", async () => {
    await writeFile(join(folder, "file"), "")
    const store = makeCellStore(join(folder, "file", "below"), "sources")
    const error = await Effect.runPromise(Effect.flip(store.keep(cell(1), outcome)))
    assert.notInclude(error.message, "\n")
  })
})

describe("an interrupted run", () => {
  const counted = experiments[0]!
  const run = (last: string, measured: Array<string>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { module } = testLaboratory(folder)
        const pool = yield* makeCellPool({ workers: 1, registry: module, sourcesAreTheSame: () => true })
        const plan = yield* planReport(counted, { seeds: "1", options: { last } })
        const counting = {
          ...pool,
          measure: (...given: Parameters<typeof pool.measure>) => {
            measured.push(given[1].label)
            return pool.measure(...given)
          }
        }
        const store = makeCellStore(folder, "sources")
        return yield* measureIn({ pool: counting, store })(counted, plan.cells)
      })
    )

  it("continues where it stopped, and gives the result of an uninterrupted run", async () => {
    const whole = await Effect.runPromise(run("count", []))
    const kept = await readdir(folder)
    assert.strictEqual(kept.length, 6)
    await rm(join(folder, kept[2]!))
    await rm(join(folder, kept[4]!))
    const again: Array<string> = []
    assert.deepStrictEqual(await Effect.runPromise(run("count", again)), whole)
    assert.strictEqual(again.length, 2)
    assert.deepStrictEqual((await readdir(folder)).sort(), [...kept].sort())
  })

  it("keeps the cells that finished before one failed", async () => {
    const measured: Array<string> = []
    await Effect.runPromise(Effect.flip(run("fail", measured)))
    // The last cell is the longest, so it ran first, and no other one finished.
    assert.deepStrictEqual(await readdir(folder), [])
    assert.include(measured, "seed 1, cell 5")
  })
})
