// Decides how finished cells outlive an interrupted run: each outcome is a file of its own, named by a hash over the
// experiment, the cell's input and the fingerprint of the sources that measured it. What was measured by other sources
// is never used, and is deleted when the experiment runs next. A file that cannot be read counts as absent.

import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { ReportUnwritable } from "../report/report-files.ts"
import type { Cell, CellOutcome } from "./experiment.ts"

export interface CellStore {
  readonly find: (cell: Cell<unknown>) => Effect.Effect<CellOutcome | undefined>
  readonly keep: (cell: Cell<unknown>, outcome: CellOutcome) => Effect.Effect<void, ReportUnwritable>
  /** Deletes what other sources measured. */
  readonly deleteStale: Effect.Effect<void>
}

const KeptCell = Schema.fromJsonString(
  Schema.Struct({
    fingerprint: Schema.String,
    label: Schema.String,
    input: Schema.Unknown,
    outcome: Schema.Unknown
  })
)
const decodeKept = Schema.decodeUnknownEffect(KeptCell)

const shortHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32)

/** A store in a folder of the experiment's own, which is made when a first cell is kept. */
export const makeCellStore = (directory: string, fingerprint: string): CellStore => {
  const nameOf = ({ input }: Cell<unknown>): string =>
    `${fingerprint}-${shortHash(JSON.stringify(input))}.json`

  const find: CellStore["find"] = (cell) =>
    Effect.tryPromise(() => readFile(join(directory, nameOf(cell)), "utf8")).pipe(
      Effect.flatMap(decodeKept),
      Effect.map((kept) =>
        kept.fingerprint === fingerprint && JSON.stringify(kept.input) === JSON.stringify(cell.input)
          ? (kept.outcome as CellOutcome)
          : undefined
      ),
      Effect.orElseSucceed(() => undefined)
    )

  const write = async (cell: Cell<unknown>, outcome: CellOutcome): Promise<void> => {
    const path = join(directory, nameOf(cell))
    await mkdir(directory, { recursive: true })
    const { label, input } = cell
    await writeFile(`${path}.unfinished`, JSON.stringify({ fingerprint, label, input, outcome }))
    await rename(`${path}.unfinished`, path)
  }

  return {
    find,
    keep: (cell, outcome) =>
      Effect.uninterruptible(
        Effect.tryPromise({
          try: () => write(cell, outcome),
          catch: (cause) =>
            new ReportUnwritable({
              directory,
              message: `a finished run could not be kept in ${directory}: ${String(cause)}; make the folder writable`
            })
        })
      ),
    deleteStale: Effect.tryPromise(async () => {
      const stale = (await readdir(directory)).filter((name) => !name.startsWith(`${fingerprint}-`))
      for (const name of stale) await rm(join(directory, name), { force: true })
    }).pipe(Effect.ignore)
  }
}
