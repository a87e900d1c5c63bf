// A report in memory: the plan of a request (options, seeds, cells), and from the outcomes of all cells the result, its
// charts and its page. Invariant: everything is a function of options, seeds and outcomes. It writes and prints
// nothing.

import { createHash } from "node:crypto"
import { Effect } from "effect"
import { drawChart } from "../report/chart.ts"
import { chartFiles } from "../report/report-files.ts"
import { type ReportPage, reportPage } from "../report/report-page.ts"
import { type Result, resultText, withRoundedNumbers } from "../report/result.ts"
import type { Cell, CellOutcome, Experiment, ExperimentFailed, PreparedExperiment } from "./experiment.ts"
import { linkBadge } from "./link-badge.ts"
import type { Progress } from "./progress.ts"
import { parseSeeds, seedsText } from "./seeds.ts"

export interface ReportRequest {
  /** "3", "1-5", "1,4,9"; the seeds of the definition when absent. */
  readonly seeds?: string
  /** Options of the experiment, as typed after --key. */
  readonly options: Readonly<Record<string, string>>
}

/** A request that was understood. Only the outcomes of its cells are missing. */
export interface ReportPlan extends PreparedExperiment {
  readonly experiment: Experiment
  /** Canonical text. */
  readonly seeds: string
}

/** Fails when the request is not understood, or is impossible. */
export const planReport = Effect.fnUntraced(function* (experiment: Experiment, request: ReportRequest) {
  const seeds = yield* parseSeeds(request.seeds ?? experiment.seeds)
  const prepared = yield* experiment.prepare(request.options, seeds)
  return { ...prepared, experiment, seeds: seedsText(seeds) } satisfies ReportPlan
})

/** The request for the small version. */
export const quickRequest = (experiment: Experiment): ReportRequest => {
  const { seed, ...options } = experiment.quick
  return seed === undefined ? { options } : { seeds: seed, options }
}

const needsNoQuotes = /^[A-Za-z0-9_.,:=@%+/-]+$/
const quoted = (text: string): string =>
  needsNoQuotes.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** The shell command that repeats a run, or one cell of it. */
export const replayCommand = ({ experiment, seeds, options }: ReportPlan, cell?: string): string =>
  [
    `npm run experiment -- ${experiment.name} --seed ${seeds}`,
    ...Object.entries(options).map(([key, value]) => `--${key} ${quoted(value)}`),
    ...(cell === undefined ? [] : [`--cell ${quoted(cell)}`])
  ].join(" ")

/** Measures cells in any order and gives their outcomes in the order of the cells, after a trip through JSON. */
export type MeasureCells<E> = (
  experiment: Experiment,
  cells: ReadonlyArray<Cell<unknown>>
) => Effect.Effect<ReadonlyArray<CellOutcome>, E>

/** Measures one cell after the other in this thread and keeps nothing. */
export const measureHere =
  (progress: Progress): MeasureCells<ExperimentFailed> =>
  (experiment, cells) =>
    Effect.forEach(cells, ({ input }) =>
      Effect.map(experiment.measure(input, progress), (outcome) => JSON.parse(JSON.stringify(outcome)))
    )

const traceHashOf = (outcomes: ReadonlyArray<CellOutcome>): string => {
  const [first, ...others] = outcomes
  if (first !== undefined && others.length === 0) return first.traceHash
  const hash = createHash("sha256")
  for (const { traceHash } of outcomes) hash.update(`${traceHash}\n`)
  return hash.digest("hex").slice(0, 16)
}

/** Measures the cells of a plan with `measure`; gives the result, and the sources of its charts. */
export const concludeReport = Effect.fnUntraced(function* <E>(plan: ReportPlan, measure: MeasureCells<E>) {
  const { experiment } = plan
  const outcomes = yield* measure(experiment, plan.cells)
  const measured = yield* plan.conclude(outcomes)
  const findings = withRoundedNumbers({
    seeds: plan.seeds,
    strategies: measured.strategies,
    figures: measured.figures,
    ...(measured.tables === undefined ? {} : { tables: measured.tables })
  })
  const result: Result = {
    experiment: experiment.name,
    question: experiment.question,
    answer: plan.answer(findings),
    options: plan.options,
    seeds: plan.seeds,
    trace_hash: traceHashOf(outcomes),
    ...(measured.bound === undefined ? {} : { bound: measured.bound }),
    strategies: measured.strategies,
    figures: measured.figures,
    ...(measured.tables === undefined ? {} : { tables: measured.tables }),
    charts: measured.charts.map(({ name, title, caption }) => ({ name, title, caption }))
  }
  const events = outcomes.reduce((sum, outcome) => sum + outcome.events, 0)
  return { result, charts: measured.charts, events }
})

/** The page of a result, which the plan gave or an earlier one. */
export const pageOf = (plan: ReportPlan, result: Result, charts: ReportPage["charts"]): string => {
  const { experiment } = plan
  const { title, method, limits, names } = experiment
  const links = linkBadge(experiment, result)
  return reportPage({
    ...{ title, result, method, limits, charts, command: replayCommand(plan) },
    ...(links === undefined ? {} : { links }),
    ...(names === undefined ? {} : { names })
  })
}

/** Makes the whole report: its result and the bytes of its files. */
export const makeReport = Effect.fnUntraced(function* <E>(plan: ReportPlan, measure: MeasureCells<E>) {
  const { result, charts: sources, events } = yield* concludeReport(plan, measure)
  const charts = yield* Effect.forEach(sources, drawChart)
  const page = pageOf(plan, result, charts)
  const files = [
    { name: "result.json", text: resultText(result) },
    ...charts.flatMap(chartFiles),
    { name: "index.html", text: page }
  ]
  return { result, files, events }
})
