// Decides how an experiment is run by a person: seed and every option are printed first, the trace hash last, and when
// a run fails, the one command that repeats it. Wall time and peak memory are printed and never stored. Whatever is
// written is a function of options and seed alone.

import { writeSync } from "node:fs"
import { join } from "node:path"
import { Cause, Console, Data, Effect } from "effect"
import { type ChartFailed, drawChart } from "./chart.ts"
import type { Experiment, ExperimentFailed, OptionDescription, OptionInvalid } from "./experiment.ts"
import { namingTheChoices } from "./nearest-name.ts"
import { makeProgress, type Progress, type ProgressStream } from "./progress.ts"
import { experiments } from "./registry.ts"
import { chartFiles, type ReportUnwritable, writeReport } from "./report-files.ts"
import { reportPage } from "./report-page.ts"
import { type Result, resultText } from "./result.ts"

export class ExperimentUnknown extends Data.TaggedError("ExperimentUnknown")<{
  readonly experiment: string
  readonly message: string
}> {}

export class SeedInvalid extends Data.TaggedError("SeedInvalid")<{
  readonly seed: string
  readonly message: string
}> {}

export type RunError =
  | ExperimentUnknown
  | SeedInvalid
  | OptionInvalid
  | ExperimentFailed
  | ChartFailed
  | ReportUnwritable

export interface RunRequest {
  /** A whole number from 0 to 2^53 - 1, or its text. 1 when absent. */
  readonly seed?: number | string
  /** Folder of the report. `reports/NAME` under the working directory when absent. */
  readonly out?: string
  /** The experiment's own options, as typed after --key. */
  readonly options: Readonly<Record<string, string>>
}

export interface RunSummary {
  readonly result: Result
  readonly directory: string
  /** Names of the files written. */
  readonly files: ReadonlyArray<string>
}

/** What `shoal experiment list` tells of one experiment. */
export interface ExperimentListing {
  readonly name: string
  readonly question: string
  readonly options: ReadonlyArray<OptionDescription>
}

export const defaultSeed = 1

/** Every experiment with its question and options, in the registry's order. */
export const listExperiments = (
  registry: ReadonlyArray<Experiment> = experiments
): ReadonlyArray<ExperimentListing> =>
  registry.map(({ name, question, options }) => ({ name, question, options }))

const parseSeed = (seed: number | string): number | undefined => {
  const value = typeof seed === "number" ? seed : /^[0-9]+$/.test(seed) ? Number(seed) : Number.NaN
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** The shell command that repeats a run. Canonical option texts need no quotes. */
export const replayCommand = (
  name: string,
  seed: number,
  options: Readonly<Record<string, string>>
): string =>
  ["npm run experiment --", name, `--seed ${seed}`]
    .concat(Object.entries(options).map(([key, value]) => `--${key} ${value}`))
    .join(" ")

const findExperiment = (
  name: string,
  registry: ReadonlyArray<Experiment>
): Effect.Effect<Experiment, ExperimentUnknown> => {
  const found = registry.find((experiment) => experiment.name === name)
  return found !== undefined
    ? Effect.succeed(found)
    : Effect.fail(
        new ExperimentUnknown({
          experiment: name,
          message: `unknown experiment ${name}: ${namingTheChoices(
            name,
            registry.map((experiment) => experiment.name)
          )}`
        })
      )
}

/** Runs an experiment of `registry` and gives its report's files without writing them. Prints nothing. */
export const makeReport = Effect.fnUntraced(function* (
  experiment: Experiment,
  request: RunRequest,
  progress: Progress
) {
  const { seed, prepared } = yield* prepare(experiment, request)
  const measured = yield* prepared.run(seed, progress)
  const result: Result = {
    experiment: experiment.name,
    question: experiment.question,
    answer: measured.answer,
    options: prepared.options,
    seed,
    trace_hash: measured.traceHash,
    strategies: measured.strategies,
    figures: measured.figures
  }
  const charts = yield* Effect.forEach(measured.charts, drawChart)
  const page = reportPage({
    title: experiment.title,
    result,
    method: experiment.method,
    limits: experiment.limits,
    charts,
    command: replayCommand(experiment.name, seed, prepared.options)
  })
  const files = [
    { name: "result.json", text: resultText(result) },
    ...charts.flatMap(chartFiles),
    { name: "index.html", text: page }
  ]
  return { result, files, events: measured.events }
})

const prepare = Effect.fnUntraced(function* (experiment: Experiment, request: RunRequest) {
  const seed = parseSeed(request.seed ?? defaultSeed)
  if (seed === undefined) {
    return yield* new SeedInvalid({
      seed: String(request.seed),
      message: `${experiment.name}: --seed ${request.seed}: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
    })
  }
  return { seed, prepared: yield* experiment.prepare(request.options) }
})

// A simulation forbids the host's clock and timers while it runs, and a stream's write uses them; a progress line needs
// a clock all the same. So the clock is taken before, and the line is written straight to the terminal.
const wallMilliseconds = performance.now.bind(performance)
const terminal: ProgressStream = {
  isTTY: process.stderr.isTTY === true,
  columns: process.stderr.columns ?? 80,
  write: (text) => writeSync(process.stderr.fd, text)
}

/** Runs the experiment `name` as a person asked for it: prints, shows progress, writes the report. */
export const runExperiment = (
  name: string,
  request: RunRequest,
  registry: ReadonlyArray<Experiment> = experiments
): Effect.Effect<RunSummary, RunError> =>
  Effect.gen(function* () {
    const experiment = yield* findExperiment(name, registry)
    const { seed, prepared } = yield* prepare(experiment, request)
    yield* Console.log(`${name}: ${experiment.question}`)
    yield* Console.log(`seed ${seed}`)
    for (const [key, value] of Object.entries(prepared.options)) yield* Console.log(`${key} ${value}`)

    const progress = makeProgress(terminal, wallMilliseconds)
    const began = wallMilliseconds()
    const { result, files, events } = yield* makeReport(experiment, request, progress).pipe(
      Effect.ensuring(Effect.sync(progress.finish)),
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Console.error(`to repeat this run: ${replayCommand(name, seed, prepared.options)}`)
      )
    )
    const seconds = (wallMilliseconds() - began) / 1000
    const directory = request.out ?? join("reports", name)
    yield* writeReport(directory, files)

    yield* Console.log("")
    yield* Console.log(result.answer)
    yield* Console.log(`report: ${join(directory, "index.html")}`)
    const peak = Math.round(process.resourceUsage().maxRSS / 1024)
    yield* Console.log(
      `${seconds.toFixed(1)} s of wall time, ${peak} MiB at most, ${Math.round(events / seconds / 1000)}k events/s`
    )
    yield* Console.log(`trace hash ${result.trace_hash}`)
    return { result, directory, files: files.map((file) => file.name) }
  })
