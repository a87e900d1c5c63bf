// Tables of text in SQLite: one file, one row per key, a write-ahead log, and a sync at every commit, so that a
// successful write survives a crash. The text encoding is UTF-16BE, because SQLite compares text byte by byte and this
// gives the order of UTF-16 code units that the contract asks for. Calls are synchronous and short.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { Effect, Option, type Scope } from "effect"
import { type TableRow, type TableStore, TableStoreError } from "../../roles/services/table-store.ts"
import { TableLimits } from "./limits.ts"

const tableFile = "tables.sqlite"

/** SQLite cannot store half of a surrogate pair: two different keys could become one. */
const illFormed = /\p{Surrogate}/u

/**
 * Opens the tables of a folder and creates both if they do not exist. `closed` is called before every write and returns
 * the reason why nothing may be written any more.
 */
export const openSqliteTableStore = (
  folder: string,
  closed: () => string | undefined = () => undefined
): Effect.Effect<TableStore, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const limits = yield* TableLimits
    const database = yield* Effect.acquireRelease(
      attempt(folder, "open", () => openDatabase(folder, limits)),
      (opened) => Effect.sync(() => opened.close())
    )
    return tableStoreOf(database, closed)
  })

const openDatabase = (folder: string, { tableLockPatience }: TableLimits): DatabaseSync => {
  mkdirSync(folder, { recursive: true })
  const database = new DatabaseSync(join(folder, tableFile), { timeout: tableLockPatience / 1000 })
  try {
    database.exec("PRAGMA encoding = 'UTF-16be'")
    database.exec("PRAGMA journal_mode = WAL")
    database.exec("PRAGMA synchronous = FULL")
    // On macOS a plain sync leaves bytes in the memory of the drive; Node's own sync does not. Elsewhere these change
    // nothing.
    database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
    database.exec(
      "CREATE TABLE IF NOT EXISTS rows (" +
        '"table" TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("table", key)' +
        ") STRICT, WITHOUT ROWID"
    )
  } catch (cause) {
    database.close()
    throw cause
  }
  return database
}

const tableStoreOf = (database: DatabaseSync, closed: () => string | undefined): TableStore => {
  const select = database.prepare('SELECT value FROM rows WHERE "table" = ? AND key = ?')
  const put = database.prepare(
    'INSERT INTO rows ("table", key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'
  )
  const remove = database.prepare('DELETE FROM rows WHERE "table" = ? AND key = ?')
  const from = database.prepare('SELECT key, value FROM rows WHERE "table" = ? AND key >= ? ORDER BY key')
  const after = database.prepare('SELECT key, value FROM rows WHERE "table" = ? AND key > ? ORDER BY key')

  const rowsFrom = (
    statement: StatementSync,
    table: string,
    start: string,
    prefix: string,
    limit: number
  ): ReadonlyArray<TableRow> => {
    const rows: Array<TableRow> = []
    if (limit <= 0) return rows
    for (const row of statement.iterate(table, start)) {
      const key = String(row.key)
      if (!key.startsWith(prefix)) break
      rows.push({ key, value: String(row.value) })
      if (rows.length === limit) break
    }
    return rows
  }

  return {
    get: (table, key) =>
      attempt(table, "read", () => {
        const row = illFormed.test(key) ? undefined : select.get(table, key)
        return row === undefined ? Option.none() : Option.some(String(row.value))
      }),
    write: (writes) =>
      attempt(writes[0]?.table ?? "", "write", () => {
        const refused = closed()
        if (refused !== undefined) throw new Error(refused)
        for (const { table, key } of writes) {
          if (illFormed.test(table) || illFormed.test(key))
            throw new Error("a key is not well-formed Unicode")
        }
        database.exec("BEGIN IMMEDIATE")
        try {
          for (const write of writes) {
            if (write.tag === "Put") put.run(write.table, write.key, write.value)
            else remove.run(write.table, write.key)
          }
          database.exec("COMMIT")
        } catch (cause) {
          if (database.isTransaction) database.exec("ROLLBACK")
          throw cause
        }
      }),
    scan: (table, options) =>
      attempt(table, "scan", () =>
        options.after !== undefined && options.after >= options.prefix
          ? rowsFrom(after, table, options.after, options.prefix, options.limit)
          : rowsFrom(from, table, options.prefix, options.prefix, options.limit)
      )
  }
}

const attempt = <A>(table: string, operation: string, run: () => A): Effect.Effect<A, TableStoreError> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      new TableStoreError({
        message: `cannot ${operation} ${table} (${tableFile}): ${cause instanceof Error ? cause.message : cause}`
      })
  })
