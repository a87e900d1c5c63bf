// Decides how the index comes about: the result of every experiment that has one is read from the folder of the reports,
// with its main chart, and is stale when its fingerprint is not that of the sources as they stand.

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Data, Effect } from "effect"
import type { Experiment } from "./experiment.ts"
import type { SourcesUnreadable } from "./fingerprint.ts"
import { type IndexEntry, indexPage } from "./index-page.ts"
import type { Laboratory } from "./laboratory.ts"
import { type ReportUnwritable, writeReport } from "./report-files.ts"
import { decodeResult } from "./result.ts"

/** A result that stands among the reports is not one. */
export class ReportUnreadable extends Data.TaggedError("ReportUnreadable")<{ readonly message: string }> {}

/** Undefined when there is no such file. */
const textOf = (path: string): Effect.Effect<string | undefined, ReportUnreadable> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => cause as NodeJS.ErrnoException
  }).pipe(
    Effect.catch((cause) =>
      cause.code === "ENOENT"
        ? Effect.succeed(undefined)
        : Effect.fail(new ReportUnreadable({ message: `${path} could not be read: ${cause.message}` }))
    )
  )

const entryOf = Effect.fnUntraced(function* (experiment: Experiment, lab: Laboratory) {
  const { name, title, question } = experiment
  const folder = join(lab.reports, name)
  const path = join(folder, "result.json")
  const text = yield* textOf(path)
  if (text === undefined) return { name, title, question }
  const result = yield* decodeResult(text).pipe(
    Effect.mapError(
      (error) =>
        new ReportUnreadable({
          message: `${path} is not a result of this version (${error.message.split("\n", 1)[0]}): make it again with npm run experiment -- ${name}`
        })
    )
  )
  const [main] = result.charts
  const svg = main === undefined ? undefined : yield* textOf(join(folder, `${main.name}.svg`))
  const { report: fingerprint } = yield* lab.fingerprints(name)
  const stale = result.fingerprint !== fingerprint
  const report = { result, stale, ...(svg === undefined ? {} : { svg }) }
  return { name, title, question: result.question, report } satisfies IndexEntry
})

/** Writes index.html into the folder of the reports, and gives its path. */
export const writeIndex = (
  lab: Laboratory
): Effect.Effect<string, ReportUnreadable | ReportUnwritable | SourcesUnreadable> =>
  Effect.gen(function* () {
    const entries = yield* Effect.forEach(lab.registry, (experiment) => entryOf(experiment, lab))
    yield* writeReport(lab.reports, [{ name: "index.html", text: indexPage(entries) }])
    return join(lab.reports, "index.html")
  })
