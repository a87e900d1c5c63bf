// Tests of the experiment scale: each point of its series is measured once, and the answer names the ends of the good
// range.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../../testing/experiments/plain-answer.ts"
import { silentProgress } from "../engine/progress.ts"
import { scale } from "./scale.ts"
import { labelOf, ladder, pointsOf, type ScaleOptions, type ScalePoint } from "./scale-points.ts"

const tiny = {
  size: "2MB",
  "most-hosts": "12",
  hosts: "12",
  largest: "2MB",
  huge: "3MB",
  "huge-hosts": "2",
  "seeder-hosts": "12"
}

/** The defaults. */
const published: ScaleOptions = {
  size: 1e9,
  "most-hosts": 15_000,
  hosts: 1000,
  largest: 2e10,
  huge: 1e11,
  "huge-hosts": 500,
  "seeder-hosts": 3000,
  origins: 3,
  trackers: 3,
  rate: 3e8,
  latency: 500,
  links: "fair"
}

const prepared = (seeds: ReadonlyArray<number>) => Effect.runPromise(scale.prepare(tiny, seeds))

describe("ladder", () => {
  it("climbs by factors of about three and ends at its last step", () => {
    assert.deepStrictEqual(ladder(10, 15_000), [10, 30, 100, 300, 1000, 3000, 10_000, 15_000])
    assert.deepStrictEqual(ladder(10, 300), [10, 30, 100, 300])
    assert.deepStrictEqual(ladder(10, 10), [10])
  })
})

describe("scale", () => {
  it("measures a point of two series once", async () => {
    const labels = (await prepared([1, 2])).cells.map(({ label }) => label)
    assert.strictEqual(new Set(labels).size, labels.length)
    // 10 and 12 hosts; 1 MB at 12 hosts (2 MB at 12 are there already); the huge one; 2, 6 and 20 MB from one origin.
    assert.lengthOf(labels, 2 * (2 + 1 + 1 + 3))
  })

  it("lists every point in the table", async () => {
    const experiment = await prepared([1])
    const outcomes = await Effect.runPromise(
      Effect.forEach(experiment.cells, ({ input }) => scale.measure(input, silentProgress))
    )
    const measured = await Effect.runPromise(experiment.conclude(JSON.parse(JSON.stringify(outcomes))))
    assert.strictEqual(measured.tables?.[0]?.rows.length, 7)
    for (const { blob } of Object.values(measured.strategies)) assert.isAtLeast(blob!.ratio.max, 1)
    assert.strictEqual(measured.charts[0]?.name, "chart")
    const { line_share_one_seeder: short, line_share_one_seeder_10: long } = measured.figures
    assert.isAbove(long?.value ?? 0, short?.value ?? 1)
  })
})

describe("the answer", () => {
  /** The answer when each point's slowest host gets this share of its line rate. */
  const answer = async (share: (point: ScalePoint) => number): Promise<string> => {
    const { answer: answerOf } = await Effect.runPromise(scale.prepare({}, [1]))
    const times = (point: ScalePoint) => {
      const max_s = point.bytes / 3e8 / share(point)
      const ratio = { p50: 1, p99: 1, p999: 1, max: 1 }
      return { blob: { p50_s: max_s, p99_s: max_s, p999_s: max_s, max_s, bound_s: max_s, ratio } }
    }
    const strategies = Object.fromEntries(
      pointsOf(published).map((point) => [`shoal, ${labelOf(point)}`, times(point)])
    )
    return assertPlain(answerOf({ seeds: "1", strategies, figures: {} }))
  }

  it("names the last number of hosts and the first size that reach a good share", async () => {
    const text = await answer(({ agents, bytes }) => (agents > 10_000 || bytes < 3e8 ? 0.79 : 0.81))
    assert.include(text, "With 1GB, the slowest host gets at least 80 % of its line rate up to 10000 hosts.")
    assert.include(text, "With 1000 hosts, blobs from 300MB on reach that share.")
    assert.include(text, "of 3000 hosts gets 81.0 % with 1GB, 81.0 % with 3GB, 81.0 % with 10GB.")
  })

  it("says when everything does, and when nothing does", async () => {
    const all = await answer(() => 1)
    assert.include(all, "up to 15000 hosts, the most that were tried.")
    assert.include(all, "blobs from 1MB on reach that share")
    const none = await answer(() => 0.5)
    assert.include(none, "With 1GB, even the slowest of 10 hosts gets less than 80 % of its line rate.")
    assert.include(none, "no blob up to 20GB reaches that share")
  })
})
