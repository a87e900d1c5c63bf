// The scope of `shoal preheat` is all agents, those of a zone, or a number of them. Any other text is refused, so that
// a misspelt scope never becomes another one.

import { expect, test } from "vitest"
import { parseScope } from "./preheat.ts"

test("a scope is all, a zone or a count", () => {
  expect(parseScope("all")).toEqual({ kind: "all" })
  expect(parseScope("zone:rack-1")).toEqual({ kind: "zone", zone: "rack-1" })
  expect(parseScope("count:12")).toEqual({ kind: "count", count: 12 })
  for (const text of ["", "zone", "zone:", "count:0", "count:x", "count:-1", "everything"]) {
    expect(parseScope(text)).toBeUndefined()
  }
})
