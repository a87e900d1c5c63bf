// Walks over a table in pages: every row once, in key order, under a prefix, while rows are deleted on the way.

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { forEachPage } from "./table-pages.ts"
import type { TableStore } from "./table-store.ts"

const filled = (keys: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const tables: TableStore = makeMemoryTables()
    yield* tables.write(keys.map((key) => ({ tag: "Put", table: "t", key, value: `of ${key}` }) as const))
    return tables
  })

const pagesOf = (tables: TableStore, pages: { readonly prefix?: string; readonly limit: number }) =>
  Effect.gen(function* () {
    const seen: Array<ReadonlyArray<string>> = []
    yield* forEachPage(tables, "t", pages, (rows) => Effect.sync(() => seen.push(rows.map(({ key }) => key))))
    return seen
  })

describe("pages of a table", () => {
  it.effect("hold every row once, in key order, at most the limit in each", () =>
    Effect.gen(function* () {
      const tables = yield* filled(["c", "a", "e", "b", "d"])
      assert.deepStrictEqual(yield* pagesOf(tables, { limit: 2 }), [["a", "b"], ["c", "d"], ["e"]])
    })
  )

  it.effect("end with an empty one when the last full page was the end", () =>
    Effect.gen(function* () {
      const tables = yield* filled(["a", "b"])
      assert.deepStrictEqual(yield* pagesOf(tables, { limit: 2 }), [["a", "b"], []])
      assert.deepStrictEqual(yield* pagesOf(yield* filled([]), { limit: 2 }), [[]])
    })
  )

  it.effect("hold only keys under the prefix", () =>
    Effect.gen(function* () {
      const tables = yield* filled(["a", "b 1", "b 2", "b 3", "c"])
      assert.deepStrictEqual(yield* pagesOf(tables, { prefix: "b ", limit: 2 }), [["b 1", "b 2"], ["b 3"]])
    })
  )

  it.effect("skip nothing when a visit deletes its rows", () =>
    Effect.gen(function* () {
      const tables = yield* filled(["a", "b", "c", "d", "e"])
      yield* forEachPage(tables, "t", { limit: 2 }, (rows) =>
        tables.write(rows.map(({ key }) => ({ tag: "Delete", table: "t", key }) as const))
      )
      assert.deepStrictEqual(yield* tables.scan("t", { prefix: "", limit: 10 }), [])
    })
  )
})
