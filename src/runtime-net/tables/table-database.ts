// The tables of a folder as SQLite sees them: one connection that writes and one that reads. SQLite itself does not
// sync what this process commits, because it would hold up the thread; group-commit.ts does it instead. The text
// encoding is UTF-16BE, because SQLite compares text byte by byte and this gives the order of UTF-16 code units that
// the contract of a table store asks for. Calls are synchronous and short, and throw what SQLite throws.
//
// Invariants: opening syncs what an earlier process left in the log. While the reader is pinned it sees no later
// commit. SQLite's own syncs are left out in two places only: where the caller syncs the table file next, and for the
// first frames of a log without a header, since no header of earlier frames can be taken for theirs.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import type { TableRow, TableWrite } from "../../roles/services/table-store.ts"
import type { TableLimits } from "./limits.ts"

export const tableFile = "tables.sqlite"
export const logFile = `${tableFile}-wal`

export interface TableDatabase {
  readonly get: (table: string, key: string) => string | undefined
  /** Rows from `start` on, or only those after it, as long as their key begins with `prefix`. */
  readonly rows: (
    table: string,
    from: { readonly start: string; readonly exclusive: boolean },
    prefix: string,
    limit: number
  ) => ReadonlyArray<TableRow>
  /** Until `unpin`, reads do not see what is committed from now on. */
  readonly pin: () => void
  readonly unpin: () => void
  /** Begins a transaction. */
  readonly begin: () => void
  /** Applies the writes or none. When it throws and `isOpen` is false, the whole transaction is undone. */
  readonly apply: (writes: ReadonlyArray<TableWrite>) => void
  readonly isOpen: () => boolean
  /**
   * The commit is in the log, and not synced. When it throws, the transaction is undone. It returns what makes a sync
   * useless: its frames follow others in a log without a header.
   */
  readonly commit: () => Error | undefined
  /** Pages of the log that are not copied into the table file. */
  readonly uncopiedPages: () => number
  /** Copies the log into the table file as far as no other process reads it, and syncs nothing. */
  readonly copyLog: () => void
  /**
   * Once the copy is synced: the next frames go over the earlier ones, so the caller takes the header away durably
   * first. Returns false if other processes are in the way.
   */
  readonly restartLog: () => boolean
  /** Syncs everything and closes; with `leaveLog` nothing is copied any more, and the next opening does it. */
  readonly close: (leaveLog: boolean) => void
}

export const openTableDatabase = (folder: string, { tableLockPatience }: TableLimits): TableDatabase => {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, tableFile)
  const timeout = tableLockPatience / 1000
  const writer = new DatabaseSync(path, { timeout })
  let reader: DatabaseSync | undefined
  try {
    prepareFile(writer)
    reader = new DatabaseSync(path, { timeout, readOnly: true })
    return databaseOf(writer, reader, timeout)
  } catch (cause) {
    reader?.close()
    writer.close()
    throw cause
  }
}

const prepareFile = (writer: DatabaseSync): void => {
  writer.exec("PRAGMA encoding = 'UTF-16be'")
  writer.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
  writer.exec("PRAGMA synchronous = FULL")
  // What a savepoint needs to undo stays in memory, not in a file in the system's folder.
  writer.exec("PRAGMA temp_store = MEMORY")
  // On macOS a plain sync leaves bytes in the memory of the drive; Node's own sync does not. Elsewhere these change
  // nothing.
  writer.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
  writer.exec(
    "CREATE TABLE IF NOT EXISTS rows (" +
      '"table" TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("table", key)' +
      ") STRICT, WITHOUT ROWID"
  )
}

const databaseOf = (writer: DatabaseSync, reader: DatabaseSync, timeout: number): TableDatabase => {
  const select = reader.prepare('SELECT value FROM rows WHERE "table" = ? AND key = ?')
  const from = reader.prepare('SELECT key, value FROM rows WHERE "table" = ? AND key >= ? ORDER BY key')
  const after = reader.prepare('SELECT key, value FROM rows WHERE "table" = ? AND key > ? ORDER BY key')
  const snapshot = reader.prepare("SELECT 1 FROM rows LIMIT 1")
  const put = writer.prepare(
    'INSERT INTO rows ("table", key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'
  )
  const remove = writer.prepare('DELETE FROM rows WHERE "table" = ? AND key = ?')

  /** FULL: SQLite syncs each commit. NORMAL: only what must not be reordered. OFF: nothing. */
  let level = "FULL"
  const syncing = (wanted: "FULL" | "NORMAL" | "OFF"): void => {
    if (level === wanted) return
    writer.exec(`PRAGMA synchronous = ${wanted}`)
    level = wanted
  }

  const countPages = writer.prepare("PRAGMA wal_checkpoint(NOOP)")

  const logPages = (): { readonly all: number; readonly copied: number } => {
    const { log, checkpointed } = countPages.get() ?? {}
    return { all: Number(log), copied: Number(checkpointed) }
  }

  /** Whatever is not copied yet, such as a commit of another process, is copied here, and then it is synced as well. */
  const beginAnew = (how: "TRUNCATE" | "RESTART"): boolean => {
    syncing("FULL")
    writer.exec("PRAGMA busy_timeout = 0")
    const { busy } = writer.prepare(`PRAGMA wal_checkpoint(${how})`).get() ?? {}
    writer.exec(`PRAGMA busy_timeout = ${timeout}`)
    return busy === 0
  }
  let logIsEmpty = beginAnew("TRUNCATE")

  return {
    get: (table, key) => {
      const row = select.get(table, key)
      return row === undefined ? undefined : String(row.value)
    },
    rows: (table, { start, exclusive }, prefix, limit) =>
      rowsFrom(exclusive ? after : from, table, start, prefix, limit),
    pin: () => {
      reader.exec("BEGIN")
      snapshot.get()
    },
    unpin: () => {
      if (reader.isTransaction) reader.exec("COMMIT")
    },
    begin: () => {
      syncing(logIsEmpty ? "OFF" : "NORMAL")
      writer.exec("BEGIN IMMEDIATE")
    },
    apply: (writes) => {
      writer.exec("SAVEPOINT batch")
      try {
        for (const write of writes) {
          if (write.tag === "Put") put.run(write.table, write.key, write.value)
          else remove.run(write.table, write.key)
        }
      } catch (cause) {
        if (writer.isTransaction) writer.exec("ROLLBACK TO batch; RELEASE batch")
        throw cause
      }
      writer.exec("RELEASE batch")
    },
    isOpen: () => writer.isTransaction,
    commit: () => {
      try {
        writer.exec("COMMIT")
      } catch (cause) {
        if (writer.isTransaction) writer.exec("ROLLBACK")
        throw cause
      }
      if (!logIsEmpty) return undefined
      const { all, copied } = logPages()
      // All is copied while nothing is written: the first frames begin the log anew, and then nothing of it is copied.
      logIsEmpty = all === copied
      return logIsEmpty || copied === 0 ? undefined : new Error("the log was not begun anew")
    },
    uncopiedPages: () => {
      const { all, copied } = logPages()
      return all - copied
    },
    copyLog: () => {
      syncing("OFF")
      writer.exec("PRAGMA wal_checkpoint(PASSIVE)")
    },
    restartLog: () => {
      logIsEmpty = beginAnew("RESTART")
      return logIsEmpty
    },
    close: (leaveLog) => {
      // The last connection to close copies the log, unless it may only read.
      if (leaveLog) {
        writer.close()
        reader.close()
      } else {
        syncing("FULL")
        reader.close()
        writer.close()
      }
    }
  }
}

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
