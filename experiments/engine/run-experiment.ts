// Runs an experiment for a person. It prints seeds and options first, then the number of runs and the memory they need,
// and the trace hash last; when a run fails, it prints the one command that repeats it. Invariants: wall time and peak
// memory are printed and never stored; all files are a function of options, seeds and sources alone.

import { writeSync } from "node:fs"
import { join } from "node:path"
import { Cause, Console, Data, Effect, type Scope } from "effect"
import type { ChartFailed } from "../report/chart.ts"
import { probeReport, type ReportUnwritable, writeReport } from "../report/report-files.ts"
import type { Result } from "../report/result.ts"
import { type CellPool, CellTooLarge, defaultWorkers, makeCellPool } from "./cell-pool.ts"
import { type CellStore, makeCellStore } from "./cell-store.ts"
import type { Experiment, ExperimentFailed, OptionInvalid } from "./experiment.ts"
import { type ExperimentUnknown, findExperiment } from "./find-experiment.ts"
import type { SourcesUnreadable } from "./fingerprint.ts"
import type { Laboratory } from "./laboratory.ts"
import { CellFailed, type MeasureError, measureIn } from "./measure-cells.ts"
import { namingTheChoices } from "./nearest-name.ts"
import { makeProgress, type Progress, type ProgressStream } from "./progress.ts"
import { provenanceFile } from "./provenance.ts"
import { makeReport, planReport, quickRequest, type ReportPlan, replayCommand } from "./report.ts"
import { writeIndex } from "./report-index.ts"
import type { SeedInvalid } from "./seeds.ts"

/** The parts of a request contradict each other. */
export class RequestInvalid extends Data.TaggedError("RequestInvalid")<{ readonly message: string }> {}

export type RunError =
  | ExperimentUnknown
  | SeedInvalid
  | OptionInvalid
  | RequestInvalid
  | MeasureError
  | ExperimentFailed
  | ChartFailed
  | SourcesUnreadable
  | ReportUnwritable

export interface RunRequest {
  /** "3", "1-5", "1,4,9"; the seeds of the definition when absent. */
  readonly seeds?: string
  /** Folder of the report. When absent, `reports/NAME`, or `reports/own/NAME` with other options than the defaults. */
  readonly out?: string
  /** Options of the experiment, as typed after --key. */
  readonly options: Readonly<Record<string, string>>
  /** Runs the small version and keeps its result.json in `reports/quick/NAME`. */
  readonly quick?: boolean
  /** Measures every cell, whether its outcome is kept or not. */
  readonly fresh?: boolean
  /** Number of threads; that of the cores when absent, this thread alone when 1. */
  readonly workers?: number
  /** Label of the only cell to run, in this thread and without a report. */
  readonly cell?: string
}

export interface RunSummary {
  readonly traceHash: string
  /** Absent when only one cell ran. */
  readonly report?: {
    readonly result: Result
    readonly directory: string
    /** Names of the files written. */
    readonly files: ReadonlyArray<string>
  }
}

// A simulation forbids the clock and the timers of the machine while it runs, and writing to a stream uses them. So the
// clock is bound before, and the progress line goes straight to the terminal.
const wallMilliseconds = performance.now.bind(performance)
const terminal: ProgressStream = {
  isTTY: process.stderr.isTTY === true,
  columns: process.stderr.columns || 80,
  write: (text) => writeSync(process.stderr.fd, text)
}
export const terminalProgress = () => makeProgress(terminal, wallMilliseconds)

const mostWorkers = 256

/** Makes a pool of threads that load the registry of a laboratory. */
export const poolFor = (
  { module, watchSources }: Laboratory,
  workers: number = defaultWorkers()
): Effect.Effect<CellPool, RequestInvalid | SourcesUnreadable, Scope.Scope> =>
  Effect.gen(function* () {
    if (!Number.isInteger(workers) || workers < 1 || workers > mostWorkers) {
      return yield* new RequestInvalid({
        message: `--workers ${workers}: expected a whole number from 1 to ${mostWorkers}`
      })
    }
    const sourcesAreTheSame = workers === 1 ? () => true : yield* watchSources
    return yield* makeCellPool({ workers, registry: module, sourcesAreTheSame })
  })

/** Plans a request. --quick is one fixed version: it refuses options and seeds. */
const planFor = (
  experiment: Experiment,
  request: RunRequest
): Effect.Effect<ReportPlan, RequestInvalid | SeedInvalid | OptionInvalid> => {
  if (request.quick !== true) return planReport(experiment, request)
  const given = [...Object.keys(request.options), ...(request.seeds === undefined ? [] : ["seed"])]
  return given.length === 0
    ? planReport(experiment, quickRequest(experiment))
    : Effect.fail(
        new RequestInvalid({
          message: `${experiment.name}: --quick is one fixed version: leave out --${given.join(" and --")}, or --quick`
        })
      )
}

/** The cell that failed; undefined when all cells together failed, or none ran. */
const failedCell = <E>(cause: Cause.Cause<E>): string | undefined =>
  cause.reasons
    .filter(Cause.isFailReason)
    .map(({ error }) => error)
    .find((error): error is E & CellFailed => error instanceof CellFailed)?.cell

const withProgress = <A, E>(
  plan: ReportPlan,
  use: (progress: Progress) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const progress = terminalProgress()
  return use(progress).pipe(
    Effect.ensuring(Effect.sync(progress.finish)),
    Effect.tapCause((cause) => {
      const refused = cause.reasons.some(
        (reason) => Cause.isFailReason(reason) && reason.error instanceof CellTooLarge
      )
      if (refused || Cause.hasInterruptsOnly(cause)) return Effect.void
      return Console.error(`to repeat this run: ${replayCommand(plan, failedCell(cause))}`)
    })
  )
}

const printCosts = (began: number, events: number) =>
  Effect.suspend(() => {
    const seconds = (wallMilliseconds() - began) / 1000
    const peak = Math.round(process.resourceUsage().maxRSS / 1024)
    return Console.log(
      `${seconds.toFixed(1)} s of wall time, ${peak} MiB of memory at the peak, ${events.toLocaleString("en")} events`
    )
  })

/** Runs the cell of that label alone, in this thread, without a report. */
const runCell = Effect.fnUntraced(function* (plan: ReportPlan, label: string) {
  const { experiment, cells } = plan
  const cell = cells.find((known) => known.label === label)
  if (cell === undefined) {
    const labels = cells.map((known) => known.label)
    return yield* new RequestInvalid({
      message: `${experiment.name}: --cell ${label}: ${namingTheChoices(label, labels)}`
    })
  }
  const began = wallMilliseconds()
  const outcome = yield* withProgress(plan, (progress) => experiment.measure(cell.input, progress))
  yield* printCosts(began, outcome.events)
  yield* Console.log(`trace hash ${outcome.traceHash}`)
  return { traceHash: outcome.traceHash }
})

/** Whether the options and seeds are those of the full report. */
const isAsDefined = (plan: ReportPlan): Effect.Effect<boolean, SeedInvalid | OptionInvalid> =>
  Effect.map(
    planReport(plan.experiment, { options: {} }),
    ({ options, seeds }) => JSON.stringify([options, seeds]) === JSON.stringify([plan.options, plan.seeds])
  )

interface Destination {
  readonly directory: string
  readonly kind: "full" | "quick" | "own" | "given"
}

/** Only the defaults, and the small version, make the reports of the index. */
const destinationOf = Effect.fnUntraced(function* (plan: ReportPlan, request: RunRequest, lab: Laboratory) {
  const { name } = plan.experiment
  if (request.out !== undefined) return { directory: request.out, kind: "given" } satisfies Destination
  if (request.quick === true) {
    return { directory: join(lab.reports, "quick", name), kind: "quick" } satisfies Destination
  }
  if (yield* isAsDefined(plan)) {
    return { directory: join(lab.reports, name), kind: "full" } satisfies Destination
  }
  const directory = join(lab.reports, "own", name)
  yield* Console.log(`other options than the report of the index: this one goes to ${directory}`)
  return { directory, kind: "own" } satisfies Destination
})

/** A store of which it is known how many runs it holds for this request. */
const countingStore = (store: CellStore, fresh: boolean) => {
  let kept = 0
  const count = (found: unknown) =>
    Effect.sync(() => {
      if (found !== undefined) kept++
    })
  const counted: CellStore = {
    ...store,
    find: (cell) => (fresh ? Effect.succeed(undefined) : Effect.tap(store.find(cell), count)),
    keep: (cell, outcome) => Effect.tap(store.keep(cell, outcome), () => count(outcome))
  }
  return { store: counted, kept: () => kept }
}

const reportOf = Effect.fnUntraced(function* (
  plan: ReportPlan,
  request: RunRequest,
  pool: CellPool,
  lab: Laboratory
) {
  const { name } = plan.experiment
  const { directory, kind } = yield* destinationOf(plan, request, lab)
  yield* probeReport(directory)
  const fresh = request.fresh === true
  const fingerprints = yield* lab.fingerprints(name)
  const { store, kept } = countingStore(
    makeCellStore(join(lab.reports, ".cells", name), fingerprints.cell),
    fresh
  )
  yield* store.deleteStale
  const began = wallMilliseconds()
  const stopped = Effect.suspend(() =>
    Console.error(
      `stopped: ${kept()} of ${plan.cells.length} runs are kept; the same command` +
        `${fresh ? " without --fresh" : ""} continues from there`
    )
  )
  const { result, files, events } = yield* withProgress(plan, (progress) =>
    makeReport(plan, measureIn({ pool, store, progress, announce: (line) => Console.log(line) }))
  ).pipe(Effect.onInterrupt(() => stopped))
  const provenance =
    request.quick === true ? [] : [yield* provenanceFile(lab.reports, name, fingerprints.report)]
  const written = kind === "quick" ? files.slice(0, 1) : [...provenance, ...files]
  yield* writeReport(directory, written)
  if (kind === "full") yield* writeIndex(lab)

  yield* Console.log("")
  yield* Console.log(result.answer)
  yield* Console.log(`report: ${join(directory, written.at(-1)!.name)}`)
  yield* printCosts(began, events)
  yield* Console.log(`trace hash ${result.trace_hash}`)
  return {
    traceHash: result.trace_hash,
    report: { result, directory, files: written.map((file) => file.name) }
  }
})

/** Runs one experiment in an existing pool. */
export const runInPool = (
  experiment: Experiment,
  request: RunRequest,
  pool: CellPool,
  lab: Laboratory
): Effect.Effect<RunSummary, RunError> =>
  Effect.gen(function* () {
    const plan = yield* planFor(experiment, request)
    yield* Console.log(`${experiment.name}: ${experiment.question}`)
    yield* Console.log(`seed ${plan.seeds}`)
    for (const [key, value] of Object.entries(plan.options)) yield* Console.log(`${key} ${value}`)
    return request.cell === undefined
      ? yield* reportOf(plan, request, pool, lab)
      : yield* runCell(plan, request.cell)
  })

/** Runs the experiment `name` for a person: prints, shows progress, writes the report and the index. */
export const runExperiment = (
  name: string,
  request: RunRequest,
  lab: Laboratory
): Effect.Effect<RunSummary, RunError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const experiment = yield* findExperiment(name, lab.registry)
      const pool = yield* poolFor(lab, request.workers)
      return yield* runInPool(experiment, request, pool, lab)
    })
  )
