// Decides how a measurement for the experiment sim-versus-net is taken and kept: what the simulated twin says is written
// down first, then real processes are run several times on a quiet machine, and all of it goes into measured.json under
// a name, in place of what had that name. One run is measured-run.ts.
//
// Invariants: a run in which the machine was busier than allowed is told and not kept; the file is written once, when
// every run is there; a prediction is never made after its measurement.

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

/** What is measured, how often, and where it is kept. */
export interface MeasurementRequest extends LoopbackOptions, MeasuredPlace {
  readonly name: string
  readonly role: Measurement["role"]
  readonly conditions: string
  readonly runs: number
  /** Share of all processors in use above which a run is not kept. */
  readonly maxBusy: number
  readonly file: string
}

/** Seeds of which a prediction is the mean. */
const predictionSeeds = [1, 2, 3, 4, 5]
/** Runs that may be thrown away, for each that is kept. */
const retries = 2

const readFile = (file: string): Effect.Effect<ReadonlyArray<Measurement>, CliFailure> =>
  Effect.try({
    try: () => (existsSync(file) ? measuredFileOf(readFileSync(file, "utf8")).measurements : []),
    catch: (error) =>
      new CliFailure({
        message: `${file}: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`
      })
  })

/** The commit that is checked out, with a mark when files differ from it; "unknown" outside a clone. */
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

/** Takes a measurement and writes it into its file. */
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
