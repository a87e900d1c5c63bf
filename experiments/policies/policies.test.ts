// Holds the experiment `policies` to one factor at a time: the shipped value stands in each and is measured once, what a
// factor changes reaches the swarm, and the answer names the values that are better than what ships.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { limits } from "../../src/protocol/limits.ts"
import { silentProgress } from "../engine/progress.ts"
import { policies } from "./policies.ts"
import { factorNames, factorsOf, type PolicyOptions, variantIndex, variantsOf } from "./policies-factors.ts"
import type { PolicyOutcome } from "./policies-figures.ts"

const options: PolicyOptions = {
  agents: 500,
  origins: 5,
  trackers: 5,
  size: 1.5e9,
  piece: 4e6,
  rate: 3e8,
  latency: 500,
  factors: factorNames,
  confirm: 10,
  "confirm-agents": 2600
}

const tiny = {
  agents: "10",
  size: "60MB",
  piece: "500kB",
  rate: "100MB/s",
  confirm: "1",
  "confirm-agents": "12"
}

const outcome = (seconds: number): PolicyOutcome => {
  const ratio = { p50: seconds / 10, p99: seconds / 10, p999: seconds / 10, max: seconds / 10 }
  const times = { p50_s: seconds, p99_s: seconds, p999_s: seconds, max_s: seconds, bound_s: 10, ratio }
  return { traceHash: "", events: 0, times, copiesUntilOutside: 1, rejectsPerPiece: 0, duplicatesPerPiece: 0 }
}

describe("factors", () => {
  it("have names that are known, and the shipped value once among others", () => {
    assert.deepStrictEqual(
      factorsOf(options).map(({ name }) => name),
      factorNames
    )
    for (const { name, values } of factorsOf(options)) {
      assert.lengthOf(
        values.filter(({ isBase }) => isBase),
        1,
        name
      )
      assert.isAtLeast(values.length, 2, name)
      assert.strictEqual(new Set(values.map(({ label }) => label)).size, values.length, name)
    }
  })

  it("share the runs of what ships", () => {
    const variants = variantsOf(options)
    const factors = factorsOf(options)
    assert.lengthOf(variants, 1 + factors.reduce((sum, { values }) => sum + values.length - 1, 0))
    for (const { values } of factors) {
      for (const value of values) assert.strictEqual(variantIndex(variants, value) === 0, value.isBase)
    }
  })

  it("confirm on seeds that the sweep has not seen", async () => {
    const { cells } = await Effect.runPromise(policies.prepare({ factors: "suggest" }, [1, 2, 3, 4, 5]))
    assert.lengthOf(cells, 2 * 5 + 10)
    assert.deepStrictEqual(
      cells.slice(10).map(({ input }) => (input as { readonly seed: number }).seed),
      [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    )
  })

  it("are refused when there is none of that name", async () => {
    const error = await Effect.runPromise(Effect.flip(policies.prepare({ factors: "windw" }, [1])))
    assert.include(error.message, "did you mean window?")
  })
})

describe("the answer", () => {
  const answer = async (seconds: (label: string) => number) => {
    const prepared = await Effect.runPromise(
      policies.prepare({ factors: "queue,suggest", confirm: "1" }, [1, 2, 3])
    )
    return Effect.runPromise(prepared.conclude(prepared.cells.map(({ label }) => outcome(seconds(label)))))
  }

  it("says that all is well when nothing is better", async () => {
    const { answer: text } = await answer((label) => (label.startsWith("as shipped, 2600 hosts") ? 11 : 10.2))
    assert.include(text, "Every shipped value is the best")
    assert.include(text, "As it ships, 500 hosts: p50 1.020 / 1.020")
    assert.include(text, "Confirmed with 2600 hosts on 1 unseen seeds: p50 1.100 / 1.100")
  })

  it("names what is better, by how much, and not because of one lucky seed", async () => {
    const { answer: text, tables } = await answer((label) =>
      label.startsWith("queue 2,") ? 10 : label === "suggest no, seed 2" ? 5 : 10.5
    )
    assert.include(text, `queue 2 instead of ${limits.maxUploadQueue} (slowest host 4.8 % sooner`)
    assert.notInclude(text, "suggest no")
    assert.include(text, "As it ships, 500 hosts: p50 1.050 / 1.050")
    assert.lengthOf(tables!, 3)
  })
})

describe("policies", () => {
  it("changes the swarm with every value", async () => {
    const prepared = await Effect.runPromise(
      policies.prepare({ ...tiny, factors: "selection,suggest,tail" }, [1])
    )
    const outcomes = await Effect.runPromise(
      Effect.forEach(prepared.cells, ({ input }) => policies.measure(input, silentProgress))
    )
    const hashes = outcomes.map(({ traceHash }) => traceHash)
    assert.strictEqual(new Set(hashes).size, hashes.length)
    const measured = await Effect.runPromise(prepared.conclude(JSON.parse(JSON.stringify(outcomes))))
    assert.isAtLeast(measured.figures.shipped_max!.value, 1)
    assert.isAtLeast(measured.figures.confirmed_max!.value, 1)
    assert.deepStrictEqual(
      measured.charts.map(({ name }) => name),
      ["chart", "copies"]
    )
  })
})
