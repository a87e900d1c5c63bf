// Holds the experiment `scale` to its series: what is measured, each point once, and an answer that says where the good
// range ends.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { scale } from "./scale.ts"
import { ladder } from "./scale-points.ts"

const tiny = {
  size: "2MB",
  "most-hosts": "12",
  hosts: "12",
  largest: "2MB",
  huge: "3MB",
  "huge-hosts": "2",
  "seeder-hosts": "12"
}

const prepared = (seeds: ReadonlyArray<number>) => Effect.runPromise(scale.prepare(tiny, seeds))

describe("ladder", () => {
  it("climbs by about three and ends where it was told", () => {
    assert.deepStrictEqual(ladder(10, 15_000), [10, 30, 100, 300, 1000, 3000, 10_000, 15_000])
    assert.deepStrictEqual(ladder(10, 300), [10, 30, 100, 300])
    assert.deepStrictEqual(ladder(10, 10), [10])
  })
})

describe("scale", () => {
  it("measures a point once, though two series hold it", async () => {
    const labels = (await prepared([1, 2])).cells.map(({ label }) => label)
    assert.strictEqual(new Set(labels).size, labels.length)
    // 10 and 12 hosts; 1 MB at 12 (2 MB at 12 is there already); the huge one; 2, 6 and 20 MB from one origin.
    assert.lengthOf(labels, 2 * (2 + 1 + 1 + 3))
  })

  it("answers from all points, and tells each in the table", async () => {
    const experiment = await prepared([1])
    const outcomes = await Effect.runPromise(
      Effect.forEach(experiment.cells, ({ input }) => scale.measure(input, silentProgress))
    )
    const measured = await Effect.runPromise(experiment.conclude(JSON.parse(JSON.stringify(outcomes))))
    assert.match(measured.answer, /With 2MB, .* with 12 hosts\)|is not reached/)
    assert.strictEqual(measured.tables?.[0]?.rows.length, 7)
    for (const { blob } of Object.values(measured.strategies)) assert.isAtLeast(blob!.ratio.max, 1)
    assert.strictEqual(measured.charts[0]?.name, "chart")
    const [slowest] = [measured.figures.line_share_one_seeder_10!]
    assert.isAbove(slowest.value, measured.figures.line_share_one_seeder!.value)
  })
})
