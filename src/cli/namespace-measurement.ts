// `shoal measure --namespaces`: the simulator predicts a flash crowd on shaped links, then real processes in network
// namespaces run it several times, and both are printed beside the bound that no protocol can beat. namespace-run.ts
// does a single run.
//
// Invariant: a prediction is never made after its measurement.

import { writeFileSync } from "node:fs"
import { Console, Effect } from "effect"
import { type CompletionTimes, meanTimes } from "../../experiments/sim-versus-net/measured.ts"
import { boundOfLinks, simulateLinks } from "../../experiments/sim-versus-net/simulated-links.ts"
import { choosePieceLength } from "../protocol/wire/metainfo.ts"
import { CliFailure, type NotPossibleHere } from "./cli-failure.ts"
import { burstRefusal, piecesRefusal, runsRefusal } from "./measure-refusals.ts"
import { measuredFileAt } from "./measured-file.ts"
import { type LinkShape, settingPattern } from "./namespace-plan.ts"
import { type NamespaceRun, type NamespaceRunOptions, runInNamespaces } from "./namespace-run.ts"
import {
  conclusionLines,
  hostLines,
  linksText,
  medianTimes,
  predictedLine,
  runLines,
  setUpLines,
  shapedRunOf,
  timesOf
} from "./namespace-text.ts"
import { congestionControls, reserveNamespaces } from "./network-namespaces.ts"

export interface NamespaceRequest {
  readonly agents: number
  readonly size: number
  /** Chosen by the size when absent, as an origin does. */
  readonly pieceLength?: number
  /** Percent of the goodput; 0 is off. */
  readonly limiter: number
  readonly shape: LinkShape
  readonly congestion?: string
  readonly settings: ReadonlyArray<string>
  readonly runs: number
  /** Simulated seeds; 0 predicts nothing. */
  readonly seeds: number
  readonly maxBusy: number
  readonly perHost: boolean
  readonly storage: string
  /** Where the numbers of all runs are written, as JSON. */
  readonly out?: string
  /** Name under which the measurement is kept in `file`; it is not kept without one. */
  readonly name?: string
  readonly file: string
  readonly conditions: string
}

/** What Linux uses unless told otherwise; a machine may differ. */
const usualCongestion = "cubic"
const leastAgents = 2
const mostAgents = 16

const optionsOf = (given: NamespaceRequest): Effect.Effect<NamespaceRunOptions, CliFailure> => {
  const { agents, size, pieceLength, limiter, shape, settings, storage } = given
  const refuse = (message: string) => new CliFailure({ message })
  if (agents < leastAgents || agents > mostAgents) {
    return refuse(`--agents ${agents}: expected ${leastAgents} to ${mostAgents} in namespaces`)
  }
  if (limiter < 0 || limiter > 100) return refuse(`--limiter ${limiter}: expected a percentage, 0 to 100`)
  if (given.name !== undefined && given.seeds < 1) {
    return refuse("--seeds 0: what is kept under a name is predicted first")
  }
  const refusal = runsRefusal(given.runs) ?? piecesRefusal(pieceLength) ?? burstRefusal(size, shape.burst)
  if (refusal !== undefined) return refuse(refusal)
  const { known, own } = congestionControls()
  const congestion = given.congestion ?? (known.includes(usualCongestion) ? usualCongestion : own)
  if (!known.includes(congestion)) {
    return refuse(`--congestion ${congestion}: this kernel has ${known.join(", ")}`)
  }
  const unknown = settings.find((setting) => !settingPattern.test(setting))
  if (unknown !== undefined) return refuse(`--sysctl ${unknown}: expected net.NAME=NUMBERS`)
  return Effect.succeed({
    agents,
    size,
    pieceLength: pieceLength ?? choosePieceLength(size),
    rate: shape.rate,
    ...(limiter === 0 ? {} : { limiter: limiter / 100 }),
    shape,
    storage,
    congestion,
    settings
  })
}

const predict = (options: NamespaceRunOptions, seeds: number) =>
  Effect.gen(function* () {
    const crowds = yield* Effect.forEach(
      Array.from({ length: seeds }, (_, index) => index + 1),
      (seed) => simulateLinks(options, "fair", seed)
    )
    const rejects = crowds.reduce((sum, crowd) => sum + crowd.rejects, 0) / seeds
    const seconds = crowds.map(({ completions }) => completions.map((micros) => micros / 1e6))
    return {
      means: meanTimes(seconds),
      times: medianTimes(seconds.map(timesOf)),
      rejectsPerPiece: rejects / (options.agents * Math.ceil(options.size / options.pieceLength))
    }
  }).pipe(Effect.mapError(({ message }) => new CliFailure({ message: `the prediction failed: ${message}` })))

const say = (lines: ReadonlyArray<string>) =>
  Effect.forEach(lines, (line) => Console.log(line), { discard: true })

/** A line on a terminal that the next one replaces; nothing when the output is piped. */
const step = (number: number) => (what: string) => {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\u001b[2K${what === "" ? "" : `run ${number}: ${what} ...`}`)
}

/** Keeps the measurement for the report of sim-versus-net. */
const keep = (
  given: NamespaceRequest,
  options: NamespaceRunOptions,
  predicted: CompletionTimes,
  runs: ReadonlyArray<NamespaceRun>
): Effect.Effect<void, CliFailure> => {
  const { name, file, storage, conditions } = given
  if (name === undefined) return Effect.void
  const { agents, size, pieceLength, rate, limiter } = options
  const [first, ...others] = runs.map((run) => shapedRunOf(run, options))
  return measuredFileAt(file, storage).keepShaped({
    name,
    options: { agents, size, pieceLength, rate, ...(limiter === undefined ? {} : { limiter }) },
    links: linksText(options),
    predicted,
    conditions,
    runs: [first!, ...others]
  })
}

/** Measures and prints. */
export const measureInNamespaces = (
  given: NamespaceRequest
): Effect.Effect<void, CliFailure | NotPossibleHere> =>
  Effect.gen(function* () {
    const options = yield* optionsOf(given)
    yield* reserveNamespaces(options.shape, options.storage)
    yield* say(setUpLines(options))
    const predicted = given.seeds === 0 ? undefined : yield* predict(options, given.seeds)
    if (predicted !== undefined) {
      yield* Console.log(predictedLine("fair", predicted.times, options, predicted.rejectsPerPiece))
    }
    const runs: Array<NamespaceRun> = []
    while (runs.length < given.runs) {
      const number = runs.length + 1
      const run = yield* runInNamespaces(options, step(number))
      step(number)("")
      runs.push(run)
      yield* say(runLines(number, run, options, given.maxBusy))
      if (given.perHost) yield* say(hostLines(run))
    }
    const measured = medianTimes(runs.map(({ completed }) => timesOf(completed)))
    yield* say(conclusionLines(measured, runs.length, predicted?.times, options))
    if (predicted !== undefined) yield* keep(given, options, predicted.means, runs)
    const { out } = given
    if (out !== undefined) {
      yield* Effect.try({
        try: () =>
          writeFileSync(
            out,
            `${JSON.stringify({ options, bound: boundOfLinks(options), predicted, measured, runs }, undefined, 1)}\n`
          ),
        catch: (error) => new CliFailure({ message: `cannot write ${out}: ${error}` })
      })
    }
  }).pipe(Effect.scoped)
