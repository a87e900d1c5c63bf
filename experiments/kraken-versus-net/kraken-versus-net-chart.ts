// Chart of the simulated Kraken beside the real one: each measured run and each link model, as ratios to the mean of
// the measured runs of the case.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"

export interface CaseRatios {
  readonly name: string
  readonly measured: ReadonlyArray<number>
  readonly fair: number
  readonly queue: number
}

const rowHeight = 44
const kinds = ["measured run", "simulated, fair", "simulated, queue"] as const

export const ratiosChart = (cases: ReadonlyArray<CaseRatios>, good: number): ChartSource => {
  const points = cases.flatMap(({ name, measured, fair, queue }) => [
    ...measured.map((ratio) => ({ name, ratio: rounded(ratio), which: kinds[0] })),
    { name, ratio: rounded(fair), which: kinds[1] },
    { name, ratio: rounded(queue), which: kinds[2] }
  ])
  const reach = Math.max(1.2 * good, ...points.map(({ ratio }) => 1.1 * Math.abs(ratio - 1)))
  const x = {
    field: "ratio",
    type: "quantitative" as const,
    scale: { domain: [rounded(1 - reach), rounded(1 + reach)], nice: false },
    axis: { title: "time over the mean of the measured runs", grid: true, tickCount: 9, format: ".2f" }
  }
  return {
    name: "chart",
    title: "Time until the last agent has the blob, over that of the real Kraken",
    caption: `Between the dashed rules times differ from the measured ones by less than ${Math.round(100 * good)} %.`,
    spec: {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: "Ratio of each measured and simulated makespan to the mean of the measured ones, by case.",
      width: chartWidth,
      height: rowHeight * cases.length,
      layer: [
        {
          data: { values: [{ ratio: rounded(1 - good) }, { ratio: 1 }, { ratio: rounded(1 + good) }] },
          mark: { type: "rule", color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] },
          encoding: { x }
        },
        {
          data: { values: points },
          mark: { type: "point", filled: true, opacity: 0.9, size: 90 },
          encoding: {
            x,
            y: {
              field: "name",
              type: "nominal",
              sort: null,
              axis: { title: null, grid: true, labelLimit: 320 }
            },
            color: {
              field: "which",
              type: "nominal",
              scale: {
                domain: [...kinds],
                range: [lightColour("muted"), lightColour("kraken"), lightColour("origin")]
              }
            },
            shape: {
              field: "which",
              type: "nominal",
              scale: { domain: [...kinds], range: ["circle", "diamond", "square"] }
            }
          }
        }
      ]
    }
  }
}
