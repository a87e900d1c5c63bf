// Decides how an experiment is run by a person: seeds and every option are printed first, the trace hash last, and when
// a run fails, the one command that repeats it. Wall time and peak memory are printed and never stored. Whatever is
// written is a function of options and seeds alone.

import { writeSync } from "node:fs"
import { join } from "node:path"
import { Cause, Console, Effect } from "effect"
import type { ChartFailed } from "./chart.ts"
import type { Experiment, ExperimentFailed, OptionDescription, OptionInvalid } from "./experiment.ts"
import { makeProgress, type ProgressStream } from "./progress.ts"
import { experiments, type ExperimentUnknown, findExperiment } from "./registry.ts"
import { makeReport, measureHere, planReport, replayCommand } from "./report.ts"
import { type ReportUnwritable, writeReport } from "./report-files.ts"
import type { Result } from "./result.ts"
import type { SeedInvalid } from "./seeds.ts"

export type RunError =
  | ExperimentUnknown
  | SeedInvalid
  | OptionInvalid
  | ExperimentFailed
  | ChartFailed
  | ReportUnwritable

export interface RunRequest {
  /** "3", "1-5", "1,4,9"; the experiment's own when absent. */
  readonly seeds?: string
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

/** Every experiment with its question and options, in the registry's order. */
export const listExperiments = (
  registry: ReadonlyArray<Experiment> = experiments
): ReadonlyArray<ExperimentListing> =>
  registry.map(({ name, question, options }) => ({ name, question, options }))

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
    const plan = yield* planReport(experiment, request)
    yield* Console.log(`${name}: ${experiment.question}`)
    yield* Console.log(`seed ${plan.seeds}`)
    for (const [key, value] of Object.entries(plan.options)) yield* Console.log(`${key} ${value}`)

    const progress = makeProgress(terminal, wallMilliseconds)
    const began = wallMilliseconds()
    const { result, files, events } = yield* makeReport(plan, measureHere(progress)).pipe(
      Effect.ensuring(Effect.sync(progress.finish)),
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Console.error(`to repeat this run: ${replayCommand(plan)}`)
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
