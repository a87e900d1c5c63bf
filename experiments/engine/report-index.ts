// Index of all reports, made from their folders: result and main chart of every experiment, and whether the code has
// changed since the report was made. A result that cannot be read, such as one of an earlier version, is marked as
// unreadable.

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { type IndexEntry, indexPage } from "../report/index-page.ts"
import { type ReportUnwritable, writeReport } from "../report/report-files.ts"
import { decodeResult } from "../report/result.ts"
import type { Experiment } from "./experiment.ts"
import type { SourcesUnreadable } from "./fingerprint.ts"
import type { Laboratory } from "./laboratory.ts"
import { standingOf } from "./provenance.ts"

/** The text of a file; undefined when there is no such file. */
const textOf = (path: string): Effect.Effect<string | undefined> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readFile(path, "utf8")),
    () => undefined
  )

const entryOf = Effect.fnUntraced(function* (experiment: Experiment, lab: Laboratory) {
  const { name, title, question } = experiment
  const folder = join(lab.reports, name)
  const text = yield* textOf(join(folder, "result.json"))
  if (text === undefined) return { name, title, question }
  const result = yield* Effect.orElseSucceed(decodeResult(text), () => undefined)
  if (result === undefined) return { name, title, question, unreadable: true } satisfies IndexEntry
  const [main] = result.charts
  const svg = main === undefined ? undefined : yield* textOf(join(folder, `${main.name}.svg`))
  const { report: fingerprint } = yield* lab.fingerprints(name)
  const sources = yield* standingOf(lab.reports, name, fingerprint)
  const report = { result, sources, ...(svg === undefined ? {} : { svg }) }
  return { name, title, question: result.question, report } satisfies IndexEntry
})

/** Writes index.html to the folder of the reports and gives its path. */
export const writeIndex = (lab: Laboratory): Effect.Effect<string, ReportUnwritable | SourcesUnreadable> =>
  Effect.gen(function* () {
    const entries = yield* Effect.forEach(lab.registry, (experiment) => entryOf(experiment, lab))
    yield* writeReport(lab.reports, [{ name: "index.html", text: indexPage(entries) }])
    return join(lab.reports, "index.html")
  })
