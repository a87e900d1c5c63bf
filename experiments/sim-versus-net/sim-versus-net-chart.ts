// Chart of simulated and measured times: their ratio for each configuration, median and slowest, on an axis around 1,
// with the range in which they count as equal.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"

export interface Agreement {
  readonly label: string
  /** Simulated over measured. */
  readonly p50: number
  readonly max: number
}

const rowHeight = 34

/** The ratios of each configuration, and the range from 1 - `good` to 1 + `good`. */
export const agreementChart = (all: ReadonlyArray<Agreement>, good: number): ChartSource => {
  const reach = Math.max(2 * good, ...all.flatMap(({ p50, max }) => [Math.abs(p50 - 1), Math.abs(max - 1)]))
  const kinds = ["half of the agents", "the last agent"]
  const points = all.flatMap(({ label, p50, max }) => [
    { label, ratio: rounded(p50), which: kinds[0] },
    { label, ratio: rounded(max), which: kinds[1] }
  ])
  const x = {
    field: "ratio",
    type: "quantitative" as const,
    scale: { domain: [rounded(1 - 1.1 * reach), rounded(1 + 1.1 * reach)], nice: false },
    axis: { title: "simulated time over measured time", grid: true, tickCount: 9, format: ".2f" }
  }
  return {
    name: "chart",
    title: "Simulated over measured",
    caption: `At 1 the simulator agrees with real processes. Between the dashed rules they differ by less than ${Math.round(100 * good)} %.`,
    spec: {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: "Ratio of simulated to measured completion times for each configuration.",
      width: chartWidth,
      height: rowHeight * all.length,
      layer: [
        {
          data: { values: [{ ratio: rounded(1 - good) }, { ratio: 1 }, { ratio: rounded(1 + good) }] },
          mark: { type: "rule", color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] },
          encoding: { x }
        },
        {
          data: { values: points },
          mark: { type: "point", filled: true, opacity: 1, size: 90 },
          encoding: {
            x,
            y: {
              field: "label",
              type: "nominal",
              sort: null,
              axis: { title: null, grid: true, labelLimit: 320 }
            },
            color: {
              field: "which",
              type: "nominal",
              scale: { domain: kinds, range: [lightColour("shoal"), lightColour("origin")] }
            },
            shape: { field: "which", type: "nominal", scale: { domain: kinds, range: ["circle", "diamond"] } }
          }
        }
      ]
    }
  }
}
