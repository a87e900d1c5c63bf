// Chart of simulated and measured times: their ratio for each configuration, median and slowest, on an axis around 1,
// with the range in which they count as equal.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { ratioLayers } from "../report/ratio-chart.ts"
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
  const kinds = ["half of the agents", "the last agent"] as const
  const points = all.flatMap(({ label, p50, max }) => [
    { label, ratio: rounded(p50), which: kinds[0] },
    { label, ratio: rounded(max), which: kinds[1] }
  ])
  return {
    name: "chart",
    title: "Simulated over measured",
    caption:
      `At 1 the simulator agrees with real processes. Between the dashed rules they differ by less than ${Math.round(100 * good)} %. ` +
      "12 × 64MiB are twelve agents and a blob of 64 MiB.",
    spec: {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: "Ratio of simulated to measured completion times for each configuration.",
      width: chartWidth,
      height: rowHeight * all.length,
      layer: ratioLayers({
        axisTitle: "simulated time over measured time",
        reach: 1.1 * reach,
        good,
        row: "label",
        points,
        kinds: [
          { name: kinds[0], colour: lightColour("shoal"), shape: "circle" },
          { name: kinds[1], colour: lightColour("origin"), shape: "diamond" }
        ],
        opacity: 1
      })
    }
  }
}
