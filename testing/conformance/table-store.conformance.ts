// Conformance of table stores: rows belong to their table, scans are in the order of UTF-16 code units, the writes of
// a call are applied together or not at all, and all rows survive a kill.

import { Effect, Option } from "effect"
import type { TableStore, TableWrite } from "../../src/roles/services/table-store.ts"
import { type ConformanceCase, conformanceCase, expectThat, type StoragePlace } from "./conformance.ts"

const openTables = (place: StoragePlace) =>
  Effect.flatMap(place.start, (storage) => storage.tables("tables-under-test"))

const put = (table: string, key: string, value: string): TableWrite => ({ tag: "Put", table, key, value })
const remove = (table: string, key: string): TableWrite => ({ tag: "Delete", table, key })

const expectValue = Effect.fnUntraced(function* (
  tables: TableStore,
  table: string,
  key: string,
  value: string | undefined
) {
  const found = Option.getOrUndefined(yield* tables.get(table, key))
  yield* expectThat(
    found === value,
    `${table}/${JSON.stringify(key)} is ${JSON.stringify(found)}, not ${value}`
  )
})

const rows = conformanceCase("rows are put, replaced and deleted in their own table", (place) =>
  Effect.gen(function* () {
    const tables = yield* openTables(place)
    yield* expectValue(tables, "tags", "a", undefined)
    yield* tables.write([put("tags", "a", "1"), put("other", "a", "2"), put("tags", "", "empty key")])
    yield* expectValue(tables, "tags", "a", "1")
    yield* expectValue(tables, "other", "a", "2")
    yield* expectValue(tables, "tags", "", "empty key")
    yield* tables.write([put("tags", "a", ""), remove("other", "a"), remove("other", "never there")])
    yield* expectValue(tables, "tags", "a", "")
    yield* expectValue(tables, "other", "a", undefined)
    yield* tables.write([
      put("tags", "x", "1"),
      remove("tags", "x"),
      put("tags", "y", "1"),
      put("tags", "y", "2")
    ])
    yield* expectValue(tables, "tags", "x", undefined)
    yield* expectValue(tables, "tags", "y", "2")
    yield* tables.write([])
  })
)

/** Keys whose order differs between UTF-8, UTF-16, code points and collations. */
const awkwardKeys = [
  "",
  "A",
  "B",
  "a",
  "a\u0000",
  "a\u0001",
  "a/b",
  "a0",
  "aa",
  "b",
  "z",
  "é",
  "\ud83d\ude00",
  "\uffee"
]

const order = conformanceCase("a scan goes in the order of UTF-16 code units", (place) =>
  Effect.gen(function* () {
    const tables = yield* openTables(place)
    yield* tables.write([...awkwardKeys].reverse().map((key, index) => put("keys", key, String(index))))
    const sorted = [...awkwardKeys].sort((one, other) => (one < other ? -1 : 1))
    const scan = (options: { prefix: string; after?: string; limit: number }) =>
      Effect.map(tables.scan("keys", options), (found) => found.map((row) => row.key))
    const expectKeys = (found: ReadonlyArray<string>, expected: ReadonlyArray<string>) =>
      expectThat(
        JSON.stringify(found) === JSON.stringify(expected),
        `scanned ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`
      )
    yield* expectKeys(yield* scan({ prefix: "", limit: 100 }), sorted)
    yield* expectKeys(yield* scan({ prefix: "", limit: 3 }), sorted.slice(0, 3))
    yield* expectKeys(yield* scan({ prefix: "", limit: 0 }), [])
    yield* expectKeys(
      yield* scan({ prefix: "a", limit: 100 }),
      sorted.filter((key) => key.startsWith("a"))
    )
    yield* expectKeys(yield* scan({ prefix: "nothing", limit: 100 }), [])
    for (const after of ["", "a", "a\u0000", "aa", "b", "between", "\uffff"]) {
      yield* expectKeys(
        yield* scan({ prefix: "", after, limit: 100 }),
        sorted.filter((key) => key > after)
      )
      yield* expectKeys(
        yield* scan({ prefix: "a", after, limit: 2 }),
        sorted.filter((key) => key.startsWith("a") && key > after).slice(0, 2)
      )
    }
  })
)

const survivesKill = conformanceCase("written rows survive a kill", (place) =>
  Effect.gen(function* () {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const tables = yield* openTables(place)
        yield* tables.write([put("tags", "kept", "1"), put("tags", "deleted", "1")])
        yield* tables.write([remove("tags", "deleted"), put("tags", "large", "x".repeat(100_000))])
        yield* place.kill
      })
    )
    const tables = yield* openTables(place)
    yield* expectValue(tables, "tags", "kept", "1")
    yield* expectValue(tables, "tags", "deleted", undefined)
    yield* expectValue(tables, "tags", "large", "x".repeat(100_000))
  })
)

export const tableStoreConformance: ReadonlyArray<ConformanceCase> = [rows, order, survivesKill]
