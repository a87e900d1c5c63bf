// Tables that another process locks, and tables when the power goes in the middle of a write: what was acknowledged
// stands, and a write is there whole or not at all, whether the log is torn or the checkpoint. Contracts that all table
// stores keep are in stores.test.ts.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { afterEach, describe, expect, vi } from "vitest"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { coinFlips } from "../../../testing/runtime-net/torn-content.ts"
import {
  readTableFiles,
  restoreTableFiles,
  tornTableFiles
} from "../../../testing/runtime-net/torn-tables.ts"
import type { TableStore, TableWrite } from "../../roles/services/table-store.ts"
import { TableLimits } from "./limits.ts"
import { openSqliteTableStore } from "./sqlite-table-store.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-tables-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

afterEach(() => {
  vi.restoreAllMocks()
})

/**
 * Write number `index`: of the same three rows now and then, large enough that logs are checkpointed and begun anew.
 */
const writeOf = (index: number): ReadonlyArray<TableWrite> =>
  [0, 1, 2].map((row) => {
    const key = `${row}-${index % 7}`
    return index % 5 === 4 && row === 1
      ? { tag: "Delete", table: "tags", key }
      : { tag: "Put", table: "tags", key, value: `${index} `.repeat(6_000) }
  })

const rowsOf = (store: TableStore) =>
  Effect.map(
    store.scan("tags", { prefix: "", limit: 1_000 }),
    (rows) => new Map(rows.map(({ key, value }) => [key, value.split(" ", 1)[0]]))
  )

describe("tables that another process locks", () => {
  it.live("are waited for during tableLockPatience, and then the write fails", () =>
    Effect.gen(function* () {
      const opened = vi.spyOn(DatabaseSync.prototype, "exec")
      const folder = yield* temporaryFolder
      const store = yield* withLimits(openSqliteTableStore(folder), TableLimits, { tableLockPatience: 1000 })
      const [database] = opened.mock.contexts
      if (!(database instanceof DatabaseSync)) throw new Error("no database was opened")
      expect(Object.values(database.prepare("PRAGMA busy_timeout").get()!)).toEqual([1])
      const other = new DatabaseSync(join(folder, "tables.sqlite"))
      other.exec("BEGIN IMMEDIATE")
      const refused = yield* Effect.flip(store.write(writeOf(0)))
      expect(refused.message).toMatch(/locked/)
      other.close()
      yield* store.write(writeOf(0))
    }).pipe(Effect.scoped)
  )
})

describe("tables when the power goes", () => {
  it.live("a commit is asked to reach the medium before it counts", () =>
    Effect.gen(function* () {
      const opened = vi.spyOn(DatabaseSync.prototype, "exec")
      yield* openSqliteTableStore(yield* temporaryFolder)
      const [database] = opened.mock.contexts
      if (!(database instanceof DatabaseSync)) throw new Error("no database was opened")
      const setting = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0]
      expect({
        journal: setting("journal_mode"),
        // FULL: the log is synced at every commit, not only at checkpoints.
        synchronous: setting("synchronous"),
        // Where a plain sync leaves bytes in the drive's memory, as on macOS.
        fullfsync: setting("fullfsync"),
        checkpoints: setting("checkpoint_fullfsync")
      }).toEqual({ journal: "wal", synchronous: 2, fullfsync: 1, checkpoints: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("a write is there whole or not at all, and those before it are", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* openSqliteTableStore(folder)
      let checkpoints = 0
      let begunAnew = 0
      let undone = 0
      let before = readTableFiles(folder)
      let rowsBefore = yield* rowsOf(store)
      for (let index = 0; index < 120; index++) {
        yield* store.write(writeOf(index))
        const after = readTableFiles(folder)
        const rowsAfter = yield* rowsOf(store)
        const checkpoint = Buffer.compare(before.table, after.table) !== 0
        const anew =
          before.log.length > 32 &&
          Buffer.compare(before.log.subarray(0, 32), after.log.subarray(0, 32)) !== 0
        if (checkpoint) checkpoints++
        if (anew) begunAnew++
        const draws = checkpoint || anew ? 12 : index % 10 === 0 ? 2 : 0
        for (let draw = 0; draw < draws; draw++) {
          const left = yield* temporaryFolder
          restoreTableFiles(left, tornTableFiles(before, after, coinFlips(index * 100 + draw)))
          const found = yield* Effect.scoped(Effect.flatMap(openSqliteTableStore(left), rowsOf))
          const expected = found.get(`0-${index % 7}`) === `${index}` ? rowsAfter : rowsBefore
          expect(found, `write ${index}, draw ${draw}`).toEqual(expected)
          if (expected === rowsBefore) undone++
        }
        before = after
        rowsBefore = rowsAfter
      }
      // The cases that matter were met.
      expect(Math.min(checkpoints, begunAnew)).toBeGreaterThanOrEqual(2)
      expect(undone).toBeGreaterThan(10)
    }).pipe(Effect.scoped)
  )
})
