// The tables of measurements on links that the kernel shapes: measured, predicted and simulated times over the counting
// bound, and every run. Pure.

import { Schema } from "effect"
import { byteSizeText } from "../engine/option-text.ts"
import { percent } from "../report/findings.ts"
import type { Table } from "../report/result.ts"
import { type CompletionTimes, meanTimes, type ShapedMeasurement } from "./measured.ts"
import { boundOfLinks } from "./simulated-links.ts"
import { ratios } from "./time-ratios.ts"

/** A measurement beside the times of the twin by the present sources; it was always predicted. */
export interface ShapedCompared {
  readonly measurement: ShapedMeasurement
  readonly measured: CompletionTimes
  readonly simulated: CompletionTimes
}

const sizeText = Schema.encodeSync(byteSizeText)
const seconds = (value: number): string => value.toFixed(2)

const shapedText = ({ agents, size, pieceLength, limiter }: ShapedMeasurement["options"]): string =>
  `${agents} agents, ${sizeText(size)} in ${sizeText(pieceLength)}` +
  `${limiter === undefined ? "" : `, own limits at ${Math.round(100 * limiter)} %`}`

/** Where the link is the same, what tells two measurements apart: TCP and further settings. */
const tcpText = ({ links }: ShapedMeasurement): string => links.split(", ").slice(3).join(", ")

/** TCP's congestion control, which comes first of these. */
export const congestionOf = ({ measurement }: ShapedCompared): string =>
  tcpText(measurement).split(", ", 1)[0] ?? ""

/** A line of the chart, short because the axis has little room. */
export const shapedLabel = ({ measurement }: ShapedCompared): string => {
  const { agents, size, pieceLength, limiter } = measurement.options
  return (
    `${tcpText(measurement)}: ${agents} × ${sizeText(size)} in ${sizeText(pieceLength)}` +
    `${limiter === undefined ? "" : ", limited"}`
  )
}

/** Ratios to the bound. */
const overBound = ({ p50_s, max_s }: CompletionTimes, bound: number): ReadonlyArray<string> =>
  [p50_s, max_s].map((value) => (value / bound).toFixed(3))

export const shapedComparison = (all: ReadonlyArray<ShapedCompared>): Table => ({
  title: "Links that the kernel shapes",
  caption:
    "Times until half of the agents, and the last one, had the blob, over the counting bound; in brackets over the " +
    "measured ones. Predicted times were written down before the first run.",
  columns: [
    ...["options", "link", "TCP", "bound, s", "measured p50", "max", "predicted p50", "max"],
    ...["simulated p50", "max", "Rejects a piece", "processors"]
  ],
  rows: all.map(({ measurement, measured, simulated }) => {
    const { options, predicted, runs } = measurement
    const bound = boundOfLinks(options)
    const mean = (values: ReadonlyArray<number>) =>
      values.reduce((sum, value) => sum + value, 0) / values.length
    const against = (said: CompletionTimes): ReadonlyArray<string> => {
      const [p50, max] = overBound(said, bound)
      const over = ratios(said, measured)
      return [`${p50} (${over.p50_s.toFixed(3)})`, `${max} (${over.max_s.toFixed(3)})`]
    }
    return [
      shapedText(options),
      `${(8 * options.rate) / 1e6} Mbit/s`,
      tcpText(measurement),
      seconds(bound),
      ...overBound(measured, bound),
      ...against(predicted),
      ...against(simulated),
      mean(runs.map((run) => run.rejects_per_piece)).toFixed(2),
      percent(mean(runs.map((run) => run.cpu_share)))
    ]
  })
})

export const shapedRuns = (all: ReadonlyArray<ShapedCompared>): Table => ({
  title: "Every run on shaped links",
  caption: [...new Set(all.map(({ measurement }) => `Conditions: ${measurement.conditions}.`))].join(" "),
  columns: [
    "options",
    "links",
    "date",
    "sources",
    "kernel",
    "p50",
    "max",
    "processors",
    "machine",
    "segments again"
  ],
  rows: all.flatMap(({ measurement }) =>
    measurement.runs.map((run) => [
      shapedText(measurement.options),
      measurement.links,
      measurement.date,
      measurement.sources,
      measurement.kernel,
      seconds(meanTimes([run.completions_s]).p50_s),
      seconds(meanTimes([run.completions_s]).max_s),
      percent(run.cpu_share),
      percent(run.machine_busy),
      percent(run.resent_share)
    ])
  )
})
