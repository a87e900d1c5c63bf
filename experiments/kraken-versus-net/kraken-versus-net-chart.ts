// Chart of the simulated Kraken beside the real one: each measured run and each link model, as ratios to the mean of
// the measured runs of the case.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { ratioLayers } from "../report/ratio-chart.ts"
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
  return {
    name: "chart",
    title: "Time until the last agent has the blob, over that of the real Kraken",
    caption: `Between the dashed rules times differ from the measured ones by less than ${Math.round(100 * good)} %.`,
    spec: {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: "Ratio of each measured and simulated makespan to the mean of the measured ones, by case.",
      width: chartWidth,
      height: rowHeight * cases.length,
      layer: ratioLayers({
        axisTitle: "time over the mean of the measured runs",
        reach,
        good,
        row: "name",
        points,
        kinds: [
          { name: kinds[0], colour: lightColour("muted"), shape: "circle" },
          { name: kinds[1], colour: lightColour("kraken"), shape: "diamond" },
          { name: kinds[2], colour: lightColour("origin"), shape: "square" }
        ],
        opacity: 0.9
      })
    }
  }
}
