// Reads a table page by page, in key order, so that no more than a page is in memory at a time.
//
// Invariant: every row that is there from the beginning to the end of the walk is visited once. A visit may delete rows
// of its page; rows that others write meanwhile are visited if their key comes after the last page.

import { Effect } from "effect"
import type { TableRow, TableStore, TableStoreError } from "./table-store.ts"

export interface TablePages {
  /** Only keys that begin with this. All keys when absent. */
  readonly prefix?: string
  /** Rows per page. */
  readonly limit: number
}

/** Visits each page of the table, one after the other. A table without rows has one empty page. */
export const forEachPage = <E, R>(
  tables: TableStore,
  table: string,
  { prefix = "", limit }: TablePages,
  visit: (rows: ReadonlyArray<TableRow>) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | TableStoreError, R> =>
  Effect.gen(function* () {
    let after: string | undefined
    for (;;) {
      const rows = yield* tables.scan(table, { prefix, limit, ...(after === undefined ? {} : { after }) })
      yield* visit(rows)
      if (rows.length < limit) return
      after = rows.at(-1)?.key
    }
  })
