// Holds the experiment `kraken-benchmark` to its contenders and its words: everyone has the same image and links but for
// what its terms say, options that cannot be are refused, and a missed aim is named with its figure and its cause.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { strategies } from "../strategies/registry.ts"
import { krakenBenchmark } from "./kraken-benchmark.ts"
import { answerOf, whyMissed } from "./kraken-benchmark-answer.ts"
import {
  contendersOf,
  crowdOf,
  isPublishedTest,
  type KrakenTestOptions
} from "./kraken-benchmark-contenders.ts"
import type { ContenderOutcome } from "./kraken-benchmark-figures.ts"

const published: KrakenTestOptions = {
  strategies: strategies.map(({ name }) => name),
  agents: 2600,
  origins: 5,
  trackers: 5,
  blobs: 2,
  size: 1.5e9,
  piece: 4e6,
  rate: 3e8,
  latency: 500,
  burst: 1_000_000,
  degree: 10,
  have: 20_000
}

const tiny = { agents: "8", size: "4MB", piece: "500kB", rate: "1MB/s", burst: "500ms", degree: "5" }

/** An outcome with these ratios, on a bound of ten seconds. */
const outcome = (p50: number, p999: number, max: number): ContenderOutcome => {
  const ratio = { p50, p99: p999, p999, max }
  const times = { p50_s: 10 * p50, p99_s: 10 * p999, p999_s: 10 * p999, max_s: 10 * max, bound_s: 10, ratio }
  return {
    traceHash: "",
    events: 0,
    image: times,
    blob: times,
    curve: [
      [10 * p50, 0.5],
      [10 * max, 1]
    ],
    copiesUntilOutside: 1,
    copiesFromOrigins: 2,
    originShare: 0.1,
    parts: {
      firstPieceP50: 0.1,
      lastPieceP50: 10.3,
      lastPieceMax: 10.5,
      afterLastP50: 0.1,
      afterLastMax: 0.3
    }
  }
}

describe("contenders", () => {
  it("are all strategies, on the published test by default", async () => {
    const used = new Set(contendersOf(published).map(({ strategy }) => strategy.name))
    assert.deepStrictEqual([...used].sort(), strategies.map(({ name }) => name).sort())
    assert.isTrue(isPublishedTest(published))
    const { options } = await Effect.runPromise(krakenBenchmark.prepare({}, [1]))
    assert.strictEqual(options.size, "1500MB")
    assert.strictEqual(options.piece, "4MB")
  })

  it("pull the same bytes over the same links, but for buckets and the length of pieces", () => {
    const crowds = contendersOf(published).map((contender) => crowdOf(contender, published, 1))
    for (const { agents, links, blobs } of crowds) {
      assert.strictEqual(agents, 2600)
      assert.strictEqual(links.rate, 3e8)
      assert.deepStrictEqual(
        blobs.map(({ length }) => length),
        [1.5e9, 1.5e9]
      )
    }
    assert.deepStrictEqual(
      crowds.map(({ links }) => links.burst).filter((burst) => burst !== 0),
      [3e8]
    )
  })

  it("are refused together when one of them cannot run", async () => {
    const refusal = async (texts: Readonly<Record<string, string>>) =>
      (await Effect.runPromise(Effect.flip(krakenBenchmark.prepare(texts, [1])))).message
    assert.include(await refusal({ agents: "10" }), "at most 9 others")
    assert.include(await refusal({ piece: "64MB" }), "more than the 16777216")
    assert.include(await refusal({ strategies: "shoal,krakn" }), "did you mean kraken?")
  })
})

describe("the answer", () => {
  const names = contendersOf(published).map(({ name }) => name)
  const find =
    (good: ContenderOutcome, other: ContenderOutcome) =>
    (name: string): ContenderOutcome =>
      name.startsWith("shoal") ? good : other

  it("says of each aim whether it is met", () => {
    const text = answerOf(published, names, find(outcome(1.02, 1.05, 1.07), outcome(2.4, 3, 3)))
    assert.include(
      text,
      "p50 1.020 (aim 1.02, met), p99.9 1.050 (aim 1.05, met), the slowest host 1.070 (aim 1.06, missed)"
    )
    assert.include(text, "came 0.20 s after that of the median")
    assert.include(text, "cannot be reproduced")
  })

  it("gives a cause only for what was missed", () => {
    assert.strictEqual(whyMissed(published, outcome(1, 1, 1)), "")
    const why = whyMissed(published, outcome(1.05, 1.05, 1.06))
    assert.include(why, "used 97.9 % of its downlink")
    assert.notInclude(why, "slowest")
  })

  it("compares with the published figures only when the test is the published one", () => {
    const text = answerOf({ ...published, agents: 60 }, names, find(outcome(1, 1, 1), outcome(2, 2, 2)))
    assert.notInclude(text, "Published")
    assert.notInclude(text, "Where the time went")
    assert.include(text, "others over the bound: client-server 2.00, supernode 2.00")
    const near = answerOf(published, names, find(outcome(1, 1, 1), outcome(1.05, 2, 2)))
    assert.include(near, "within reach")
  })
})

describe("kraken-benchmark", () => {
  it("answers for the strategies that take part alone", async () => {
    const prepared = await Effect.runPromise(krakenBenchmark.prepare({ strategies: "tree" }, [1]))
    assert.lengthOf(prepared.cells, 1)
    const measured = await Effect.runPromise(prepared.conclude([outcome(2, 2, 2)]))
    assert.strictEqual(measured.answer, "Medians of the others over the bound: tree 2.00.")
  })

  it("measures every contender and shows all of them", async () => {
    const prepared = await Effect.runPromise(krakenBenchmark.prepare(tiny, [1]))
    const outcomes = await Effect.runPromise(
      Effect.forEach(prepared.cells, ({ input }) => krakenBenchmark.measure(input, silentProgress))
    )
    const measured = await Effect.runPromise(prepared.conclude(JSON.parse(JSON.stringify(outcomes))))
    const rows = measured.tables![0]!.rows
    assert.lengthOf(rows, prepared.cells.length)
    assert.lengthOf(Object.keys(measured.strategies), rows.length)
    for (const { image, blob } of Object.values(measured.strategies)) {
      assert.isAtLeast(image!.ratio.max, 1)
      assert.isAtLeast(blob!.ratio.max, 1)
    }
    assert.isAbove(
      measured.strategies["client-server"]!.image!.max_s,
      measured.strategies.shoal!.image!.max_s
    )
    assert.deepStrictEqual(
      measured.charts.map(({ name }) => name),
      ["chart", "tail"]
    )
  })
})
