// Tests of kraken-versus-net: the simulated Kraken takes as long as the measured one to within the stated share, the
// answer says so, and every measurement is a cell under both link models.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../../testing/experiments/plain-answer.ts"
import { silentProgress } from "../engine/progress.ts"
import { krakenVersusNet } from "./kraken-versus-net.ts"
import { answerOf, goodWithin } from "./kraken-versus-net-answer.ts"
import { krakenCases } from "./measured-kraken.ts"

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

interface Sent {
  readonly makespan_s: number
  readonly copies: number
}

describe("the simulated Kraken", () => {
  it.each(krakenCases)("takes as long as the real one: $name", async ({ name, runs }) => {
    const { cells } = await Effect.runPromise(krakenVersusNet.prepare({}, [1, 2]))
    const own = cells.filter(({ label }) => label.startsWith(`${name}, fair`))
    const outcomes = await Effect.runPromise(
      Effect.forEach(own, ({ input }) => krakenVersusNet.measure(input, silentProgress))
    )
    const simulated = outcomes as unknown as ReadonlyArray<Sent>
    const makespan = mean(simulated.map(({ makespan_s }) => makespan_s))
    assert.lengthOf(simulated, 2)
    // The figures of whole processes, and the mean of all runs.
    for (const measured of [runs[0].makespan_s, mean(runs.map(({ makespan_s }) => makespan_s))]) {
      assert.isBelow(Math.abs(makespan / measured - 1), goodWithin, `${makespan} for ${measured} s`)
    }
    const copies = mean(simulated.map(({ copies }) => copies)) / mean(runs.map((run) => run.copies))
    assert.isBelow(Math.abs(copies - 1), goodWithin, `copies are ${copies} of the measured ones`)
  })
})

describe("kraken-versus-net", () => {
  it("has a cell for each case, model and seed, and says how far they are from the measured ones", async () => {
    const prepared = await Effect.runPromise(krakenVersusNet.prepare({}, [1, 2]))
    assert.lengthOf(prepared.cells, krakenCases.length * 2 * 2)
    assert.strictEqual(new Set(prepared.cells.map(({ label }) => label)).size, prepared.cells.length)
    // Exactly as measured on fair links, and a quarter longer on queues.
    const outcomes = krakenCases.flatMap(({ runs }) =>
      [1, 1, 1.25, 1.25].map((longer) => ({
        traceHash: "",
        events: 0,
        makespan_s: longer * mean(runs.map(({ makespan_s }) => makespan_s)),
        copies: mean(runs.map(({ copies }) => copies))
      }))
    )
    const { figures, strategies, tables } = await Effect.runPromise(prepared.conclude(outcomes))
    assert.strictEqual(
      assertPlain(answerOf({ seeds: "1-2", strategies, figures, tables: tables! })),
      "On fair links the simulated Kraken takes as long as the real one to within 0.0 %, and on queues to within " +
        "25.0 %. The aim of 15.0 % is met."
    )
    const changed = { ...figures, worst_fair: { value: 0.2, unit: "", meaning: "" } }
    assert.match(answerOf({ seeds: "1", strategies, figures: changed }), /The aim of 15\.0 % is missed\.$/)
  })

  it("does not know other cases", async () => {
    const input = { options: { latency: 100, line: 1e9 }, wanted: "none", model: "fair", seed: 1 }
    const failure = await Effect.runPromise(Effect.flip(krakenVersusNet.measure(input, silentProgress)))
    assert.include(failure.message, "no case is called none")
  })
})
