// Takes a measurement for the experiment sim-versus-net and keeps it. The prediction of the simulated twin is recorded
// first. Then real processes run several times on a quiet machine. Both are written to measured.json under a name and
// replace an earlier entry of that name. measured-run.ts does a single run.
//
// Invariants: a run on a busier machine than allowed is reported and dropped; the file is written once, after all runs;
// a prediction is never made after its measurement.

import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus, release, totalmem } from "node:os"
import { Console, Effect } from "effect"
import {
  type MeasuredFile,
  type MeasuredRun,
  type Measurement,
  meanTimes,
  measuredFileOf,
  measuredText
} from "../../experiments/sim-versus-net/measured.ts"
import {
  calibratedCosts,
  type LoopbackOptions,
  simulateLoopback
} from "../../experiments/sim-versus-net/simulated-loopback.ts"
import { CliFailure } from "./cli-failure.ts"
import { type MeasuredPlace, measureRun } from "./measured-run.ts"

/** What to measure, how often, and where to keep it. */
export interface MeasurementRequest extends LoopbackOptions, MeasuredPlace {
  readonly name: string
  readonly role: Measurement["role"]
  readonly conditions: string
  readonly runs: number
  /** A run is dropped when more than this share of all processors is in use by others. */
  readonly maxBusy: number
  readonly file: string
}

/** A prediction is the mean over these seeds. */
const predictionSeeds = [1, 2, 3, 4, 5]
/** Runs that may be dropped for each that is kept. */
const retries = 2

const readFile = (file: string): Effect.Effect<ReadonlyArray<Measurement>, CliFailure> =>
  Effect.try({
    try: () => (existsSync(file) ? measuredFileOf(readFileSync(file, "utf8")).measurements : []),
    catch: (error) =>
      new CliFailure({
        message: `${file}: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`
      })
  })

/** The commit that is checked out, marked when files differ from it; "unknown" outside a clone. */
const sources = (): string => {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: import.meta.dirname,
      encoding: "utf8"
    }).trim()
  } catch {
    return "unknown"
  }
}

const machine = (storage: string): MeasuredFile["machine"] => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  memory_gib: Math.round(totalmem() / 1024 ** 3),
  kernel: `Linux ${release()}`,
  node: process.version,
  storage
})

const runsOf = (
  options: LoopbackOptions,
  given: MeasurementRequest
): Effect.Effect<ReadonlyArray<MeasuredRun>, CliFailure> =>
  Effect.gen(function* () {
    const kept: Array<MeasuredRun> = []
    for (let attempt = 0; kept.length < given.runs; attempt++) {
      if (attempt === given.runs * (1 + retries)) {
        return yield* new CliFailure({ message: `the machine was too busy in most of ${attempt} runs` })
      }
      const run = yield* measureRun(options, given)
      const { p50_s, max_s } = meanTimes([run.completions_s])
      const isKept = run.machine_busy <= given.maxBusy
      yield* Console.log(
        `p50 ${p50_s} s, max ${max_s} s, processors ${run.cpu_share} (machine ${run.machine_busy}), ` +
          `load before ${run.load_before}${isKept ? "" : ": too busy, not kept"}`
      )
      if (isKept) kept.push(run)
    }
    return kept
  })

/** Takes a measurement and writes it to its file. */
export const takeMeasurement = (given: MeasurementRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    const { name, role, agents, size, rate, burst, file, conditions } = given
    const before = yield* readFile(file)
    const options: LoopbackOptions = { agents, size, rate, burst }
    const predicted =
      role === "calibration"
        ? {}
        : {
            predicted: meanTimes(
              predictionSeeds.map((seed) =>
                simulateLoopback(options, calibratedCosts, seed).completions.map((micros) => micros / 1e6)
              )
            )
          }
    if (predicted.predicted !== undefined) {
      yield* Console.log(`predicted: p50 ${predicted.predicted.p50_s} s, max ${predicted.predicted.max_s} s`)
    }
    const [first, ...others] = yield* runsOf(options, given)
    const date = `${new Date().toISOString().slice(0, 16)}Z`
    const measured: Measurement = {
      sources: sources(),
      name,
      options,
      role,
      ...predicted,
      conditions,
      date,
      runs: [first!, ...others]
    }
    const measurements = before.some((other) => other.name === name)
      ? before.map((other) => (other.name === name ? measured : other))
      : [...before, measured]
    writeFileSync(file, measuredText({ machine: machine(given.storage), measurements }))
    yield* Console.log(`kept in ${file}`)
  })
