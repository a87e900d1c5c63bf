// Takes a measurement for the experiment sim-versus-net and keeps it. The prediction of the simulated twin is recorded
// first. Then real processes run several times on a quiet machine. Both are written to measured.json under a name and
// replace an earlier entry of that name (measured-file.ts). measured-run.ts does a single run.
//
// Invariants: a run on a busier machine than allowed is reported and dropped; the file is written once, after all runs;
// a prediction is never made after its measurement.

import { Console, Effect } from "effect"
import { type MeasuredRun, type Measurement, meanTimes } from "../../experiments/sim-versus-net/measured.ts"
import {
  calibratedCosts,
  type LoopbackOptions,
  simulateLoopback
} from "../../experiments/sim-versus-net/simulated-loopback.ts"
import { ratios } from "../../experiments/sim-versus-net/time-ratios.ts"
import { CliFailure } from "./cli-failure.ts"
import { burstRefusal, runsRefusal } from "./measure-refusals.ts"
import { measuredFileAt } from "./measured-file.ts"
import { type MeasuredPlace, measureRun } from "./measured-run.ts"
import { offByLine } from "./namespace-text.ts"

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
    const refusal = runsRefusal(given.runs) ?? burstRefusal(size, burst)
    if (refusal !== undefined) return yield* new CliFailure({ message: refusal })
    const kept = measuredFileAt(file, given.storage)
    yield* kept.check
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
    const runs = yield* runsOf(options, given)
    if (predicted.predicted !== undefined) {
      const measured = meanTimes(runs.map(({ completions_s }) => completions_s))
      const shares = ratios(predicted.predicted, measured)
      yield* Console.log(
        `measured: p50 ${measured.p50_s} s, max ${measured.max_s} s, means of ${runs.length} runs`
      )
      yield* Console.log(offByLine(shares.p50_s, shares.max_s))
    }
    const [first, ...others] = runs
    yield* kept.keep({ name, options, role, ...predicted, conditions, runs: [first!, ...others] })
  })
