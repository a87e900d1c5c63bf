// Form of measured.json: the times of real processes on a named machine, on loopback and on links that the kernel
// shapes, with the options that the simulated twin takes too, and the predictions that were written down before the
// measuring. It is an input of a report: it cannot be made again to the byte, so it is read and never regenerated.

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
  /** Bytes per second, each way, of every agent and of the origin. */
  rate: Count,
  /** Bytes. */
  burst: Count
})

/** Means over runs, or over seeds. */
export const CompletionTimes = Schema.Struct({ p50_s: Seconds, max_s: Seconds })
export type CompletionTimes = typeof CompletionTimes.Type

export const MeasuredRun = Schema.Struct({
  /** Seconds from the request until each agent was done, ascending. */
  completions_s: Schema.NonEmptyArray(Seconds),
  /** Share of all cores that the herd, the agents and the measuring process used while the pulls ran. */
  cpu_share: Share,
  /** Share of all cores that everything on the machine used. */
  machine_busy: Share,
  /** The load average of a minute at the request, with the start of the processes. */
  load_before: Schema.Finite
})
export type MeasuredRun = typeof MeasuredRun.Type

export const Measurement = Schema.Struct({
  name: Schema.NonEmptyString,
  options: MeasuredOptions,
  /** Constants were fitted on the calibration; the others were predicted. */
  role: Schema.Literals(["calibration", "prediction"]),
  /** Times of the twin before the first run; absent for the calibration. */
  predicted: Schema.optionalKey(CompletionTimes),
  /** The commit whose programs ran. After a change of the protocol the times are different. */
  sources: Schema.NonEmptyString,
  /** Other work on the machine, and the order of the runs. */
  conditions: Schema.NonEmptyString,
  /** UTC, to the minute. */
  date: Schema.NonEmptyString,
  runs: Schema.NonEmptyArray(MeasuredRun)
})
export type Measurement = typeof Measurement.Type

const ShapedOptions = Schema.Struct({
  agents: Count,
  /** Bytes of the blob, and of each of its pieces except the last. */
  size: Count,
  pieceLength: Count,
  /** Bytes per second, each way, that the kernel lets pass at every host, headers included. */
  rate: Count,
  /** The product's own limit, as a share of what the link leaves for pieces; absent when it was off. */
  limiter: Schema.optionalKey(Share)
})

export const ShapedRun = Schema.Struct({
  /** Seconds from the request until each agent had verified and committed the blob, ascending. */
  completions_s: Schema.NonEmptyArray(Seconds),
  cpu_share: Share,
  machine_busy: Share,
  rejects_per_piece: Schema.Finite,
  /** Share of TCP's segments that were sent again. */
  resent_share: Share
})
export type ShapedRun = typeof ShapedRun.Type

/** Real processes in network namespaces, always predicted. */
export const ShapedMeasurement = Schema.Struct({
  name: Schema.NonEmptyString,
  options: ShapedOptions,
  /** The kernel's shaper and queue, TCP's congestion control, and other settings. */
  links: Schema.NonEmptyString,
  predicted: CompletionTimes,
  sources: Schema.NonEmptyString,
  conditions: Schema.NonEmptyString,
  kernel: Schema.NonEmptyString,
  /** UTC, to the minute. */
  date: Schema.NonEmptyString,
  runs: Schema.NonEmptyArray(ShapedRun)
})
export type ShapedMeasurement = typeof ShapedMeasurement.Type

const MeasuredMachine = Schema.Struct({
  cpu: Schema.NonEmptyString,
  cores: Count,
  memory_gib: Schema.Finite,
  kernel: Schema.NonEmptyString,
  node: Schema.NonEmptyString,
  /** File system of the hosts' data. */
  storage: Schema.NonEmptyString
})

export const MeasuredFile = Schema.Struct({
  machine: MeasuredMachine,
  measurements: Schema.Array(Measurement),
  shaped: Schema.Array(ShapedMeasurement)
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

/** One line per run, so that a difference between two versions is readable. */
const linesOf = (all: ReadonlyArray<{ readonly runs: ReadonlyArray<unknown> }>): string =>
  all
    .map(({ runs, ...about }) => {
      const head = JSON.stringify(about).slice(0, -1)
      return `    ${head},\n      "runs": [\n${runs.map((run) => `        ${JSON.stringify(run)}`).join(",\n")}\n      ]}`
    })
    .join(",\n")

export const measuredText = ({ machine, measurements, shaped }: MeasuredFile): string =>
  `{\n  "machine": ${JSON.stringify(machine)},\n  "measurements": [\n${linesOf(measurements)}\n  ],\n` +
  `  "shaped": [\n${linesOf(shaped)}\n  ]\n}\n`
