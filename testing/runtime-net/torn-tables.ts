// The possible remains of a folder's tables after a power cut. SQLite itself cannot run on a disk in memory, so its
// real files are copied before and after a write, and mixed as the barriers between its changes allow:
//
//   pages into the table file (if the log is long) --sync--> header of the log away --sync--> frames into the log
//   --sync--> acknowledged
//
// so either the table file is torn and the log old, or the table file is new and the log torn. Other tests check that
// the syncs happen: sqlite-table-store.test.ts tears the files at each of them, test/processes/power-cut.long.test.ts
// cuts off a real file system. Tests only.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { tornContent } from "./torn-content.ts"

/** The table file, and the log beside it. The third file is memory that processes share. */
export interface TableFiles {
  readonly table: Uint8Array
  readonly log: Uint8Array
}

const names = { table: "tables.sqlite", log: "tables.sqlite-wal" } as const
const nothing = new Uint8Array(0)

const contentOf = (path: string): Uint8Array => (existsSync(path) ? readFileSync(path) : nothing)

export const readTableFiles = (folder: string): TableFiles => ({
  table: contentOf(join(folder, names.table)),
  log: contentOf(join(folder, names.log))
})

/** Replaces the files of closed tables. Empty files become absent. */
export const restoreTableFiles = (folder: string, files: TableFiles): void => {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) if (name.startsWith(names.table)) rmSync(join(folder, name))
  for (const kind of ["table", "log"] as const) {
    if (files[kind].length > 0) writeFileSync(join(folder, names[kind]), files[kind])
  }
}

/** Possible remains when the power fails between the two, which are before a write and after it. */
export const tornTableFiles = (before: TableFiles, after: TableFiles, keeps: () => boolean): TableFiles => {
  if (Buffer.compare(before.table, after.table) === 0)
    return { table: before.table, log: tornContent(before.log, after.log, keeps) }
  const headless = before.log.slice()
  headless.fill(0, 0, 32)
  return keeps()
    ? { table: tornContent(before.table, after.table, keeps), log: before.log }
    : { table: after.table, log: tornContent(headless, after.log, keeps) }
}
