// Charts of the experiment scale: time over hosts, time over bytes, and the share of its line rate that the slowest
// host gets over bytes; hosts and bytes are on a log axis.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour, type PaletteName } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"
import type { MeasuredPoint } from "./scale-points.ts"

interface Line {
  readonly label: string
  readonly colour: PaletteName
  readonly dashed?: boolean
  readonly points: ReadonlyArray<{ readonly x: number; readonly y: number }>
}

interface LinesOver {
  readonly name: string
  readonly title: string
  readonly caption: string
  readonly x: { readonly title: string; readonly labelExpr: string }
  readonly y: { readonly title: string; readonly log?: boolean; readonly share?: boolean }
  readonly lines: ReadonlyArray<Line>
}

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

/** A chart of lines with a mark at every point, x on a log axis. */
const linesOver = ({ name, title, caption, x, y, lines }: LinesOver): ChartSource => {
  const values = lines.flatMap(({ label, points }) =>
    points.map((point) => ({ x: point.x, y: rounded(point.y), line: label }))
  )
  const ticks = [...new Set(values.map((value) => value.x))].sort((left, right) => left - right)
  const named = {
    field: "line",
    type: "nominal" as const,
    scale: { domain: lines.map(({ label }) => label), range: lines.map(({ colour }) => lightColour(colour)) }
  }
  const dashes = {
    ...named,
    scale: { ...named.scale, range: lines.map(({ dashed }) => (dashed ? [5, 4] : [1, 0])) }
  }
  const encoding = {
    x: {
      field: "x",
      type: "quantitative" as const,
      scale: { type: "log" as const, nice: false },
      axis: { title: x.title, grid: false, values: ticks, labelExpr: x.labelExpr }
    },
    y: {
      field: "y",
      type: "quantitative" as const,
      scale: y.log ? { type: "log" as const } : y.share ? { domain: [0, 1] } : { zero: true },
      axis: { title: y.title, grid: true, tickCount: 5, ...(y.share ? { format: ".0%" } : {}) }
    },
    color: named
  }
  return {
    name,
    title,
    caption,
    spec: {
      $schema: vegaLiteSchema,
      description: caption,
      width: chartWidth,
      height: 280,
      data: { values },
      layer: [
        {
          mark: { type: "line", strokeWidth: 2.5 },
          encoding: { ...encoding, strokeDash: dashes }
        },
        { mark: { type: "point", filled: true, opacity: 1, size: 45 }, encoding }
      ]
    }
  }
}

const hostsAxis = { title: "hosts that pull at once", labelExpr: "format(datum.value, ',')" }
const bytesAxis = {
  title: "bytes of the blob",
  labelExpr: "replace(replace(format(datum.value, '~s'), 'G', ' G'), 'M', ' M') + 'B'"
}

const over = (
  points: ReadonlyArray<MeasuredPoint>,
  x: (point: MeasuredPoint) => number,
  y: (point: MeasuredPoint) => number
) => points.map((point) => ({ x: x(point), y: y(point) }))

const agents = (point: MeasuredPoint): number => point.agents
const bytes = (point: MeasuredPoint): number => point.bytes

/** Slowest, median and bound over hosts. */
export const hostsChart = (points: ReadonlyArray<MeasuredPoint>, blob: string): ChartSource =>
  linesOver({
    name: "chart",
    title: `Time until ${blob} is on every host, over the number of hosts`,
    caption:
      "Each point is a flash crowd of that many hosts, which all ask at the same instant. The dashed line is the " +
      "counting bound, which grows by the time of one piece whenever the hosts double.",
    x: hostsAxis,
    y: { title: "seconds" },
    lines: [
      { label: "slowest host", colour: "shoal", points: over(points, agents, ({ times }) => times.max_s) },
      {
        label: "half of the hosts",
        colour: "origin",
        points: over(points, agents, ({ times }) => times.p50_s)
      },
      {
        label: "bound",
        colour: "bound",
        dashed: true,
        points: over(points, agents, ({ times }) => times.bound_s)
      }
    ]
  })

/** Slowest and bound over bytes. */
export const bytesChart = (points: ReadonlyArray<MeasuredPoint>, hosts: string): ChartSource =>
  linesOver({
    name: "bytes",
    title: `Time until the blob is on ${hosts}, over its size`,
    caption:
      "Both axes are logarithmic. Where the line is close to the bound, the links decide; on the left, where it is " +
      "not, finding metainfo and peers and computing the digest at the end do.",
    x: bytesAxis,
    y: { title: "seconds", log: true },
    lines: [
      { label: "slowest host", colour: "shoal", points: over(points, bytes, ({ times }) => times.max_s) },
      {
        label: "bound",
        colour: "bound",
        dashed: true,
        points: over(points, bytes, ({ times }) => times.bound_s)
      }
    ]
  })

/** Share of its line rate that the slowest host gets, for clusters and for one seeder. */
export const lineShareChart = (
  cluster: ReadonlyArray<MeasuredPoint>,
  clusterLabel: string,
  oneSeeder: ReadonlyArray<MeasuredPoint>,
  seederLabel: string
): ChartSource =>
  linesOver({
    name: "line-share",
    title: "Share of its line rate that the slowest host gets",
    caption:
      "The bytes of the blob over the time of the slowest host since it asked, as a share of the rate of its link.",
    x: bytesAxis,
    y: { title: "share of line rate", share: true },
    lines: [
      { label: clusterLabel, colour: "shoal", points: over(cluster, bytes, ({ lineShare }) => lineShare) },
      { label: seederLabel, colour: "origin", points: over(oneSeeder, bytes, ({ lineShare }) => lineShare) }
    ]
  })
