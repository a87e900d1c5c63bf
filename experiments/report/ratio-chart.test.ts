// Tests of charts of ratios to a measurement: labels are whole, and points of different kinds do not hide each other.

import { it } from "@effect/vitest"
import { Effect } from "effect"
import { assert, describe } from "vitest"
import { drawChart } from "./chart.ts"
import { chartWidth } from "./chart-theme.ts"
import { ratioLayers } from "./ratio-chart.ts"

const label = "cubic: 12 × 64MiB in 1MiB, limited"
const kinds = [
  { name: "measured run", colour: "#111111", shape: "circle" },
  { name: "simulated, fair", colour: "#222222", shape: "diamond" },
  { name: "simulated, queue", colour: "#333333", shape: "square" }
] as const

const drawn = drawChart({
  name: "chart",
  title: "",
  caption: "",
  spec: {
    width: chartWidth,
    height: 60,
    layer: ratioLayers({
      axisTitle: "ratio",
      reach: 0.2,
      good: 0.1,
      row: "case",
      points: kinds.map(({ name }) => ({ case: label, ratio: 1, which: name })),
      kinds,
      opacity: 1
    })
  }
})

describe("a chart of ratios", () => {
  it.effect("has whole labels, and every entry of the legend within its width", () =>
    Effect.gen(function* () {
      const { svg } = yield* drawn
      assert.include(svg, `>${label}<`)
      const plot = Number(/<g fill="none"[^>]*transform="translate\((\d+)/.exec(svg)?.[1])
      const legend = svg.slice(svg.indexOf("role-legend-entry"))
      const entries = [
        ...legend.matchAll(/translate\((\d+),[\d.]+\)"><path class="background"[^>]*d="M0,0h([1-9]\d*)v/g)
      ]
      assert.lengthOf(entries, 3)
      for (const [entry, x, width] of entries) {
        assert.isAtMost(plot + Number(x) + Number(width), chartWidth, entry)
      }
    })
  )

  it.effect("puts points of equal ratios below each other", () =>
    Effect.gen(function* () {
      const { svg } = yield* drawn
      const heights = kinds.map(
        ({ colour }) => new RegExp(`translate\\([\\d.]+,([\\d.]+)\\)"[^>]*fill="${colour}"`).exec(svg)?.[1]
      )
      assert.strictEqual(new Set(heights).size, 3, heights.join())
    })
  )
})
