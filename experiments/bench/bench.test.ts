// Tests of `npm run bench`: medians, growth relative to the work, promises kept or not, and a child process that runs a
// flash crowd and prints its cost.

import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { runBench } from "./bench.ts"
import { overAgents, overBytes, promised, transfersOf } from "./bench-points.ts"
import {
  alignedLines,
  type BenchCost,
  growthLines,
  overLinear,
  promiseLines,
  verdictOf
} from "./bench-table.ts"

const cost = (seconds: number, transfers: number, memory = 2 ** 30): BenchCost => ({
  seconds,
  transfers,
  memory,
  events: 10 * transfers
})

describe("points", () => {
  it("of both rows have more and more work, by agents or by bytes", () => {
    for (const row of [overAgents, overBytes]) {
      const work = row.map(transfersOf)
      assert.deepStrictEqual(
        [...work].sort((left, right) => left - right),
        work
      )
      assert.strictEqual(work.at(-1), 8 * (work[0] ?? 0))
    }
  })

  it("with a promise are four, with about two million transfers in Kraken's test", () => {
    assert.strictEqual(promised.map(transfersOf)[0], 2600 * 750)
    assert.deepStrictEqual(
      promised.map(({ spec }) => spec.agents),
      [2600, 10_000, 15_000, 100_000]
    )
  })
})

describe("the table", () => {
  it("shows growth relative to the work", () => {
    assert.deepStrictEqual(overLinear(cost(1, 100), cost(2, 200, 2 ** 31)), { time: 1, memory: 1 })
    assert.strictEqual(overLinear(cost(1, 100), cost(6, 200)).time, 3)
  })

  it("shows medians over the runs", () => {
    const [first, second] = overAgents
    assert(first !== undefined && second !== undefined)
    const lines = growthLines("Growth", [
      { point: first, costs: [cost(1, 1000), cost(9, 1000), cost(2, 1000)] },
      { point: second, costs: [cost(8, 2000)] }
    ])
    assert.include(lines[2], "2.00 s")
    assert.match(lines[3] ?? "", / 8\.00 s .* 2\.00 +0\.50$/)
  })

  it("has aligned columns", () => {
    assert.deepStrictEqual(
      alignedLines([
        ["", "wall"],
        ["few", "1 s"],
        ["more", "10 s"]
      ]),
      ["      wall", "few    1 s", "more  10 s"]
    )
  })

  it("says whether each promise is kept", () => {
    const [kraken, , completes, many] = promised
    assert(kraken !== undefined && completes !== undefined && many !== undefined)
    assert.include(verdictOf(kraken, cost(120, 1)), "at most 120 s, 3072 MiB: kept")
    assert.include(verdictOf(kraken, cost(121, 1)), "NOT KEPT")
    assert.include(verdictOf(many, cost(1, 1, 9 * 2 ** 30)), "NOT KEPT")
    assert.strictEqual(verdictOf(completes, cost(9999, 1)), "completes: yes")
    assert.lengthOf(promiseLines(promised.map((point) => ({ point, costs: [cost(1, 1)] }))), 6)
  })
})

describe("a run", () => {
  it("is a process that prints the cost of its flash crowd", () => {
    const [point] = overBytes
    assert(point !== undefined)
    const { spec } = point
    const printed = execFileSync(
      process.execPath,
      [join(import.meta.dirname, "bench-point.ts"), JSON.stringify({ ...spec, agents: 4 })],
      { encoding: "utf8" }
    )
    const told = JSON.parse(printed) as BenchCost
    assert.strictEqual(told.transfers, 4 * 64)
    assert.isAbove(told.seconds, 0)
    assert.isAbove(told.memory, 2 ** 20)
  })

  it("is refused without a number of runs", async () => {
    const error = await Effect.runPromise(Effect.flip(runBench({ runs: 0, full: false })))
    assert.include(error.message, "--runs 0")
  })
})
