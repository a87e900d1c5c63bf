// Decides how tables live on a simulated disk: maps that survive a kill. A write is applied and acknowledged at one
// instant, after the commit delay, so that a process killed before has written nothing of it.

import { Effect, Option } from "effect"
import { TableStoreError, type TableStore, type TableWrite } from "../roles/services/table-store.ts"
import type { SimFolder } from "./sim-disk.ts"
import type { StorageSession } from "./storage-session.ts"

export const makeSimTableStore = (session: StorageSession, folder: SimFolder): TableStore => {
  const { process, disk } = session

  const fenced = (table: string, operation: string): TableStoreError =>
    new TableStoreError({
      table,
      operation,
      message: `cannot ${operation} table ${table} on ${process.name}: the host was stopped`
    })

  const whenAlive = <A>(table: string, operation: string, body: () => A): Effect.Effect<A, TableStoreError> =>
    Effect.suspend(() => (process.alive ? Effect.succeed(body()) : Effect.fail(fenced(table, operation))))

  const apply = (write: TableWrite): void => {
    let rows = folder.tables.get(write.table)
    if (rows === undefined) {
      rows = new Map()
      folder.tables.set(write.table, rows)
    }
    if (write.tag === "Put") rows.set(write.key, write.value)
    else rows.delete(write.key)
  }

  return {
    get: (table, key) =>
      whenAlive(table, "read", () => Option.fromUndefinedOr(folder.tables.get(table)?.get(key))),
    write: (writes) =>
      Effect.suspend(() => session.until(process.kernel.now + disk.options.commitDelay, "write")).pipe(
        Effect.mapError(() => fenced(writes[0]?.table ?? "", "write")),
        Effect.andThen(
          Effect.sync(() => {
            for (const write of writes) apply(write)
          })
        ),
        Effect.uninterruptible
      ),
    scan: (table, { prefix, after, limit }) =>
      whenAlive(table, "scan", () => {
        const rows = folder.tables.get(table)
        if (rows === undefined) return []
        const keys = Array.from(rows.keys()).filter(
          (key) => key.startsWith(prefix) && (after === undefined || key > after)
        )
        keys.sort((first, second) => (first < second ? -1 : 1))
        return keys.slice(0, limit).map((key) => ({ key, value: rows.get(key)! }))
      })
  }
}
