// Tests of byte ranges in headers: the cases of the conformance suite, and the property that no range leaves the
// blob.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatContentRange, formatUploadRange, parseChunkRange, parseRange, wholeOf } from "./byte-range.ts"
import { ociLimits } from "./limits.ts"

describe("parseRange", () => {
  // Cases of the conformance suite over a blob of 2048 bytes, and headers of real clients.
  it.each([
    [undefined, 2048, "whole"],
    ["bytes=500-1499", 2048, "500-1500"],
    ["bytes=500-", 2048, "500-2048"],
    ["bytes=-500", 2048, "1548-2048"],
    ["bytes=2000-5000", 2048, "2000-2048"],
    ["bytes=500-0", 2048, "unsatisfiable"],
    ["bytes=5000-10000", 2048, "unsatisfiable"],
    ["bytes=2048-", 2048, "unsatisfiable"],
    ["bytes=-0", 2048, "unsatisfiable"],
    ["bytes=-5000", 2048, "0-2048"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=0-99999999999999999999999", 2048, "0-2048"],
    ["bytes=99999999999999999999999-", 2048, "unsatisfiable"],
    ["bytes=0-1,5-6", 2048, "0-2 5-7"],
    ["bytes=5-6, 0-1 ,,-1", 2048, "5-7 0-2 2047-2048"],
    ["bytes=0-1, ,2-3", 2048, "0-2 2-4"],
    ["bytes=-1,-0", 2048, "2047-2048"],
    ["bytes=0-0", 2048, "0-1"],
    ["bytes=2047-2047", 2048, "2047-2048"],
    ["bytes=40-49,30-39,20-29,10-19,0-9", 2048, "40-50 30-40 20-30 10-20 0-10"],
    ["bytes=0-40,30-31,20-21,10-11", 2048, "unsatisfiable"],
    ["bytes=0-9,4000-5000", 2048, "0-10"],
    ["bytes=3000-,4000-5000", 2048, "unsatisfiable"],
    ["bytes=0-9,9-19,19-29", 2048, "0-10 9-20 19-30"],
    ["bytes=0-,0-,0-,0-", 2048, "unsatisfiable"],
    ["bytes=0-9,a-b", 2048, "whole"],
    ["bytes=,", 2048, "whole"],
    ["bytes=5", 2048, "whole"],
    ["bytes=-", 2048, "whole"],
    ["bytes=a-b", 2048, "whole"],
    ["lines=0-5", 2048, "whole"],
    [" Bytes = 1 - 2 ", 2048, "1-3"]
  ])("reads %s of %d bytes as %s", (header, length, expected) => {
    const range = parseRange(header, length, ociLimits)
    expect(
      range.tag === "Parts"
        ? range.ranges.map(({ start, end }) => `${start}-${end}`).join(" ")
        : range.tag.toLowerCase()
    ).toBe(expected)
  })

  it("accepts as many ranges as container tools send, and no more", () => {
    const header = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, index) => `${4 * index}-${4 * index + 1}`).join(",")}`
    const range = parseRange(header(ociLimits.maxRanges), 1 << 20, ociLimits)
    expect(range.tag === "Parts" && range.ranges.length).toBe(1024)
    expect(parseRange(header(ociLimits.maxRanges + 1), 1 << 20, ociLimits).tag).toBe("TooMany")
  })

  it("never leaves the blob, never gives an empty part, and repeats no byte more often than overlaps allow", () => {
    const one = fc.oneof(
      fc.tuple(fc.nat(5000), fc.nat(5000)).map(([a, b]) => `${a}-${b}`),
      fc.nat(5000).map((n) => `-${n}`),
      fc.nat(5000).map((n) => `${n}-`)
    )
    const header = fc.oneof(
      fc.string(),
      fc.array(one, { maxLength: 12 }).map((specs) => `bytes=${specs.join(",")}`)
    )
    fc.assert(
      fc.property(header, fc.nat(4096), (text, length) => {
        const range = parseRange(text, length, ociLimits)
        if (range.tag !== "Parts") return
        expect(range.ranges.length).toBeGreaterThan(0)
        const times = new Uint8Array(length)
        for (const { start, end } of range.ranges) {
          expect(start).toBeGreaterThanOrEqual(0)
          expect(end).toBeGreaterThan(start)
          expect(end).toBeLessThanOrEqual(length)
          for (let at = start; at < end; at++) times[at]!++
        }
        expect(Math.max(...times)).toBeLessThanOrEqual(1 + ociLimits.maxRangeOverlaps)
      })
    )
  })
})

describe("a whole blob", () => {
  it("is one range, or none if it is empty", () => {
    expect(wholeOf(10)).toEqual({ ranges: [{ start: 0, end: 10 }], isWhole: true })
    expect(wholeOf(0)).toEqual({ ranges: [], isWhole: true })
  })
})

describe("upload ranges", () => {
  it("parse a chunk with and without the unit", () => {
    expect(parseChunkRange("0-9")).toEqual({ start: 0, end: 10 })
    expect(parseChunkRange("bytes 10-19/30")).toEqual({ start: 10, end: 20 })
    expect(parseChunkRange("bytes 10-19/*")).toEqual({ start: 10, end: 20 })
    expect(parseChunkRange(" 5-5 ")).toEqual({ start: 5, end: 6 })
    expect(parseChunkRange("0-9007199254740990")).toEqual({ start: 0, end: 9007199254740991 })
  })

  it.each(["", "5", "9-5", "6-5", "a-b", "0-", "-5", "0-99999999999999999999", "0-9007199254740991"])(
    "refuse %s",
    (header) => {
      expect(parseChunkRange(header)).toBeUndefined()
    }
  )

  it("format an empty upload as 0-0, since clients parse an integer", () => {
    expect(formatUploadRange(0)).toBe("0-0")
    expect(formatUploadRange(1)).toBe("0-0")
    expect(formatUploadRange(2)).toBe("0-1")
    expect(formatUploadRange(10)).toBe("0-9")
  })

  it("format the Content-Range of a 206 with an inclusive end", () => {
    expect(formatContentRange(500, 1500, 2048)).toBe("bytes 500-1499/2048")
  })
})
