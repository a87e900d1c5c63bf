// Tests of the experiment kraken-benchmark: all contenders have the same image and links except for their terms,
// impossible options are refused, and the answer names the aims that are missed.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../../testing/experiments/plain-answer.ts"
import { silentProgress } from "../engine/progress.ts"
import { drawChart } from "../report/chart.ts"
import { strategies } from "../strategies/registry.ts"
import { krakenBenchmark } from "./kraken-benchmark.ts"
import { answerOf } from "./kraken-benchmark-answer.ts"
import { completionsChart } from "./kraken-benchmark-charts.ts"
import {
  contendersOf,
  crowdOf,
  isPublishedTest,
  type KrakenTestOptions
} from "./kraken-benchmark-contenders.ts"
import { type ContenderOutcome, linkUseOf } from "./kraken-benchmark-figures.ts"

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
  links: "fair",
  burst: 1_000_000,
  "origin-rate": 1.25e9,
  spread: 10_000_000,
  degree: 10,
  have: 20_000
}

const tiny = {
  agents: "8",
  size: "4MB",
  piece: "500kB",
  rate: "1MB/s",
  burst: "500ms",
  "origin-rate": "4MB/s",
  degree: "5"
}

const noShare = { p10: 0, p50: 0, p90: 0 }
const noUse = { busy: noShare, carried: noShare }

/** An outcome with these ratios, on a bound of ten seconds. */
const outcome = (p50: number, p999: number, max: number): ContenderOutcome => {
  const ratio = { p50, p99: p999, p999, max }
  const times = { p50_s: 10 * p50, p99_s: 10 * p999, p999_s: 10 * p999, max_s: 10 * max, bound_s: 10, ratio }
  return {
    traceHash: "",
    events: 0,
    image: times,
    linkUse: { uplink: noUse, downlink: noUse },
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
  it("are all strategies, with the options of the published test by default", async () => {
    const used = new Set(contendersOf(published).map(({ strategy }) => strategy.name))
    assert.deepStrictEqual([...used].sort(), strategies.map(({ name }) => name).sort())
    assert.isTrue(isPublishedTest(published))
    const { options } = await Effect.runPromise(krakenBenchmark.prepare({}, [1]))
    assert.strictEqual(options.size, "1500MB")
    assert.strictEqual(options.piece, "4MB")
  })

  it("pull the same bytes over the same links, except for buckets and the length of pieces", () => {
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
      [3e8, 3e8, 3e8, 3e8]
    )
    assert.deepStrictEqual(
      crowds.flatMap(({ links, spread }) =>
        links.originRate === undefined ? [] : [[links.originRate, spread]]
      ),
      [
        [1.25e9, undefined],
        [1.25e9, 10_000_000],
        [1.25e9, undefined]
      ]
    )
  })

  it("are refused together when one of them is impossible", async () => {
    const refusal = async (texts: Readonly<Record<string, string>>) =>
      (await Effect.runPromise(Effect.flip(krakenBenchmark.prepare(texts, [1])))).message
    assert.include(await refusal({ agents: "10" }), "at most 9 others")
    assert.include(await refusal({ piece: "64MB" }), "more than the 16777216")
    assert.include(await refusal({ strategies: "shoal,krakn" }), "did you mean kraken?")
  })
})

describe("the answer", () => {
  const answer = (test: KrakenTestOptions, good: ContenderOutcome, other: ContenderOutcome): string => {
    const contenders = contendersOf(test).map(({ name }) => name)
    const strategies = Object.fromEntries(
      contenders.map((name) => [name, { image: (name.startsWith("shoal") ? good : other).image }])
    )
    return assertPlain(answerOf(test, { seeds: "1", strategies, figures: {} }))
  }

  it("names the aims that are missed", () => {
    const missed = answer(published, outcome(1.02, 1.05, 1.07), outcome(2.4, 3, 3))
    assert.include(missed, "shoal takes 1.020 times the bound at the median and 1.070 at the slowest host")
    assert.include(missed, "it misses its aim for the slowest.")
    assert.include(
      answer(published, outcome(1.03, 1.06, 1.07), outcome(2, 2, 2)),
      "for p50, p99.9, the slowest."
    )
    assert.include(answer(published, outcome(1.02, 1.05, 1.06), outcome(2, 2, 2)), "every aim is met")
  })

  it("compares with the published figures only when the test is the published one", () => {
    const none = "no run of it has the published p50 and p99 within 15 %"
    const some = '"kraken, with buckets" has the published p50 and p99 within 15 %'
    assert.include(answer(published, outcome(1, 1, 1), outcome(1.2, 1.8, 2)), none)
    assert.include(answer(published, outcome(1, 1, 1), outcome(1, 1.4, 2)), none)
    assert.include(answer(published, outcome(1, 1, 1), outcome(1.1, 1.6, 2)), some)
    assert.notInclude(answer({ ...published, agents: 60 }, outcome(1, 1, 1), outcome(2, 2, 2)), "published")
  })

  it("names the run that is nearest to the published figures, in a short sentence", () => {
    const near = "kraken, only agents capped, random pieces"
    const strategies = Object.fromEntries(
      contendersOf(published).map(({ name }) => [
        name,
        { image: outcome(name === near ? 1 : 2, 1.8, 2).image }
      ])
    )
    const text = assertPlain(answerOf(published, { seeds: "1", strategies, figures: {} }))
    assert.include(text, `"${near}" has the published p50`)
  })

  it("speaks of the strategies that take part alone", () => {
    const only = (...strategies: ReadonlyArray<string>) =>
      answer({ ...published, strategies }, outcome(1, 1, 1), outcome(2, 2, 2))
    assert.strictEqual(
      only("tree"),
      'The fastest of the other strategies is "tree", with a median of 2.00 times the bound.'
    )
    assert.match(only("shoal"), /^As the aim states, [^.]*1\.000 [^.]*1\.000 [^.]*\.$/)
  })
})

describe("link use", () => {
  it("is what the downlink carries between the first piece and the last, over what it could", () => {
    const { parts } = outcome(1, 1, 1)
    assert.closeTo(linkUseOf(published, parts!), 2.996e9 / 3e8 / 10.2, 1e-9)
  })
})

describe("the chart of completions", () => {
  it("has the label of the published median left of its point, where no curve is", async () => {
    const shown = [{ name: "shoal", strategy: "shoal", outcome: outcome(1.02, 1.04, 1.05) }]
    const { svg } = await Effect.runPromise(drawChart(completionsChart(published, shown)))
    const anchorOf = (label: string) => new RegExp(`text-anchor="(\\w+)"[^>]*>${label}<`).exec(svg)?.[1]
    assert.strictEqual(anchorOf("published p50"), "end")
    assert.strictEqual(anchorOf("p99"), "start")
    const [, x] = /translate\((-?[\d.]+),[^>]*>published p50</.exec(svg) ?? []
    assert.isAbove(Number(x), 90, "the label has room")
  })
})

describe("kraken-benchmark", () => {
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
