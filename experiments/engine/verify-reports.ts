// Compares the committed quick results with what the sources give: it measures the small version of every experiment,
// all cells in one pool, and compares each result with reports/quick/NAME/result.json byte by byte. It writes nothing.
// A folder that belongs to no experiment counts as a difference.

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Console, Data, Effect } from "effect"
import { resultText } from "../report/result.ts"
import type { Experiment } from "./experiment.ts"
import type { Laboratory } from "./laboratory.ts"
import { measureIn } from "./measure-cells.ts"
import { progressOfParts } from "./progress.ts"
import { concludeReport, planReport, quickRequest } from "./report.ts"
import { poolFor, terminalProgress } from "./run-experiment.ts"

/** A committed quick result differs from what the sources give. */
export class ReportDiffers extends Data.TaggedError("ReportDiffers")<{
  readonly path: string
  readonly message: string
}> {}

/** The first line in which two texts differ, in both versions. */
export const firstDifference = (kept: string, made: string): string => {
  const [keptLines, madeLines] = [kept.split("\n"), made.split("\n")]
  const most = Math.max(keptLines.length, madeLines.length)
  for (let line = 0; line < most; line++) {
    if (keptLines[line] === madeLines[line]) continue
    const [was, is] = [keptLines, madeLines].map(
      (lines) => lines[line]?.trim().replace(/,$/, "") ?? "the end"
    )
    return `line ${line + 1} is kept as ${was} and comes out as ${is}`
  }
  return "the texts are equal"
}

const refresh = (name: string): string => `npm run experiment -- ${name} --quick`

const keptText = (path: string): Effect.Effect<string | undefined> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readFile(path, "utf8")),
    () => undefined
  )

const foldersIn = (directory: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readdir(directory)),
    () => []
  )

/** The difference of the kept result of an experiment from `made`; undefined when there is none. */
const differenceOf = Effect.fnUntraced(function* (directory: string, experiment: Experiment, made: string) {
  const path = join(directory, experiment.name, "result.json")
  const kept = yield* keptText(path)
  if (kept === made) return undefined
  const what = kept === undefined ? "is missing" : `differs: ${firstDifference(kept, made)}`
  return new ReportDiffers({ path, message: `${path} ${what}; to refresh it: ${refresh(experiment.name)}` })
})

const verify = Effect.fnUntraced(function* (workers: number | undefined, lab: Laboratory) {
  const directory = join(lab.reports, "quick")
  const pool = yield* poolFor(lab, workers)
  const progress = terminalProgress()
  const plans = yield* Effect.forEach(lab.registry, (experiment) =>
    planReport(experiment, quickRequest(experiment))
  )
  const parts = progressOfParts(
    plans.map(() => 1),
    progress
  )
  const found = yield* Effect.forEach(
    plans,
    (plan, index) =>
      Effect.gen(function* () {
        const { result } = yield* concludeReport(plan, measureIn({ pool, progress: parts[index]! }))
        parts[index]!.finish()
        return yield* differenceOf(directory, plan.experiment, resultText(result))
      }),
    { concurrency: "unbounded" }
  ).pipe(Effect.ensuring(Effect.sync(progress.finish)))
  const known = new Set(lab.registry.map(({ name }) => name))
  const left = (yield* foldersIn(directory)).filter((name) => !known.has(name)).sort()
  const differences = [
    ...found.filter((difference) => difference !== undefined),
    ...left.map((name) => {
      const path = join(directory, name)
      return new ReportDiffers({ path, message: `${path} belongs to no experiment: delete it` })
    })
  ]
  for (const { message } of differences) yield* Console.error(message)
  const [first] = differences
  if (first !== undefined) return yield* first
  yield* Console.log(`${plans.length} quick results are the same as the kept ones`)
}, Effect.scoped)

/** Prints all differences, and fails with the first one. */
export const verifyReports = (workers: number | undefined, lab: Laboratory) => verify(workers, lab)
