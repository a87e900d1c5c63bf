// Chart of the experiment adversity: for each scenario how far each kind of host is above its bound, the slowest and
// the median, with the aim as a rule.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour, type PaletteName } from "../report/chart-theme.ts"
import { rounded, type Times } from "../report/result.ts"
import type { AdversityFigures } from "./adversity-figures.ts"

export interface ScenarioRatios {
  readonly scenario: string
  readonly figures: AdversityFigures
}

const kinds: ReadonlyArray<
  readonly [label: string, colour: PaletteName, of: (figures: AdversityFigures) => Times | undefined]
> = [
  ["there from the start", "shoal", ({ fast }) => fast],
  ["on slow links", "origin", ({ slow }) => slow],
  ["came later", "muted", ({ came }) => came]
]

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

export const ratioChart = (scenarios: ReadonlyArray<ScenarioRatios>, aim: number): ChartSource => {
  const values = scenarios.flatMap(({ scenario, figures }) =>
    kinds.flatMap(([kind, , of]) => {
      const times = of(figures)
      return times === undefined
        ? []
        : [{ scenario, kind, median: rounded(times.ratio.p50), slowest: rounded(times.ratio.max) }]
    })
  )
  const color = {
    field: "kind",
    type: "nominal" as const,
    scale: { domain: kinds.map(([label]) => label), range: kinds.map(([, colour]) => lightColour(colour)) }
  }
  const y = {
    field: "scenario",
    type: "nominal" as const,
    sort: scenarios.map(({ scenario }) => scenario),
    axis: { title: null, labelLimit: 160, grid: false }
  }
  const yOffset = { field: "kind", type: "nominal" as const, sort: kinds.map(([label]) => label) }
  const x = {
    type: "quantitative" as const,
    scale: { zero: false, nice: true },
    axis: { title: "time over the bound", grid: true, tickCount: 8 }
  }
  const rules = [
    { aim: 1, label: "bound", align: "left" as const, dx: 5 },
    { aim, label: `aim ${aim}`, align: "right" as const, dx: -5 }
  ]
  return {
    name: "chart",
    title: "How far each kind of host is above its bound",
    caption:
      "The line of a kind goes from the median host to the slowest, which has the dot. Each kind has a bound of " +
      "its own: that of hosts on slow links is their own downlink, that of hosts that came later theirs since they " +
      "asked.",
    spec: {
      $schema: vegaLiteSchema,
      description: "Completion over the bound for each scenario and kind of host, with the aim as a rule.",
      width: chartWidth,
      height: 42 * scenarios.length,
      layer: [
        {
          data: { values: rules.map(({ aim, label }) => ({ aim, label })) },
          mark: { type: "rule", color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] },
          encoding: { x: { field: "aim", ...x } }
        },
        {
          data: { values },
          mark: { type: "rule", strokeWidth: 3 },
          encoding: { y, yOffset, color, x: { field: "median", ...x }, x2: { field: "slowest" } }
        },
        {
          data: { values },
          mark: { type: "point", filled: true, opacity: 1, size: 55 },
          encoding: { y, yOffset, color, x: { field: "slowest", ...x } }
        },
        ...rules.map(({ aim, label, align, dx }) => ({
          data: { values: [{ aim, label }] },
          mark: {
            type: "text" as const,
            color: lightColour("bound"),
            fontWeight: "bold" as const,
            align,
            dx
          },
          encoding: { x: { field: "aim", ...x }, y: { value: 3 }, text: { field: "label" } }
        }))
      ]
    }
  }
}
