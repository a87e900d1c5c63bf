// Chart of the bench: for each measure that is held to another system, how many times the other's cost Shoal and bare
// Node have, on a logarithmic axis, with the aim. Pure.

import type { TopLevelSpec } from "vega-lite"
import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"
import type { Aim, Measure } from "./rows.ts"
import type { JudgedMeasure } from "./verdicts.ts"

const rowHeight = 26
const kinds = ["Shoal", "bare Node (floor)", "aim"] as const

interface Point {
  readonly measure: string
  readonly cost: number
  readonly which: (typeof kinds)[number]
}

/** A cost over another: what should be much counts the other way round, so that less is always better. */
const costOf = (own: number, other: number, better: Measure["better"]): number =>
  rounded(better === "less" ? own / other : other / own)

const pointsOf = (
  { row, measure, medians }: JudgedMeasure,
  { to, factor }: Extract<Aim, { kind: "ratio" }>
): ReadonlyArray<Point> => {
  const { better } = measure
  const [shoal, other, floor] = [medians.get("shoal"), medians.get(to), medians.get("node")]
  // An axis of logarithms has no place for a nothing.
  if (shoal === undefined || other === undefined || shoal <= 0 || other <= 0) return []
  const name = `${row.name}: ${measure.title}`
  return [
    { measure: name, cost: costOf(shoal, other, better), which: kinds[0] },
    ...(floor === undefined || floor <= 0
      ? []
      : [{ measure: name, cost: costOf(floor, other, better), which: kinds[1] }]),
    { measure: name, cost: costOf(factor, 1, better), which: kinds[2] }
  ]
}

/** Undefined when nothing was measured beside another system. */
export const benchChart = (judged: ReadonlyArray<JudgedMeasure>): ChartSource | undefined => {
  const points = judged.flatMap((each) =>
    each.measure.aims.flatMap((aim) => (aim.kind === "ratio" ? pointsOf(each, aim) : []))
  )
  if (points.length === 0) return undefined
  const colours = [lightColour("shoal"), lightColour("muted"), lightColour("bound")]
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description:
      "Cost of Shoal and of bare Node over that of another system, for each measure, with its aim.",
    width: chartWidth,
    height: rowHeight * new Set(points.map(({ measure }) => measure)).size,
    data: { values: points },
    layer: [
      {
        data: { values: [{ cost: 1 }] },
        mark: { type: "rule", color: lightColour("muted"), strokeDash: [5, 4] },
        encoding: { x: { field: "cost", type: "quantitative" } }
      },
      {
        mark: { type: "point", filled: true, opacity: 0.9, size: 90 },
        encoding: {
          x: {
            field: "cost",
            type: "quantitative",
            scale: { type: "log", nice: false, padding: 12 },
            axis: {
              title: "times the other system's cost: less is better",
              format: "~g",
              values: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
            }
          },
          y: {
            field: "measure",
            type: "nominal",
            sort: null,
            axis: { title: null, grid: true, labelLimit: 380 }
          },
          color: { field: "which", type: "nominal", scale: { domain: [...kinds], range: colours } },
          shape: {
            field: "which",
            type: "nominal",
            scale: { domain: [...kinds], range: ["circle", "diamond", "triangle-left"] }
          }
        }
      }
    ]
  }
  return {
    name: "chart",
    title: "Shoal beside the system of each aim",
    caption:
      "Swarms are held to Kraken, everything else to distribution. An aim is met by what is left of it.",
    spec
  }
}
