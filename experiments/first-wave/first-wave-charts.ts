// Charts of first-wave: when hosts finish, magnified, with the bound as a rule; and how the bytes spread from the
// start, by sender, below the fastest spread that the counting bound allows.

import { landedBySlot } from "../flash-crowd/bounds.ts"
import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour } from "../report/chart-theme.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import { rounded } from "../report/result.ts"

/** The most points of a curve: enough for its shape at the width of the chart, and for a small file. */
const maxPoints = 300

/** At most `maxPoints` indexes of 0 .. count - 1, evenly spread, with the first and the last. */
const spreadIndexes = (count: number): ReadonlyArray<number> => {
  const points = Math.min(count, maxPoints)
  if (points < 2) return count === 0 ? [] : [0]
  return Array.from({ length: points }, (_, point) => Math.round((point * (count - 1)) / (points - 1)))
}

const secondsAxis = (title: string) => ({ title, grid: true, tickCount: 7, labelExpr: "datum.label + ' s'" })
const shareAxis = { title: null, grid: true, tickCount: 5, format: ".0%" }

export interface CompletionCurve {
  /** Seconds from the start of each agent until it had the whole blob, in any order. */
  readonly completions: ReadonlyArray<number>
  /** Seconds. */
  readonly bound: number
}

/** Share of agents that have the blob over time. */
export const completionChart = (curve: CompletionCurve): ChartSource => {
  const sorted = ascending(curve.completions)
  const first = quantile(sorted, 1)
  const median = quantile(sorted, 500)
  const slowest = quantile(sorted, 1000)
  const low = Math.min(first, curve.bound)
  const span = Math.max(slowest - low, slowest * 0.01)
  const from = Math.max(0, low - 0.3 * span)
  const to = slowest + 0.4 * span
  const shown = new Set(spreadIndexes(sorted.length))
  const steps = sorted.flatMap((seconds, index) =>
    shown.has(index) ? [{ seconds: rounded(seconds), share: rounded((index + 1) / sorted.length) }] : []
  )
  const marked = [
    { seconds: rounded(median), share: 0.5, label: `half after ${median.toFixed(3)} s` },
    { seconds: rounded(slowest), share: 1, label: `all after ${slowest.toFixed(3)} s` }
  ]
  const x = {
    field: "seconds",
    type: "quantitative" as const,
    scale: { domain: [rounded(from), rounded(to)], nice: false },
    axis: secondsAxis("time since the agent's start")
  }
  const y = {
    field: "share",
    type: "quantitative" as const,
    scale: { domain: [0, 1.06] },
    axis: { ...shareAxis, values: [0, 0.25, 0.5, 0.75, 1] }
  }
  return {
    name: "chart",
    title: "Agents that have the whole blob",
    caption:
      "The curve steps up as agents complete, verified to the last byte. The vertical rule is the counting bound: " +
      "no protocol that sends whole pieces can serve the last agent before it. The time axis shows the part in " +
      "which agents finish.",
    spec: {
      $schema: vegaLiteSchema,
      description:
        "Share of agents that have completed the blob over time, with the counting bound as a rule.",
      width: chartWidth,
      height: 300,
      layer: [
        {
          data: { values: [{ seconds: rounded(curve.bound) }] },
          mark: { type: "rule", color: lightColour("bound"), strokeWidth: 2, strokeDash: [5, 4] },
          encoding: { x: { ...x } }
        },
        {
          data: {
            values: [
              { seconds: rounded(curve.bound), share: 0.06, label: `bound ${curve.bound.toFixed(3)} s` }
            ]
          },
          mark: { type: "text", align: "right", dx: -8, color: lightColour("bound"), fontWeight: "bold" },
          encoding: { x, y, text: { field: "label" } }
        },
        {
          data: {
            values: [
              { seconds: rounded(from), share: 0 },
              { seconds: rounded(first), share: 0 },
              ...steps,
              { seconds: rounded(to), share: 1 }
            ]
          },
          mark: { type: "line", interpolate: "step-after", color: lightColour("shoal"), strokeWidth: 2.5 },
          encoding: { x, y }
        },
        {
          data: { values: marked },
          mark: { type: "point", filled: true, opacity: 1, size: 60, color: lightColour("shoal") },
          encoding: { x, y }
        },
        {
          data: { values: marked },
          mark: { type: "text", align: "left", baseline: "top", dx: 9, dy: 6, color: lightColour("ink") },
          encoding: { x, y, text: { field: "label" } }
        }
      ]
    }
  }
}

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

/** Bytes that agents had received at an instant, by sender. */
interface SpreadSample {
  /** Seconds since the start. */
  readonly seconds: number
  readonly fromOrigins: number
  readonly fromAgents: number
}

export interface SpreadCurve {
  readonly samples: ReadonlyArray<SpreadSample>
  readonly agents: number
  readonly origins: number
  readonly bytes: number
  readonly pieceLength: number
  /** Bytes per second. */
  readonly rate: number
  /** Seconds. */
  readonly latency: number
}

/** Share of the wanted bytes that has arrived over time, beside the fastest possible spread. */
export const spreadChart = (curve: SpreadCurve): ChartSource => {
  const wanted = curve.agents * curve.bytes
  const slot = curve.pieceLength / curve.rate
  const pieces = curve.bytes / curve.pieceLength
  const end = curve.samples.at(-1)?.seconds ?? 0
  const fastest = spreadIndexes(Math.floor((end - curve.latency) / slot) + 1).map((at) => ({
    seconds: rounded(at * slot + curve.latency),
    share: rounded(Math.min(1, landedBySlot(curve.agents, curve.origins, at) / (curve.agents * pieces)))
  }))
  const kinds = ["from other agents", "from origins"]
  const arrived = curve.samples.flatMap((sample) => [
    { seconds: rounded(sample.seconds), share: rounded(sample.fromAgents / wanted), source: kinds[0] },
    { seconds: rounded(sample.seconds), share: rounded(sample.fromOrigins / wanted), source: kinds[1] }
  ])
  const series = [...kinds, "fastest possible"]
  const color = {
    field: "source",
    type: "nominal" as const,
    scale: { domain: series, range: [lightColour("shoal"), lightColour("origin"), lightColour("bound")] }
  }
  const x = {
    field: "seconds",
    type: "quantitative" as const,
    scale: { domain: [0, rounded(end)], nice: false },
    axis: secondsAxis("time since the first agent's start")
  }
  const y = { field: "share", type: "quantitative" as const, axis: shareAxis, scale: { domain: [0, 1] } }
  return {
    name: "spread",
    title: "Bytes that have arrived, of all that agents want",
    caption:
      "Areas show verified pieces by sender. The dashed line is the fastest spread that the counting bound allows: " +
      "uploaders double in every slot until all links are busy. The space between line and area is lost time.",
    spec: {
      $schema: vegaLiteSchema,
      description: "Bytes received over time by source, with the fastest possible spread as a dashed line.",
      width: chartWidth,
      height: 260,
      layer: [
        {
          data: { values: arrived },
          mark: { type: "area", opacity: 0.85 },
          encoding: {
            x,
            y: { ...y, stack: "zero" as const },
            color,
            order: { field: "source", sort: "descending" }
          }
        },
        {
          data: { values: fastest.map((point) => ({ ...point, source: series[2] })) },
          mark: { type: "line", strokeWidth: 2, strokeDash: [5, 4] },
          encoding: { x, y, color }
        }
      ]
    }
  }
}
