// Charts of several images: when hosts have all that they want, over the bound, a curve for each seed; and when the
// last of the hosts that want a blob has it, by how many want it.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"
import { makespanAim } from "./several-images-figures.ts"
import type { ImagesOutcome } from "./several-images-run.ts"

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

const axisTitle = "time over the bound of the slowest host"

const rules = [
  { ratio: 1, label: "slowest host's bound" },
  { ratio: makespanAim, label: "aim" }
]

const ruleMark = { type: "rule" as const, color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] }
const ruleText = { type: "text", color: lightColour("bound"), fontWeight: "bold" } as const

/** Share of the hosts that have all that they want, over time. */
export const hostsChart = (
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<ImagesOutcome>
): ChartSource => {
  const steps = outcomes.flatMap(({ completions, bound }, index) =>
    completions.map((seconds, host) => ({
      seed: String(seeds[index]),
      ratio: rounded(seconds / bound),
      share: rounded((host + 1) / completions.length)
    }))
  )
  const x = {
    field: "ratio",
    type: "quantitative" as const,
    scale: { zero: false, nice: true },
    axis: { title: axisTitle, grid: true, tickCount: 9 }
  }
  const y = {
    field: "share",
    type: "quantitative" as const,
    scale: { domain: [0, 1] },
    axis: { title: null, grid: true, tickCount: 5, format: ".0%" }
  }
  return {
    name: "chart",
    title: "Hosts that have all that they want",
    caption:
      "A curve for each seed. Hosts want different amounts, so that they finish at different times, and most before the " +
      "bound, which is that of the slowest.",
    spec: {
      $schema: vegaLiteSchema,
      description: "Share of hosts that have all of their blobs, over time in bounds, for each seed.",
      width: chartWidth,
      height: 300,
      layer: [
        { data: { values: rules }, mark: ruleMark, encoding: { x } },
        {
          data: { values: rules.map((rule) => ({ ...rule, share: 0.04 })) },
          mark: { ...ruleText, align: "left", dx: 6 },
          encoding: { x, y, text: { field: "label" } }
        },
        {
          data: { values: steps },
          mark: {
            type: "line",
            interpolate: "step-after",
            color: lightColour("shoal"),
            strokeWidth: 2,
            opacity: 0.7
          },
          encoding: { x, y, detail: { field: "seed", type: "nominal" } }
        }
      ]
    }
  }
}

/** When the last of the hosts that want a blob has it, by their number. */
export const blobsChart = (outcomes: ReadonlyArray<ImagesOutcome>): ChartSource => {
  const points = outcomes.flatMap(({ blobs, bound }) =>
    blobs.map(({ wanters, bytes, last }) => ({
      wanters,
      megabytes: rounded(bytes / 1e6),
      ratio: rounded(last / bound)
    }))
  )
  const y = {
    field: "ratio",
    type: "quantitative" as const,
    scale: { zero: true, nice: true },
    axis: { title: axisTitle, grid: true, tickCount: 6 }
  }
  return {
    name: "blobs",
    title: "When the last host that wants a blob has it",
    caption: "A circle is a blob of a seed, and its area is the length of the blob.",
    spec: {
      $schema: vegaLiteSchema,
      description:
        "Time until the last host has a blob, over the bound, by the number of hosts that want it.",
      width: chartWidth,
      height: 300,
      layer: [
        { data: { values: rules }, mark: ruleMark, encoding: { y } },
        {
          data: { values: points },
          mark: { type: "point", filled: true, color: lightColour("shoal"), opacity: 0.5 },
          encoding: {
            x: {
              field: "wanters",
              type: "quantitative" as const,
              scale: { type: "log" as const, nice: false },
              axis: {
                title: "hosts that want the blob",
                grid: true,
                values: [1, 2, 3, 5, 10, 20, 50, 100, 200, 500]
              }
            },
            y,
            size: {
              field: "megabytes",
              type: "quantitative" as const,
              scale: { range: [10, 160] },
              legend: { title: "MB" }
            }
          }
        }
      ]
    }
  }
}
