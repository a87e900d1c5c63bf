// Charts of Kraken's test: when the hosts of each contender finish, and p99.9 side by side, both with the bound and,
// for the published test, Kraken's published points. Bars are on a log axis, because contenders are decades apart.

import type { ChartSource } from "../report/chart.ts"
import { chartWidth, lightColour, type PaletteName, palette } from "../report/chart-theme.ts"
import { rounded } from "../report/result.ts"
import { isPublishedTest, type KrakenTestOptions, published } from "./kraken-benchmark-contenders.ts"
import type { ContenderOutcome } from "./kraken-benchmark-figures.ts"

export interface Shown {
  readonly name: string
  /** Name of the strategy. */
  readonly strategy: string
  readonly outcome: ContenderOutcome
}

const vegaLiteSchema = "https://vega.github.io/schema/vega-lite/v6.json"

/** Dashes by position among the variants of one strategy. */
const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3]
] as const

const colourOf = (strategy: string): string =>
  lightColour(strategy in palette ? (strategy as PaletteName) : "muted")

const dashOf = (shown: ReadonlyArray<Shown>, index: number): ReadonlyArray<number> => {
  const before = shown.slice(0, index).filter(({ strategy }) => strategy === shown[index]?.strategy).length
  return dashes[before % dashes.length] ?? dashes[0]
}

/** The bound of the first contender, on the links that all have. */
const boundOf = ([first]: ReadonlyArray<Shown>): number => first?.outcome.image.bound_s ?? 0

const secondsAxis = {
  title: "seconds since all hosts asked",
  grid: true,
  labelExpr: "datum.label === '' ? '' : datum.label + ' s'"
}

const boundRule = (bound: number, x: object) => ({
  data: { values: [{ seconds: rounded(bound) }] },
  mark: { type: "rule" as const, color: lightColour("bound"), strokeWidth: 2, strokeDash: [5, 4] },
  encoding: { x: { ...x, field: "seconds" } }
})

/** The time axis ends at this multiple of the bound: differences matter near the bound, not beyond. */
const shownBounds = 3

/** Share of hosts that are done over time, one line per contender; those that begin later are named and not drawn. */
export const completionsChart = (options: KrakenTestOptions, shown: ReadonlyArray<Shown>): ChartSource => {
  const bound = boundOf(shown)
  const end = shownBounds * bound
  const isDrawn = ({ outcome }: Shown): boolean =>
    outcome.curve.some(([seconds, share]) => share > 0 && seconds <= end)
  const drawn = shown.filter(isDrawn)
  const beyond = shown.filter((contender) => !isDrawn(contender)).map(({ name }) => name)
  const names = drawn.map(({ name }) => name)
  const values = drawn.flatMap(({ name, outcome }) =>
    outcome.curve.map(([seconds, share]) => ({ seconds: rounded(seconds), share: rounded(share), name }))
  )
  const first = Math.min(bound, ...values.map(({ seconds }) => seconds))
  const isPublished = isPublishedTest(options)
  const x = {
    type: "quantitative" as const,
    // The label of the published median is left of it, because the curves begin right of it.
    scale: { nice: false, domain: [rounded((isPublished ? 0.65 : 0.95) * first), rounded(end)] },
    axis: secondsAxis
  }
  const y = {
    field: "share",
    type: "quantitative" as const,
    scale: { domain: [0, 1.04] },
    axis: { title: null, grid: true, format: ".0%", values: [0, 0.25, 0.5, 0.75, 1] }
  }
  const points = isPublished
    ? [
        { seconds: published.p50_s, share: 0.5, label: "published p50" },
        { seconds: published.p99_s, share: 0.99, label: "p99" },
        { seconds: published.p999_s, share: 0.999, label: "p99.9" }
      ]
    : []
  const publishedMark = { data: { values: points }, x: { ...x, field: "seconds" } }
  return {
    name: "chart",
    title: "Hosts that have the whole image",
    caption:
      `One line per contender, up to ${shownBounds} times the bound` +
      (beyond.length === 0 ? ". " : ` (later: ${beyond.join(", ")}). `) +
      "The dashed rule is the counting bound: no protocol that sends whole pieces can serve the last host before it." +
      (points.length === 0 ? "" : " Diamonds are Kraken's published figures."),
    spec: {
      $schema: vegaLiteSchema,
      description: "Share of hosts that have the image over time, for every contender, with the bound.",
      width: chartWidth,
      height: 340,
      layer: [
        boundRule(bound, x),
        {
          data: { values },
          mark: { type: "line", interpolate: "step-after", strokeWidth: 2.2, clip: true },
          encoding: {
            x: { ...x, field: "seconds" },
            y,
            color: {
              field: "name",
              type: "nominal",
              scale: { domain: names, range: drawn.map(({ strategy }) => colourOf(strategy)) },
              legend: { columns: 3 }
            },
            strokeDash: {
              field: "name",
              type: "nominal",
              scale: { domain: names, range: names.map((_, index) => [...dashOf(drawn, index)]) }
            }
          }
        },
        {
          data: publishedMark.data,
          mark: {
            type: "point",
            shape: "diamond",
            filled: true,
            size: 110,
            opacity: 1,
            color: lightColour("ink")
          },
          encoding: { x: publishedMark.x, y }
        },
        ...(
          [
            { shownPoints: points.slice(0, 1), align: "right", dx: -9 },
            { shownPoints: points.slice(1), align: "left", dx: 9 }
          ] as const
        ).map(({ shownPoints, align, dx }) => ({
          data: { values: shownPoints },
          mark: { type: "text" as const, align, dx, color: lightColour("ink") },
          encoding: { x: publishedMark.x, y, text: { field: "label" } }
        }))
      ]
    }
  }
}

/** p99.9 of every contender as a bar. */
export const tailChart = (options: KrakenTestOptions, shown: ReadonlyArray<Shown>): ChartSource => {
  const bound = boundOf(shown)
  const bars = [
    ...shown.map(({ name, strategy, outcome: { image } }) => ({
      name,
      colour: colourOf(strategy),
      seconds: image.p999_s,
      label: `${image.p999_s.toFixed(2)} s, ${image.ratio.p999.toFixed(2)} of its bound`
    })),
    ...(isPublishedTest(options)
      ? [
          {
            name: "kraken, published",
            colour: lightColour("muted"),
            seconds: published.p999_s,
            label: `${published.p999_s} s, published`
          }
        ]
      : [])
  ].map((bar) => ({ ...bar, seconds: rounded(bar.seconds) }))
  const from = rounded(Math.min(bound, ...bars.map(({ seconds }) => seconds)) * 0.8)
  const to = rounded(Math.max(...bars.map(({ seconds }) => seconds)) * 8)
  const x = {
    type: "quantitative" as const,
    scale: { type: "log" as const, nice: false, domain: [from, to] },
    axis: secondsAxis
  }
  const y = {
    field: "name",
    type: "nominal" as const,
    sort: bars.map(({ name }) => name),
    axis: { title: null, labelLimit: 300, grid: false }
  }
  return {
    name: "tail",
    title: "Time until all hosts except one in a thousand have the image",
    caption:
      "p99.9 by nearest rank, which is the slowest of fewer than a thousand hosts; logarithmic. The dashed rule is " +
      "the counting bound.",
    spec: {
      $schema: vegaLiteSchema,
      description: "p99.9 of every contender in seconds, with the bound.",
      width: chartWidth,
      height: 28 * bars.length,
      layer: [
        {
          data: { values: bars.map((bar) => ({ ...bar, from })) },
          mark: { type: "bar", height: 14 },
          encoding: {
            y,
            x: { ...x, field: "from" },
            x2: { field: "seconds" },
            color: { field: "colour", type: "nominal", scale: null }
          }
        },
        {
          data: { values: bars },
          mark: { type: "text", align: "left", dx: 6, color: lightColour("ink") },
          encoding: { y, x: { ...x, field: "seconds" }, text: { field: "label" } }
        },
        boundRule(bound, x)
      ]
    }
  }
}
