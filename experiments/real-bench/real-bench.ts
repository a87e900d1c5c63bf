// Measures real processes side by side: for each scenario it starts every system in turn, run after run, so that a busy
// time of the machine does not fall on one of them alone. The table goes to stdout, progress to stderr. Whatever it
// started ends with it.

import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Console, Effect } from "effect"
import { type ChartFailed, drawChart } from "../report/chart.ts"
import { type ReportUnwritable, writeReport } from "../report/report-files.ts"
import { benchChart } from "./bench-chart.ts"
import { RealBenchFailed } from "./bench-failed.ts"
import { benchLines } from "./bench-lines.ts"
import { benchReportFiles } from "./bench-report.ts"
import { bulkDigest } from "./bulk-content.ts"
import type { Bulk } from "./client-jobs.ts"
import { conditionsNow } from "./conditions.ts"
import { distributionSystem, zotSystem } from "./distribution-system.ts"
import { floorSystem } from "./floor-system.ts"
import { krakenSystem } from "./kraken-system.ts"
import { type Row, rows } from "./rows.ts"
import { fullScale, type Scale, smallScale } from "./scale.ts"
import type { Sample, Scenario } from "./scenario.ts"
import { shoalSystem } from "./shoal-system.ts"
import type { System, SystemName } from "./system.ts"
import { isRatio, judge, type Samples, tolerance } from "./verdicts.ts"

const systems: ReadonlyArray<System> = [shoalSystem, distributionSystem, zotSystem, krakenSystem, floorSystem]

export interface RealBenchRequest {
  /** Names of rows; all without one. */
  readonly rows: ReadonlyArray<string>
  /** Names of systems; all that are there without one. */
  readonly systems: ReadonlyArray<string>
  /** As the scale says when absent. */
  readonly runs?: number
  readonly small: boolean
  /** Whether to fail when a ratio is missed by more than the tolerance. */
  readonly check: boolean
  /** Parent of the folders of the systems. */
  readonly storage: string
  /** What else runs on the machine. */
  readonly conditions: string
  /** Folder of the report; that of all reports when everything is measured, otherwise none. */
  readonly out?: string
}

const mostRuns = 100
const wholeReport = join("reports", "bench-real")

const tell = (line: string): Effect.Effect<void> => Effect.sync(() => process.stderr.write(`${line}\n`))

/** What has one of the names, or all without a name. */
export const chosen = <A extends { readonly name: string }>(
  all: ReadonlyArray<A>,
  names: ReadonlyArray<string>,
  what: string
): Effect.Effect<ReadonlyArray<A>, RealBenchFailed> => {
  const known = all.map(({ name }) => name)
  const wrong = names.find((name) => !known.includes(name))
  return wrong === undefined
    ? Effect.succeed(names.length === 0 ? all : all.filter(({ name }) => names.includes(name)))
    : new RealBenchFailed({ message: `--${what} ${wrong}: expected one of ${known.join(", ")}` })
}

const availableOf = (wanted: ReadonlyArray<System>): Effect.Effect<ReadonlyArray<System>> =>
  Effect.filter(wanted, ({ available }) =>
    available.pipe(
      Effect.as(true),
      Effect.catchTag("ContenderMissing", ({ message }) => Effect.as(tell(message), false))
    )
  )

const folderBelow = (storage: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(storage, "shoal-bench-")),
      catch: (error) =>
        new RealBenchFailed({
          message: `cannot make a folder in ${storage}: ${error}; name another with --storage`
        })
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

/** Digests are computed once for all runs. */
const makeBulks = () => {
  const bulks = new Map<number, Bulk>()
  return (length: number): Bulk => {
    const known = bulks.get(length)
    if (known !== undefined) return known
    const seed = `bench ${length}`
    const bulk = { seed, length, digest: bulkDigest(seed, length) }
    bulks.set(length, bulk)
    return bulk
  }
}

/** Each scenario once, in the order of the rows. */
const scenariosOf = (wanted: ReadonlyArray<Row>): ReadonlyArray<Scenario> => [
  ...new Map(wanted.map(({ scenario }) => [scenario.name, scenario])).values()
]

const runAll = (
  wanted: ReadonlyArray<Row>,
  contenders: ReadonlyArray<System>,
  runs: number,
  scale: Scale,
  storage: string
): Effect.Effect<Samples, RealBenchFailed> =>
  Effect.gen(function* () {
    const bulkOf = makeBulks()
    const samples = new Map<string, Map<SystemName, Array<Sample>>>()
    for (let run = 1; run <= runs; run++) {
      for (const scenario of scenariosOf(wanted)) {
        const own = contenders.filter(({ name }) => scenario.systems.includes(name))
        // Every other run goes the other way round.
        for (const system of run % 2 === 1 ? own : own.toReversed()) {
          const began = performance.now()
          const sample = yield* Effect.scoped(
            Effect.flatMap(folderBelow(storage), (folder) => scenario.run(system, { scale, folder, bulkOf }))
          ).pipe(
            Effect.mapError(
              ({ message }) =>
                new RealBenchFailed({ message: `bench:real: ${scenario.name}, ${system.name}: ${message}` })
            )
          )
          const took = ((performance.now() - began) / 1000).toFixed(1)
          yield* tell(`run ${run} of ${runs}: ${scenario.name}, ${system.name}: ${took} s`)
          const ofScenario = samples.get(scenario.name) ?? new Map<SystemName, Array<Sample>>()
          samples.set(scenario.name, ofScenario)
          ofScenario.set(system.name, [...(ofScenario.get(system.name) ?? []), sample])
        }
      }
    }
    return samples
  })

/** Measures, prints, and with `check` fails when a ratio is missed. */
export const runRealBench = (
  request: RealBenchRequest
): Effect.Effect<void, RealBenchFailed | ChartFailed | ReportUnwritable> =>
  Effect.gen(function* () {
    const scale = request.small ? smallScale : fullScale
    const runs = request.runs ?? scale.runs
    if (runs < 1 || runs > mostRuns) {
      return yield* new RealBenchFailed({ message: `--runs ${runs}: expected 1 to ${mostRuns}` })
    }
    const all = request.small ? rows.filter(({ inSmall }) => inSmall) : rows
    const wanted = request.rows.length === 0 ? all : yield* chosen(rows, request.rows, "row")
    const contenders = yield* availableOf(yield* chosen(systems, request.systems, "system"))
    const conditions = conditionsNow(scale, runs, request.storage, request.conditions)
    const samples = yield* runAll(wanted, contenders, runs, scale, request.storage)
    const names = contenders.map(({ name }) => name)
    const judged = judge(wanted, names, samples)
    yield* Console.log(
      Object.entries(conditions)
        .map((told) => told.join(": "))
        .join("; ")
    )
    for (const line of benchLines(judged, names)) yield* Console.log(line)
    const isWhole = !request.small && request.rows.length === 0 && request.systems.length === 0
    const out = request.out ?? (isWhole ? wholeReport : undefined)
    if (out !== undefined) {
      const source = benchChart(judged)
      const chart = source === undefined ? undefined : yield* drawChart(source)
      yield* writeReport(out, benchReportFiles({ judged, samples, systems: contenders, chart, conditions }))
      yield* tell(`the report is ${join(out, "index.html")}`)
    }
    if (!request.check) return
    const verdicts = judged.flatMap(({ row, measure, verdicts }) =>
      verdicts.map((verdict) => ({ ...verdict, what: `${row.name}, ${measure.title}` }))
    )
    if (!verdicts.some(({ aim, ratio }) => isRatio(aim) && ratio !== undefined)) {
      return yield* new RealBenchFailed({ message: "bench:real --check: no ratio of the table was measured" })
    }
    const failed = verdicts.filter(({ fails }) => fails)
    if (failed.length > 0) {
      return yield* new RealBenchFailed({
        message: `bench:real --check: missed by more than ${100 * tolerance} %: ${failed.map(({ what }) => what).join("; ")}`
      })
    }
  })
