// Tables on a simulated disk: maps that survive a kill. A write is applied and acknowledged in one instant, after the
// commit delay, so a process that is killed earlier has written nothing of it.

import { Effect, Option } from "effect"
import {
  type TableRow,
  type TableStore,
  TableStoreError,
  type TableWrite
} from "../../roles/services/table-store.ts"
import type { SimFolder } from "./sim-disk.ts"
import type { StorageSession } from "./storage-session.ts"

export class SimTableStore implements TableStore {
  readonly #session: StorageSession
  readonly #folder: SimFolder

  constructor(session: StorageSession, folder: SimFolder) {
    this.#session = session
    this.#folder = folder
  }

  get(table: string, key: string): Effect.Effect<Option.Option<string>, TableStoreError> {
    return this.#whenAlive(table, "read", () =>
      Option.fromUndefinedOr(this.#folder.tables?.get(table)?.get(key))
    )
  }

  write(writes: ReadonlyArray<TableWrite>): Effect.Effect<void, TableStoreError> {
    const session = this.#session
    const { process, disk } = session
    return Effect.suspend(() => session.until(process.kernel.now + disk.options.commitDelay, "write")).pipe(
      Effect.mapError(() => this.#fenced(writes[0]?.table ?? "", "write")),
      Effect.andThen(
        Effect.sync(() => {
          for (const write of writes) this.#apply(write)
        })
      ),
      Effect.uninterruptible
    )
  }

  scan(
    table: string,
    { prefix, after, limit }: { readonly prefix: string; readonly after?: string; readonly limit: number }
  ): Effect.Effect<ReadonlyArray<TableRow>, TableStoreError> {
    return this.#whenAlive(table, "scan", () => {
      const rows = this.#folder.tables?.get(table)
      if (rows === undefined) return []
      const keys = Array.from(rows.keys()).filter(
        (key) => key.startsWith(prefix) && (after === undefined || key > after)
      )
      keys.sort((first, second) => (first < second ? -1 : 1))
      return keys.slice(0, limit).map((key) => ({ key, value: rows.get(key)! }))
    })
  }

  #fenced(table: string, operation: string): TableStoreError {
    return new TableStoreError({
      message: `cannot ${operation} table ${table} on ${this.#session.process.name}: the host was stopped`
    })
  }

  #whenAlive<A>(table: string, operation: string, body: () => A): Effect.Effect<A, TableStoreError> {
    return Effect.suspend(() =>
      this.#session.process.alive ? Effect.succeed(body()) : Effect.fail(this.#fenced(table, operation))
    )
  }

  #apply(write: TableWrite): void {
    this.#folder.tables ??= new Map()
    const { tables } = this.#folder
    let rows = tables.get(write.table)
    if (rows === undefined) {
      rows = new Map()
      tables.set(write.table, rows)
    }
    if (write.tag === "Put") rows.set(write.key, write.value)
    else rows.delete(write.key)
  }
}
