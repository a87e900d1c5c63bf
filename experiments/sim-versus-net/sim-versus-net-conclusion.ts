// Comparison of real processes with their simulated twin: for each measurement the ratio of simulated to measured
// times, separately for the one on which constants were fitted, for the predictions, and for shaped links. Pure.

import { Schema } from "effect"
import type { Measured } from "../engine/experiment.ts"
import { byteRateText, byteSizeText } from "../engine/option-text.ts"
import { percent } from "../report/findings.ts"
import type { Table } from "../report/result.ts"
import { type CompletionTimes, type MeasuredFile, type Measurement, meanTimes } from "./measured.ts"
import { comparisonTitle, goodWithin, shapedFigure } from "./sim-versus-net-answer.ts"
import { agreementChart } from "./sim-versus-net-chart.ts"
import {
  congestionOf,
  type ShapedCompared,
  shapedComparison,
  shapedLabel,
  shapedRuns
} from "./sim-versus-net-shaped.ts"
import type { LoopbackCosts } from "./simulated-loopback.ts"
import { offBy, ratios } from "./time-ratios.ts"

/** A measurement beside the times of the twin by the present sources. */
export interface Compared {
  readonly measurement: Measurement
  /** Means over the runs. */
  readonly measured: CompletionTimes
  /** Means over the seeds. */
  readonly simulated: CompletionTimes
}

export const comparedWith = (measurement: Measurement, simulated: CompletionTimes): Compared => ({
  measurement,
  measured: meanTimes(measurement.runs.map((run) => run.completions_s)),
  simulated
})

const simulatedOff = ({ simulated, measured }: Compared): number => offBy(simulated, measured)

/** Difference of the times that were written down before the first run. */
const predictedOff = ({ measurement, measured }: Compared): number =>
  measurement.predicted === undefined ? 0 : offBy(measurement.predicted, measured)

const sizeText = Schema.encodeSync(byteSizeText)
const rateText = Schema.encodeSync(byteRateText)

/** The options of a measurement in a few words. */
const optionsText = ({ agents, size, rate }: Measurement["options"]): string =>
  `${agents} agents, ${sizeText(size)}, ${rateText(rate)}`

const seconds = (value: number): string => value.toFixed(2)

const times = ({ p50_s, max_s }: CompletionTimes): ReadonlyArray<string> => [seconds(p50_s), seconds(max_s)]

/** Seconds, and in brackets their ratio to the measured ones. */
const timesOver = (said: CompletionTimes | undefined, measured: CompletionTimes): ReadonlyArray<string> => {
  if (said === undefined) return ["", ""]
  const { p50_s, max_s } = ratios(said, measured)
  return [`${seconds(said.p50_s)} (${p50_s.toFixed(3)})`, `${seconds(said.max_s)} (${max_s.toFixed(3)})`]
}

const comparison = (all: ReadonlyArray<Compared>): Table => ({
  title: comparisonTitle,
  caption:
    "Seconds from the request until half of the agents, and the last one, had the blob: means over runs or seeds, " +
    "in brackets over the measured ones. Predicted times were written down before the first run; simulated times " +
    "come from the sources of this report.",
  columns: ["options", "role", "measured p50", "max", "predicted p50", "max", "simulated p50", "max"],
  rows: all.map(({ measurement, measured, simulated }) => [
    optionsText(measurement.options),
    measurement.role,
    ...times(measured),
    ...timesOver(measurement.predicted, measured),
    ...timesOver(simulated, measured)
  ])
})

const measuredRuns = (all: ReadonlyArray<Compared>): Table => ({
  title: "Every measured run",
  caption:
    "Shares of all processors while agents pulled: of the measured processes with the asking one, and of " +
    `everything on the machine. ${[...new Set(all.map(({ measurement }) => `Conditions: ${measurement.conditions}.`))].join(" ")}`,
  columns: ["options", "date", "sources", "p50", "max", "processors", "machine", "load average"],
  rows: all.flatMap(({ measurement }) =>
    measurement.runs.map((run) => [
      optionsText(measurement.options),
      measurement.date,
      measurement.sources,
      ...times(meanTimes([run.completions_s])),
      percent(run.cpu_share),
      percent(run.machine_busy),
      run.load_before
    ])
  )
})

const machineTable = ({ cpu, cores, memory_gib, kernel, node, storage }: MeasuredFile["machine"]): Table => ({
  title: "The machine that was measured",
  caption: "",
  columns: ["processor", "cores", "memory, GiB", "kernel", "Node", "hosts' data in"],
  rows: [[cpu, cores, memory_gib, kernel, node, storage]]
})

const labelOf = ({ measurement: { options, role } }: Compared): string =>
  `${role === "calibration" ? "fitted" : "loopback"}: ${options.agents} × ${sizeText(options.size)}, ${rateText(options.rate)}`

const agreement = (compared: { readonly simulated: CompletionTimes; readonly measured: CompletionTimes }) => {
  const { p50_s, max_s } = ratios(compared.simulated, compared.measured)
  return { p50: p50_s, max: max_s }
}

/** The content of the report. `all` is in the order of the file and not empty. */
export const concludeSimVersusNet = (
  machine: MeasuredFile["machine"],
  costs: LoopbackCosts,
  all: ReadonlyArray<Compared>,
  shaped: ReadonlyArray<ShapedCompared>
): Measured => {
  const predictions = all.filter(({ measurement }) => measurement.role === "prediction")
  const calibrations = all.filter(({ measurement }) => measurement.role === "calibration")
  const processors = Math.max(
    ...all.flatMap(({ measurement }) => measurement.runs.map((run) => run.cpu_share)),
    ...shaped.flatMap(({ measurement }) => measurement.runs.map((run) => run.cpu_share))
  )
  const figure = (value: number, unit: string, meaning: string) => ({ value, unit, meaning })
  /** TCP's congestion controls, in the order of the file. Each shares links in its own way, so each is judged alone. */
  const controls = [...new Set(shaped.map(congestionOf))]
  const figuresOfControl = (control: string) => {
    const own = shaped.filter((compared) => congestionOf(compared) === control)
    const worst = (said: (compared: ShapedCompared) => CompletionTimes) =>
      Math.max(...own.map((compared) => offBy(said(compared), compared.measured)))
    return {
      [shapedFigure.predicted(control)]: figure(
        worst(({ measurement }) => measurement.predicted),
        "",
        `Shaped links with ${control}: largest difference of a p50 or maximum that was written down before the measuring.`
      ),
      [shapedFigure.simulated(control)]: figure(
        worst(({ simulated }) => simulated),
        "",
        "The same for the times that were simulated by the sources of this report."
      )
    }
  }
  return {
    strategies: {},
    figures: {
      worst_simulated: figure(
        Math.max(0, ...predictions.map(simulatedOff)),
        "",
        "Largest difference of a simulated p50 or maximum from the measured one, as a share of it, where nothing " +
          "was fitted."
      ),
      worst_predicted: figure(
        Math.max(0, ...predictions.map(predictedOff)),
        "",
        "The same for the times that were written down before the measuring."
      ),
      worst_calibration: figure(
        Math.max(0, ...calibrations.map(simulatedOff)),
        "",
        "The same for simulated times where constants were fitted."
      ),
      shaped_measurements: figure(shaped.length, "", "Measurements on links that the kernel shapes."),
      ...Object.assign({}, ...controls.map(figuresOfControl)),
      processors_at_most: figure(
        processors,
        "",
        "Largest share of all processors that the measured processes used during a run."
      ),
      latency: figure(costs.latency / 1e6, "s", "Calibrated: one way between two processes."),
      stagger: figure(
        costs.stagger / 1e6,
        "s",
        "Calibrated: each agent begins this much after the one before; they share the processors."
      ),
      hand_over: figure(
        costs.handOver,
        "B/s",
        "Calibrated: the rate at which the processors hand all blobs to the asking process."
      )
    },
    tables: [
      comparison(all),
      ...(shaped.length === 0 ? [] : [shapedComparison(shaped)]),
      measuredRuns(all),
      ...(shaped.length === 0 ? [] : [shapedRuns(shaped)]),
      machineTable(machine)
    ],
    charts: [
      agreementChart(
        [
          ...all.map((compared) => ({ label: labelOf(compared), ...agreement(compared) })),
          ...shaped.map((compared) => ({ label: shapedLabel(compared), ...agreement(compared) }))
        ],
        goodWithin
      )
    ]
  }
}
