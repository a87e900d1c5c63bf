// Tables of text in SQLite: one file, one row per key and a write-ahead log. A write is answered once it is synced, and
// shares its sync with others (group-commit.ts), so that neither it nor a slow disk stops this thread. Reads see what
// is synced and nothing else (table-database.ts).

import { join } from "node:path"
import { Effect, Option, type Scope } from "effect"
import { type TableStore, TableStoreError, type TableWrite } from "../../roles/services/table-store.ts"
import { type DiskDone, nodeDisk } from "../store/disk.ts"
import { type GroupCommit, makeGroupCommit, type TableDisk } from "./group-commit.ts"
import { TableLimits } from "./limits.ts"
import { logFile, openTableDatabase, type TableDatabase, tableFile } from "./table-database.ts"

/** SQLite cannot store half of a surrogate pair: two different keys could become one. */
const illFormed = /\p{Surrogate}/u

/**
 * Opens the tables of a folder and creates both if they do not exist. `closed` is called before every write and returns
 * the reason why nothing may be written any more. SQLite uses the disks of this machine; `disk` syncs its files.
 */
export const openSqliteTableStore = (
  folder: string,
  closed: () => string | undefined = () => undefined,
  disk: TableDisk = nodeDisk
): Effect.Effect<TableStore, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const limits = yield* TableLimits
    const opened = yield* Effect.acquireRelease(
      open(folder, closed, disk, limits),
      ({ database, commits, files }) =>
        Effect.callback<void>((resume) =>
          commits.end((broken) => {
            // A file that is closed takes SQLite's locks on it along, so these come last.
            database.close(broken)
            nodeDisk.close(files.log, () => nodeDisk.close(files.table, () => resume(Effect.void)))
          })
        )
    )
    return tableStoreOf(opened.database, opened.commits)
  })

interface OpenTables {
  readonly database: TableDatabase
  readonly commits: GroupCommit
  readonly files: { readonly log: number; readonly table: number }
}

const open = Effect.fnUntraced(function* (
  folder: string,
  closed: () => string | undefined,
  disk: TableDisk,
  limits: TableLimits
): Effect.fn.Return<OpenTables, TableStoreError> {
  const database = yield* attempt(folder, "open", () => openTableDatabase(folder, limits))
  const openFile = (name: string) =>
    called<number>(folder, "open", (done) => nodeDisk.open(join(folder, name), "update", done))
  const log = yield* openFile(logFile)
  const table = yield* openFile(tableFile)
  const files = { folder, log, table }
  return { database, files, commits: makeGroupCommit(database, disk, files, closed, limits) }
})

const tableStoreOf = (database: TableDatabase, commits: GroupCommit): TableStore => ({
  get: (table, key) =>
    attempt(table, "read", () =>
      illFormed.test(key) ? Option.none() : Option.fromUndefinedOr(database.get(table, key))
    ),
  write: (writes) =>
    called(writes[0]?.table ?? "", "write", (done) =>
      hasIllFormed(writes)
        ? done(new Error("a key is not well-formed Unicode"), undefined)
        : commits.write(writes, (problem) => done(problem as Error | null, undefined))
    ),
  scan: (table, { prefix, after, limit }) =>
    attempt(table, "scan", () =>
      after !== undefined && after >= prefix
        ? database.rows(table, { start: after, exclusive: true }, prefix, limit)
        : database.rows(table, { start: prefix, exclusive: false }, prefix, limit)
    )
})

const hasIllFormed = (writes: ReadonlyArray<TableWrite>): boolean =>
  writes.some(({ table, key }) => illFormed.test(table) || illFormed.test(key))

const failed = (table: string, operation: string, cause: unknown): TableStoreError =>
  new TableStoreError({
    message: `cannot ${operation} ${table} (${tableFile}): ${cause instanceof Error ? cause.message : cause}`
  })

const attempt = <A>(table: string, operation: string, run: () => A): Effect.Effect<A, TableStoreError> =>
  Effect.try({ try: run, catch: (cause) => failed(table, operation, cause) })

const called = <A>(
  table: string,
  operation: string,
  start: (done: DiskDone<A>) => void
): Effect.Effect<A, TableStoreError> =>
  Effect.callback<A, TableStoreError>((resume) =>
    start((error, value) =>
      resume(
        error === null || error === undefined
          ? Effect.succeed(value)
          : Effect.fail(failed(table, operation, error))
      )
    )
  ).pipe(Effect.uninterruptible)
