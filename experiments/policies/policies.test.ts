// Tests of the experiment policies: the shipped value is in each factor and is measured once, pairs share the runs of
// their values, every setting changes the swarm, and the answer says which rules matter, alone and together, and which
// have better values than the shipped ones.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../../testing/experiments/plain-answer.ts"
import { silentProgress } from "../engine/progress.ts"
import { policies } from "./policies.ts"
import { factorNames, factorsOf, type PolicyOptions } from "./policies-factors.ts"
import type { PolicyOutcome } from "./policies-figures.ts"
import { pairNames, pairsOf, shippedPairs } from "./policies-pairs.ts"
import { variantIndex, variantsOf } from "./policies-variants.ts"

const options: PolicyOptions = {
  agents: 500,
  origins: 5,
  trackers: 5,
  size: 1.5e9,
  piece: 4e6,
  rate: 3e8,
  latency: 500,
  links: ["fair", "queue"],
  factors: factorNames,
  pairs: shippedPairs,
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
  return {
    traceHash: "",
    events: 0,
    times,
    copiesUntilOutside: 1,
    rejectsPerPiece: 0,
    duplicatesPerPiece: 0,
    uplinkCarried: 0.9
  }
}

describe("factors", () => {
  it("have known names, and the shipped value once among others", () => {
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

  it("share the runs of the shipped values, and pairs those of their values", () => {
    const variants = variantsOf(options)
    const factors = factorsOf(options)
    const pairs = pairsOf(options)
    // Every two of five rules, with two values each.
    assert.lengthOf(pairs, 10 * 4)
    assert.lengthOf(
      variants,
      1 + pairs.length + factors.reduce((sum, { values }) => sum + values.length - 1, 0)
    )
    for (const { values } of factors) {
      for (const value of values) assert.strictEqual(variantIndex(variants, value) === 0, value.isBase)
    }
    for (const pair of pairs) {
      assert.strictEqual(variants[variantIndex(variants, pair)]?.label, pair.label)
      for (const value of pair.alone) assert.isAbove(variantIndex(variants, value), 0)
    }
  })

  it("can all be in pairs that are named, also those that do not vary alone", () => {
    const few = { ...options, factors: ["queue"], pairs: pairNames }
    const count = pairNames.length
    assert.lengthOf(pairsOf(few), (count * (count - 1) * 4) / 2)
    assert.lengthOf(pairsOf({ ...few, pairs: ["have"] }), 0)
    const variants = variantsOf(few)
    for (const { alone } of pairsOf(few)) {
      for (const value of alone) assert.isAbove(variantIndex(variants, value), 0)
    }
  })

  it("confirm on seeds that are not in the sweep, on each model", async () => {
    const given = { factors: "suggest", pairs: "have", confirm: "4" }
    const { cells } = await Effect.runPromise(policies.prepare(given, [1, 2, 3, 4, 5]))
    assert.lengthOf(cells, 2 * (2 * 5 + 4))
    for (const [from, links] of [
      [10, "fair"],
      [24, "queue"]
    ] as const) {
      assert.deepStrictEqual(
        cells
          .slice(from, from + 4)
          .map(({ input }) => input as { readonly seed: number; readonly links: string }),
        cells
          .slice(from, from + 4)
          .map(({ input }, index) => ({ ...(input as object), seed: 6 + index, links }))
      )
    }
  })

  it("are refused by an unknown name, and so are models and pairs", async () => {
    const refusal = async (given: Readonly<Record<string, string>>) =>
      (await Effect.runPromise(Effect.flip(policies.prepare(given, [1])))).message
    assert.include(await refusal({ factors: "queu" }), "did you mean queue?")
    assert.include(await refusal({ links: "fair,queu" }), "did you mean queue?")
    assert.include(await refusal({ pairs: "at-once,suggest" }), "unknown name suggest")
  })
})

describe("the answer", () => {
  const answer = async (
    seconds: (label: string, seed: number) => number,
    given: Readonly<Record<string, string>> = {}
  ) => {
    const prepared = await Effect.runPromise(
      policies.prepare(
        { factors: "piece,queue,suggest,at-once,neighbour", pairs: "at-once,neighbour", ...given },
        [1, 2, 3]
      )
    )
    const outcomes = prepared.cells.map(({ label }) => {
      const [, setting = "", seed = ""] = /^(.*), seed (\d+)$/.exec(label) ?? []
      return outcome(seconds(setting, Number(seed)))
    })
    const { strategies, figures, tables } = await Effect.runPromise(prepared.conclude(outcomes))
    return assertPlain(prepared.answer({ seeds: "1-3", strategies, figures, tables: tables! }))
  }

  it("says that nothing matters where nothing does, whatever lengths of pieces give", async () => {
    assert.strictEqual(
      await answer((setting) => (setting.startsWith("piece") ? 5 : 10)),
      "On fair links no rule matters: no other value is noticeably slower. None of 1 pairs of rules does more or less " +
        "together than alone. No value of 4 rules is better than the shipped one on both models."
    )
  })

  it("names what matters most on fair links, and better values of either model", async () => {
    const text = await answer((setting) => {
      if (setting === "neighbour 1, fair") return 13
      if (setting === "at-once 6, fair") return 10.5
      if (setting === "at-once 8, fair") return 12
      if (setting === "queue 12, queue") return 20
      return setting === "suggest no, queue" ? 9.5 : 10
    })
    assert.strictEqual(
      text,
      "On fair links neighbour matters most: 1 instead of 2 makes the slowest host 30.0 % slower; at-once (20.0 %) " +
        "follows. 1 of 1 pairs does more or less together than alone, most of all at-once with neighbour: 35.9 % faster. " +
        "3 of 4 rules ship with their best value on both models; suggest (queue) would gain, at most 5.0 %."
    )
  })

  it("passes over a value that is worse than its neighbours on both sides, and names a range by its effects", async () => {
    const text = await answer((setting) => {
      if (setting === "at-once 6, fair") return 15
      if (setting === "queue 8, fair") return 11
      return setting === "queue 12, fair" ? 12 : 10
    })
    assert.include(
      text,
      "On fair links queue matters most: 8 to 12 instead of 5 make the slowest host 10.0 to 20.0 % slower. "
    )
  })

  it("does not count what one lucky seed shows, nor small effects", async () => {
    const text = await answer((setting, seed) => {
      if (setting === "suggest no, fair") return seed === 2 ? 5 : 10
      return setting === "queue 8, fair" ? 9.95 : 10
    })
    assert.include(text, "No value of 4 rules is better")
  })

  it("sees what two values do together beyond their product", async () => {
    const text = await answer((setting) => {
      if (setting === "at-once 3 with neighbour 3, fair") return 13.2
      return setting === "at-once 3, fair" ? 11 : 10
    })
    assert.include(
      text,
      "1 of 1 pairs does more or less together than alone, most of all at-once with neighbour: 20.0 % slower."
    )
  })

  it("is of one model, and without pairs, where only these were measured", async () => {
    const text = await answer(() => 10, { links: "queue", pairs: "at-once" })
    assert.strictEqual(
      text,
      "On queue links no rule matters: no other value is noticeably slower. No value of 4 rules is better than the " +
        "shipped one."
    )
  })

  it("stays short when every rule has a better value", async () => {
    const prepared = await Effect.runPromise(policies.prepare({}, [1]))
    const outcomes = prepared.cells.map(({ label }) => outcome(label.startsWith("as shipped") ? 11 : 10))
    const { strategies, figures, tables } = await Effect.runPromise(prepared.conclude(outcomes))
    const text = assertPlain(prepared.answer({ seeds: "1", strategies, figures, tables: tables! }))
    assert.include(
      text,
      `0 of ${factorNames.length - 1} rules ship with their best value on both models; degree, `
    )
  })
})

describe("policies", () => {
  it("changes the swarm with every value, and with every pair", async () => {
    const prepared = await Effect.runPromise(
      policies.prepare({ ...tiny, factors: "selection,suggest", pairs: "at-once,at-first" }, [1])
    )
    const outcomes = await Effect.runPromise(
      Effect.forEach(prepared.cells, ({ input }) => policies.measure(input, silentProgress))
    )
    const hashes = outcomes.map(({ traceHash }) => traceHash)
    assert.strictEqual(new Set(hashes).size, hashes.length)
    const measured = await Effect.runPromise(prepared.conclude(JSON.parse(JSON.stringify(outcomes))))
    for (const what of [
      "fair_shipped_max",
      "fair_confirmed_max",
      "queue_shipped_max",
      "queue_confirmed_max"
    ]) {
      assert.isAtLeast(measured.figures[what]?.value ?? 0, 1)
    }
    assert.deepStrictEqual(
      measured.charts.map(({ name }) => name),
      ["chart", "chart-queue", "pairs", "copies"]
    )
  })
})
