// Index of all reports, made from their folders: result and main chart of every experiment, the model of links, and
// whether the code has changed since the report was made, which the page of each report says too. A result that cannot
// be read, such as one of an earlier version, is marked as unreadable.

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { type IndexEntry, indexPage } from "../report/index-page.ts"
import { type ReportUnwritable, writeReport } from "../report/report-files.ts"
import { withPresentNotes } from "../report/report-page.ts"
import { decodeResult } from "../report/result.ts"
import type { Experiment } from "./experiment.ts"
import type { SourcesUnreadable } from "./fingerprint.ts"
import type { Laboratory } from "./laboratory.ts"
import { linkBadge } from "./link-badge.ts"
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
  const links = linkBadge(experiment, result)
  const report = {
    result,
    sources,
    ...(svg === undefined ? {} : { svg }),
    ...(links === undefined ? {} : { links })
  }
  return { name, title, question: result.question, report } satisfies IndexEntry
})

/** Renews what the page of a report says about the present code. */
const renewPage = Effect.fnUntraced(function* (entry: IndexEntry, lab: Laboratory) {
  const folder = join(lab.reports, entry.name)
  const page = yield* textOf(join(folder, "index.html"))
  if (page === undefined || entry.report === undefined) return
  const { links, sources } = entry.report
  const renewed = withPresentNotes(page, { links, isOfOtherCode: sources !== "same" })
  if (renewed !== page) yield* writeReport(folder, [{ name: "index.html", text: renewed }])
})

/** Writes index.html to the folder of the reports and gives its path; renews the notes on the pages of the reports. */
export const writeIndex = (lab: Laboratory): Effect.Effect<string, ReportUnwritable | SourcesUnreadable> =>
  Effect.gen(function* () {
    const entries = yield* Effect.forEach(lab.registry, (experiment) => entryOf(experiment, lab))
    for (const entry of entries) yield* renewPage(entry, lab)
    yield* writeReport(lab.reports, [{ name: "index.html", text: indexPage(entries) }])
    return join(lab.reports, "index.html")
  })
