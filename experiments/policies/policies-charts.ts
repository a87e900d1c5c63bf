// Charts of the experiment policies: each value is a line from the median host to the slowest, over the bound, in rows
// by factor, so that values can be compared at a glance, on each model of links; what two values do together beyond
// what each does alone; and the copies that origins had to send.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"
import { copiesAim, type MeasuredFactor, type MeasuredSweep, type MeasuredValue } from "./policies-figures.ts"

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

const kinds = ["as it ships", "other"] as const
const colours = [lightColour("shoal"), lightColour("origin")]

/** Rows of a chart: each value with the name of its factor. */
const rowsOf = (factors: ReadonlyArray<MeasuredFactor>, of: (value: MeasuredValue) => object) =>
  factors.flatMap(({ name, values }) =>
    values.map((value) => ({
      row: `${name}: ${value.label}`,
      kind: value.isBase ? kinds[0] : kinds[1],
      ...of(value)
    }))
  )

const encodingOf = (rows: ReadonlyArray<{ readonly row: string }>) => ({
  y: {
    field: "row",
    type: "nominal" as const,
    sort: rows.map(({ row }) => row),
    axis: { title: null, labelLimit: 300, grid: false }
  },
  color: {
    field: "kind",
    type: "nominal" as const,
    scale: { domain: [...kinds], range: colours }
  }
})

const rowHeight = 19

/** p50, p99.9 and maximum of every value over the bound: medians over the seeds, and the worst maximum. */
export const ratiosChart = ({ links, factors }: MeasuredSweep, name: string, agents: number): ChartSource => {
  const rows = rowsOf(factors, ({ ratios: { p50, p999, max } }) => ({
    p50: rounded(p50.median),
    p999: rounded(p999.median),
    max: rounded(max.median),
    worst: rounded(max.worst)
  }))
  const { y, color } = encodingOf(rows)
  const x = {
    type: "quantitative" as const,
    scale: { zero: false, nice: true },
    axis: { title: "time over the bound", grid: true, tickCount: 8 }
  }
  return {
    name,
    title: `One rule at a time, ${agents} hosts, links ${links}`,
    caption:
      "A line goes from the median host to the slowest, which has the dot, both as medians over the seeds. The " +
      "tick is the slowest host of the worst seed, and the ring is p99.9.",
    spec: {
      $schema: vegaLiteSchema,
      description: "Completion over the bound for every value of every factor.",
      width: chartWidth,
      height: rowHeight * rows.length,
      data: { values: rows },
      layer: [
        {
          mark: { type: "rule", strokeWidth: 3 },
          encoding: { y, color, x: { field: "p50", ...x }, x2: { field: "max" } }
        },
        {
          mark: { type: "point", filled: false, size: 55, strokeWidth: 1.5 },
          encoding: { y, color, x: { field: "p999", ...x } }
        },
        {
          mark: { type: "point", filled: true, opacity: 1, size: 45 },
          encoding: { y, color, x: { field: "max", ...x } }
        },
        {
          mark: { type: "tick", thickness: 2, height: 11 },
          encoding: { y, color, x: { field: "worst", ...x } }
        }
      ]
    }
  }
}

/** What two values do to the slowest host beyond what each does alone, for every combination. */
export const pairsChart = ({ links, pairs }: MeasuredSweep): ChartSource => {
  const cells = pairs.map(({ label, beyond }) => {
    const [first = "", second = ""] = label.split(" with ")
    return {
      first,
      second,
      percent: rounded(100 * beyond.median),
      text: `${beyond.median > 0 ? "+" : ""}${(100 * beyond.median).toFixed(1)}${beyond.counts ? " *" : ""}`
    }
  })
  const reach = Math.max(1, ...cells.map(({ percent }) => Math.abs(percent)))
  const axis = (field: "first" | "second") => ({
    field,
    type: "nominal" as const,
    sort: null,
    axis: { title: null, grid: false, labelAngle: 0, labelLimit: 120 }
  })
  return {
    name: "pairs",
    title: `Two rules at a time, links ${links}`,
    caption:
      "Percent of the time of the slowest host that two values cost together beyond what each costs alone, as the " +
      "median over the seeds. A star marks what counts: every seed shows the same direction.",
    spec: {
      $schema: vegaLiteSchema,
      description: "Effect of two values on the slowest host beyond the product of their own effects.",
      width: chartWidth,
      height: 2 * rowHeight * new Set(cells.map(({ first }) => first)).size,
      data: { values: cells },
      layer: [
        {
          mark: { type: "rect" },
          encoding: {
            x: axis("second"),
            y: axis("first"),
            color: {
              field: "percent",
              type: "quantitative" as const,
              scale: {
                domain: [-rounded(reach), 0, rounded(reach)],
                range: [lightColour("shoal"), lightColour("paper"), lightColour("bound")]
              },
              legend: { title: "%" }
            }
          }
        },
        {
          mark: { type: "text", color: lightColour("ink"), fontSize: 11 },
          encoding: { x: axis("second"), y: axis("first"), text: { field: "text" } }
        }
      ]
    }
  }
}

/** Copies that origins had sent when every piece was outside, with the aim as a rule. */
export const copiesChart = ({ links, factors }: MeasuredSweep): ChartSource => {
  const rows = rowsOf(factors, ({ copies }) => ({
    median: rounded(copies.median),
    worst: rounded(copies.worst)
  }))
  const { y, color } = encodingOf(rows)
  const x = {
    type: "quantitative" as const,
    scale: { zero: false, nice: true },
    axis: { title: "copies of the blob", grid: true, tickCount: 8 }
  }
  return {
    name: "copies",
    title: `Copies that origins had sent when every piece was outside, links ${links}`,
    caption: "The dot is the median over the seeds, the tick the worst seed, and the dashed rule the aim.",
    spec: {
      $schema: vegaLiteSchema,
      description:
        "Copies sent by origins until every piece existed outside, for every value of every factor.",
      width: chartWidth,
      height: rowHeight * rows.length,
      layer: [
        {
          data: { values: [{ aim: copiesAim }] },
          mark: { type: "rule", color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] },
          encoding: { x: { field: "aim", ...x } }
        },
        {
          data: { values: rows },
          mark: { type: "point", filled: true, opacity: 1, size: 45 },
          encoding: { y, color, x: { field: "median", ...x } }
        },
        {
          data: { values: rows },
          mark: { type: "tick", thickness: 2, height: 11 },
          encoding: { y, color, x: { field: "worst", ...x } }
        }
      ]
    }
  }
}
