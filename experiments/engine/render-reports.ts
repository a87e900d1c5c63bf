// Words kept reports anew without measuring: question and answer of result.json, and of a full report the page around
// them. Figures, tables and drawings stay as the run left them, because the answer is a function of what result.json
// keeps. A full report whose small version finds something else by now keeps its words: only a new run can renew it.

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Console, Data, Effect } from "effect"
import { type ReportUnwritable, writeReport } from "../report/report-files.ts"
import { decodeResult, resultText } from "../report/result.ts"
import type { Experiment } from "./experiment.ts"
import type { SourcesUnreadable } from "./fingerprint.ts"
import type { Laboratory } from "./laboratory.ts"
import { standingOf } from "./provenance.ts"
import { pageOf, planReport } from "./report.ts"
import { writeIndex } from "./report-index.ts"

/** A kept report cannot be read, or is of another version of its experiment. */
export class ReportUnreadable extends Data.TaggedError("ReportUnreadable")<{
  readonly path: string
  readonly message: string
}> {}

export type RenderError = ReportUnreadable | ReportUnwritable | SourcesUnreadable

const textOf = (path: string) => Effect.tryPromise(() => readFile(path, "utf8"))

/** The kept result in `folder` in new words, and what a page needs beside it; undefined when there is none. */
const rewordedIn = Effect.fnUntraced(
  function* (experiment: Experiment, folder: string) {
    const text = yield* Effect.orElseSucceed(textOf(join(folder, "result.json")), () => undefined)
    if (text === undefined) return undefined
    const kept = yield* decodeResult(text)
    const plan = yield* planReport(experiment, kept)
    const answer = yield* Effect.try(() => plan.answer(kept))
    return { plan, result: { ...kept, question: experiment.question, answer } }
  },
  (reworded, experiment, folder) =>
    Effect.mapError(reworded, (error) => {
      const path = join(folder, "result.json")
      const message = `${path} is not of this version (${String(error)}); make it again: npm run experiment -- ${experiment.name}`
      return new ReportUnreadable({ path, message })
    })
)

const renderQuick = Effect.fnUntraced(function* (experiment: Experiment, lab: Laboratory) {
  const folder = join(lab.reports, "quick", experiment.name)
  const reworded = yield* rewordedIn(experiment, folder)
  if (reworded === undefined) return
  yield* writeReport(folder, [{ name: "result.json", text: resultText(reworded.result) }])
  yield* Console.log(folder)
})

const renderFull = Effect.fnUntraced(function* (experiment: Experiment, lab: Laboratory) {
  const { name } = experiment
  const folder = join(lab.reports, name)
  const { report: code } = yield* lab.fingerprints(name)
  if ((yield* standingOf(lab.reports, name, code)) === "changed") {
    return yield* Console.log(
      `${folder} stays as it is: its code has changed, and its figures may have changed`
    )
  }
  const reworded = yield* rewordedIn(experiment, folder)
  if (reworded === undefined) return
  const { result, plan } = reworded
  const charts = yield* Effect.forEach(result.charts, (chart) => {
    const path = join(folder, `${chart.name}.svg`)
    return textOf(path).pipe(
      Effect.map((svg) => ({ ...chart, svg })),
      Effect.mapError(
        (error) => new ReportUnreadable({ path, message: `${path} cannot be read: ${String(error)}` })
      )
    )
  })
  yield* writeReport(folder, [
    { name: "result.json", text: resultText(result) },
    { name: "index.html", text: pageOf(plan, result, charts) }
  ])
  yield* Console.log(folder)
})

/** Words every quick result, every full report and the index anew, and prints the folders. */
export const renderReports = (lab: Laboratory): Effect.Effect<void, RenderError> =>
  Effect.gen(function* () {
    for (const experiment of lab.registry) {
      yield* renderQuick(experiment, lab)
      yield* renderFull(experiment, lab)
    }
    yield* Console.log(yield* writeIndex(lab))
  })
