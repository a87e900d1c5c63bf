// Tests of pages: how `n` and `last` are read, and when a page links to the next one.

import { describe, expect, it } from "vitest"
import { cutPage, parsePage, singleParameter } from "./listing.ts"
import { OciError } from "./oci-error.ts"

const sizes = { defaultPageSize: 3, maxPageSize: 10 }

describe("a page", () => {
  it.each([
    [{}, { count: 3, last: undefined }],
    [{ n: "0" }, { count: 0, last: undefined }],
    [
      { n: "10", last: "b" },
      { count: 10, last: "b" }
    ],
    [{ n: "11" }, { count: 10, last: undefined }],
    [
      { n: ["2", "4"], last: ["x", "y"] },
      { count: 2, last: "x" }
    ],
    [{ n: "9".repeat(400) }, { count: 10, last: undefined }]
  ])("is read from the query %j", (query, page) => {
    expect(parsePage(query, sizes)).toEqual(page)
  })

  it.each(["-1", "1.5", "", "ten", "1 ", " 1", "0x10", "+1"])("is refused if n is %j", (n) => {
    const refused = parsePage({ n }, sizes)
    expect(refused).toBeInstanceOf(OciError)
    expect(refused).toMatchObject({ code: "PAGINATION_NUMBER_INVALID", status: 400 })
  })

  it("is refused with at most 40 characters of n in the message", () => {
    expect((parsePage({ n: `${"9".repeat(40)}x` }, sizes) as OciError).message).toContain(
      `"${"9".repeat(40)}"`
    )
  })

  it("links to the next page if there is a further entry", () => {
    const page = { count: 2, last: undefined }
    expect(cutPage("/v2/a/tags/list", page, ["a", "b/c", "d"])).toEqual({
      entries: ["a", "b/c"],
      headers: { link: '</v2/a/tags/list?n=2&last=b%2Fc>; rel="next"' }
    })
    expect(cutPage("/v2/a/tags/list", page, ["a", "b"])).toEqual({ entries: ["a", "b"], headers: {} })
    expect(cutPage("/v2/a/tags/list", page, [])).toEqual({ entries: [], headers: {} })
    expect(cutPage("/v2/a/tags/list", { ...page, count: 0 }, ["a"])).toEqual({ entries: [], headers: {} })
  })
})

describe("a query parameter", () => {
  it("has its first value", () => {
    expect([undefined, "a", ["a", "b"], []].map(singleParameter)).toEqual([undefined, "a", "a", undefined])
  })
})
