// Layers of a chart of ratios to a measurement: a row for each case, points of several kinds below each other on an
// axis around 1, and dashed rules where they count as equal. It does not know what was measured.

import type { TopLevelSpec } from "vega-lite"
import { lightColour } from "./chart-theme.ts"
import { rounded } from "./result.ts"

interface RatioKind {
  readonly name: string
  readonly colour: string
  readonly shape: "circle" | "diamond" | "square"
}

interface RatioChart<Row extends string> {
  readonly axisTitle: string
  /** The axis runs from 1 - `reach` to 1 + `reach`. */
  readonly reach: number
  /** The rules are at 1 - `good`, 1 and 1 + `good`. */
  readonly good: number
  /** The field of a point that names its row. */
  readonly row: Row
  readonly points: ReadonlyArray<
    { readonly ratio: number; readonly which: string } & Readonly<Record<Row, string>>
  >
  readonly kinds: ReadonlyArray<RatioKind>
  readonly opacity: number
}

export const ratioLayers = <const Row extends string>(chart: RatioChart<Row>) => {
  const { axisTitle, reach, good, row, points, kinds, opacity } = chart
  const domain = kinds.map(({ name }) => name)
  const x = {
    field: "ratio",
    type: "quantitative" as const,
    scale: { domain: [rounded(1 - reach), rounded(1 + reach)], nice: false },
    axis: { title: axisTitle, grid: true, tickCount: 9, format: ".2f" }
  }
  return [
    {
      data: { values: [{ ratio: rounded(1 - good) }, { ratio: 1 }, { ratio: rounded(1 + good) }] },
      mark: { type: "rule" as const, color: lightColour("bound"), strokeWidth: 1.5, strokeDash: [5, 4] },
      encoding: { x }
    },
    {
      data: { values: [...points] },
      mark: { type: "point" as const, filled: true, opacity, size: 90 },
      encoding: {
        x,
        y: {
          field: row,
          type: "nominal" as const,
          sort: null,
          axis: { title: null, grid: true, labelLimit: 0 }
        },
        yOffset: { field: "which", type: "nominal" as const, sort: domain },
        color: {
          field: "which",
          type: "nominal" as const,
          scale: { domain, range: kinds.map(({ colour }) => colour) },
          // Text is measured by an estimate that is too wide for three entries in a line.
          legend: { columns: 2 }
        },
        shape: {
          field: "which",
          type: "nominal" as const,
          scale: { domain, range: kinds.map(({ shape }) => shape) }
        }
      }
    }
  ] satisfies Extract<TopLevelSpec, { readonly layer: unknown }>["layer"]
}
