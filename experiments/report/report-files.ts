// Files of a report on disk. Everything is made in memory first; then each file is written under another name and
// renamed, so that an interrupted run leaves whole files only.

import { rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Data, Effect } from "effect"
import type { DrawnChart } from "./chart.ts"
import { makeFolder, probeFolder } from "./make-folder.ts"
import { canonicalJson } from "./result.ts"

export class ReportUnwritable extends Data.TaggedError("ReportUnwritable")<{
  readonly directory: string
  readonly message: string
}> {}

export interface ReportFile {
  readonly name: string
  readonly text: string
}

/** The two files of a chart: its specification and its drawing. */
export const chartFiles = (chart: DrawnChart): ReadonlyArray<ReportFile> => [
  { name: `${chart.name}.vl.json`, text: canonicalJson(chart.spec) },
  { name: `${chart.name}.svg`, text: chart.svg }
]

const writeAll = async (directory: string, files: ReadonlyArray<ReportFile>): Promise<void> => {
  makeFolder(directory)
  const unfinished = (file: ReportFile) => join(directory, `.${file.name}.unfinished`)
  try {
    for (const file of files) await writeFile(unfinished(file), file.text)
    for (const file of files) await rename(unfinished(file), join(directory, file.name))
  } finally {
    for (const file of files) await rm(unfinished(file), { force: true })
  }
}

const unwritable = (directory: string) => (cause: unknown) =>
  new ReportUnwritable({
    directory,
    message: `the report cannot be written to ${directory}: ${String(cause)}; choose another folder with --out`
  })

/** Fails when files cannot be written to `directory`. It leaves nothing there. */
export const probeReport = (directory: string): Effect.Effect<void, ReportUnwritable> =>
  Effect.try({ try: () => probeFolder(directory), catch: unwritable(directory) })

/** Writes the files to `directory`, which is created if necessary. Other files stay as they are. */
export const writeReport = (
  directory: string,
  files: ReadonlyArray<ReportFile>
): Effect.Effect<void, ReportUnwritable> =>
  Effect.uninterruptible(
    Effect.tryPromise({ try: () => writeAll(directory, files), catch: unwritable(directory) })
  )
