// Finished cells on disk, so that an interrupted run can continue. Each outcome is a file of its own, named by the
// fingerprint of the sources that measured it and a hash of the cell's input. Invariants: outcomes of other sources are
// never used, and are deleted when the experiment runs next; a file that cannot be read counts as absent.

import { createHash } from "node:crypto"
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { makeFolder } from "../report/make-folder.ts"
import { ReportUnwritable } from "../report/report-files.ts"
import type { Cell, CellOutcome } from "./experiment.ts"

export interface CellStore {
  readonly find: (cell: Cell<unknown>) => Effect.Effect<CellOutcome | undefined>
  readonly keep: (cell: Cell<unknown>, outcome: CellOutcome) => Effect.Effect<void, ReportUnwritable>
  /** Deletes the outcomes of other sources. */
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

/** Makes a store in the folder of one experiment. The folder is created with the first cell. */
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
    makeFolder(directory)
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
              message: `a finished run cannot be kept in ${directory}: ${String(cause)}; make the folder writable`
            })
        })
      ),
    deleteStale: Effect.tryPromise(async () => {
      const stale = (await readdir(directory)).filter((name) => !name.startsWith(`${fingerprint}-`))
      for (const name of stale) await rm(join(directory, name), { force: true })
    }).pipe(Effect.ignore)
  }
}
