// Test table store in memory: a sorted map that survives a restart of the role, whose writes a test can make fail.

import { Effect, Option } from "effect"
import { type TableStore, TableStoreError } from "../../src/roles/services/table-store.ts"

export interface MemoryTables extends TableStore {
  /** While it is set, every write fails. */
  failing: boolean
  readonly rows: (table: string) => ReadonlyArray<string>
}

export const makeMemoryTables = (): MemoryTables => {
  const tables = new Map<string, Map<string, string>>()
  const tableOf = (name: string): Map<string, string> => {
    let table = tables.get(name)
    if (table === undefined) {
      table = new Map()
      tables.set(name, table)
    }
    return table
  }
  const sortedKeys = (name: string) => [...tableOf(name).keys()].sort((a, b) => (a < b ? -1 : 1))
  const store: MemoryTables = {
    failing: false,
    rows: sortedKeys,
    get: (table, key) => Effect.sync(() => Option.fromUndefinedOr(tableOf(table).get(key))),
    write: (writes) =>
      Effect.suspend(() => {
        if (store.failing) {
          return Effect.fail(new TableStoreError({ message: "told to fail" }))
        }
        for (const write of writes) {
          if (write.tag === "Put") tableOf(write.table).set(write.key, write.value)
          else tableOf(write.table).delete(write.key)
        }
        return Effect.void
      }),
    scan: (table, { prefix, after, limit }) =>
      Effect.sync(() =>
        sortedKeys(table)
          .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
          .slice(0, limit)
          .map((key) => ({ key, value: tableOf(table).get(key)! }))
      )
  }
  return store
}
