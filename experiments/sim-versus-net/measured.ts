// Decides the form of measured.json: what real processes took on a named machine, with the options that the simulated
// twin takes too, and what had been predicted when the measuring began. It is an input of a report: nothing in it can
// be made again to the byte, so it is read, never regenerated.

import { Schema } from "effect"
import { ascending, quantile } from "../report/quantiles.ts"
import { rounded } from "../report/result.ts"

const Count = Schema.Int.check(Schema.isGreaterThan(0))
const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const Seconds = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

const MeasuredOptions = Schema.Struct({
  agents: Count,
  /** Bytes. */
  size: Count,
  /** Bytes a second, each way, of every agent and of the origin. */
  rate: Count,
  /** Bytes. */
  burst: Count
})

/** Means over runs, or over seeds. */
export const CompletionTimes = Schema.Struct({ p50_s: Seconds, max_s: Seconds })
export type CompletionTimes = typeof CompletionTimes.Type

export const MeasuredRun = Schema.Struct({
  /** Seconds from the ask until each agent was done, ascending. */
  completions_s: Schema.NonEmptyArray(Seconds),
  /** Of all cores, by the herd, the agents and the measuring process, while the pulls ran. */
  cpu_share: Share,
  /** The same, by everything on the machine. */
  machine_busy: Share,
  /** The load average of a minute when they were asked; the start of the processes is in it. */
  load_before: Schema.Finite
})
export type MeasuredRun = typeof MeasuredRun.Type

export const Measurement = Schema.Struct({
  name: Schema.NonEmptyString,
  options: MeasuredOptions,
  /** Calibrated constants were fitted on it; the others were predicted. */
  role: Schema.Literals(["calibration", "prediction"]),
  /** What the twin said before the first run; absent of a calibration. */
  predicted: Schema.optionalKey(CompletionTimes),
  /** The commit whose programs ran. A protocol that changed since takes other times. */
  sources: Schema.NonEmptyString,
  /** What else ran on the machine, and which of them went first. */
  conditions: Schema.NonEmptyString,
  /** UTC, to the minute. */
  date: Schema.NonEmptyString,
  runs: Schema.NonEmptyArray(MeasuredRun)
})
export type Measurement = typeof Measurement.Type

const MeasuredMachine = Schema.Struct({
  cpu: Schema.NonEmptyString,
  cores: Count,
  memory_gib: Schema.Finite,
  kernel: Schema.NonEmptyString,
  node: Schema.NonEmptyString,
  /** Where the hosts' data lay. */
  storage: Schema.NonEmptyString
})

export const MeasuredFile = Schema.Struct({
  machine: MeasuredMachine,
  measurements: Schema.Array(Measurement)
})
export type MeasuredFile = typeof MeasuredFile.Type

/** Reads measured.json; an unknown key is refused. Throws when the text does not fit. */
export const measuredFileOf = (text: string): MeasuredFile =>
  Schema.decodeUnknownSync(Schema.fromJsonString(MeasuredFile))(text, { onExcessProperty: "error" })

/** p50 and maximum of each run's completions in seconds, in any order, and the means of these over the runs. */
export const meanTimes = (runs: ReadonlyArray<ReadonlyArray<number>>): CompletionTimes => {
  const mean = (thousandths: number): number =>
    rounded(
      runs.reduce((sum, completions) => sum + quantile(ascending(completions), thousandths), 0) / runs.length
    )
  return { p50_s: mean(500), max_s: mean(1000) }
}

/** One line a run, so that a difference between two versions can be read. */
export const measuredText = ({ machine, measurements }: MeasuredFile): string => {
  const lines = measurements.map(({ runs, ...about }) => {
    const head = JSON.stringify(about).slice(0, -1)
    return `    ${head},\n      "runs": [\n${runs.map((run) => `        ${JSON.stringify(run)}`).join(",\n")}\n      ]}`
  })
  return `{\n  "machine": ${JSON.stringify(machine)},\n  "measurements": [\n${lines.join(",\n")}\n  ]\n}\n`
}
