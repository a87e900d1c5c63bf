// Tests of conditional headers: which of them name the content, with weak and strong comparison.

import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { allowsRange, entityTag, failsIfMatch, matchesEntityTag } from "./entity-tag.ts"

const digest = `sha256:${"a".repeat(64)}` as Digest
const other = `"sha256:${"b".repeat(64)}"`

describe("conditional headers", () => {
  it.each([
    ["absent", undefined, { matches: false, fails: false, ranges: true }],
    ["the tag", `"${digest}"`, { matches: true, fails: false, ranges: true }],
    ["the tag between spaces", ` "${digest}" `, { matches: true, fails: false, ranges: true }],
    ["the digest without quotes", digest, { matches: true, fails: false, ranges: false }],
    ["a weak tag", `W/"${digest}"`, { matches: true, fails: true, ranges: false }],
    ["a weak tag within a text", `xW/"${digest}"`, { matches: false, fails: true, ranges: false }],
    ["another tag", other, { matches: false, fails: true, ranges: false }],
    ["any tag", "*", { matches: true, fails: false, ranges: false }],
    ["a list with the tag", `${other}, W/"${digest}"`, { matches: true, fails: true, ranges: false }],
    ["a list with the strong tag", `${other} ,"${digest}"`, { matches: true, fails: false, ranges: false }],
    ["a date", "Wed, 21 Oct 2026 07:28:00 GMT", { matches: false, fails: true, ranges: false }],
    ["nothing", "", { matches: false, fails: true, ranges: false }]
  ])("with %s", (_, header, expected) => {
    expect({
      matches: matchesEntityTag(header, digest),
      fails: failsIfMatch(header, digest),
      ranges: allowsRange(header, digest)
    }).toEqual(expected)
  })

  it("have the digest in quotes as the tag", () => {
    expect(entityTag(digest)).toBe(`"${digest}"`)
  })
})
