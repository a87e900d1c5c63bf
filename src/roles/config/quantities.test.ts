// The texts that a size, a rate and a duration accept, and those that they refuse.

import { Duration, Exit, Schema } from "effect"
import { describe, expect, test } from "vitest"
import { duration, durationText, Rate, size, sizeText } from "./quantities.ts"

const readSize = Schema.decodeUnknownSync(size("1GB"))
const readRate = Schema.decodeUnknownSync(Rate)
const anyDuration = duration({ least: 0 })
const readDuration = (written: unknown) => Duration.toMillis(Schema.decodeUnknownSync(anyDuration)(written))

const problem = (schema: Schema.ConstraintDecoder<unknown>, written: unknown): string => {
  const exit = Schema.decodeUnknownExit(schema)(written)
  if (Exit.isSuccess(exit)) throw new Error(`${JSON.stringify(written)} is taken`)
  return String(exit.cause)
}

describe("a size", () => {
  test.each([
    ["100GB", 100_000_000_000],
    ["16 MiB", 16_777_216],
    ["1.5kB", 1500],
    ["1 byte", 1],
    ["2 gigabytes", 2_000_000_000],
    [4096, 4096],
    ["4096", 4096]
  ])("of %j is %d bytes", (written, bytes) => {
    expect(readSize(written)).toBe(bytes)
  })

  test.each([
    "",
    "GB",
    "-1GB",
    "1 KB",
    "1mb",
    "100GB/s",
    "0.1KiB",
    "0B",
    0,
    -1,
    1.5,
    "1e3",
    "9 QB",
    null,
    {}
  ])("is not %j", (written) => {
    expect(problem(size("1GB"), written)).toContain('a size such as "1GB", or a number of bytes')
  })

  test("states its range in its own units", () => {
    const limited = size("4MiB", 64 * 1024 * 1024)
    expect(Schema.decodeUnknownSync(limited)("64MiB")).toBe(67_108_864)
    expect(problem(limited, "65MiB")).toContain("from 1 byte to 64 MiB")
  })
})

describe("a rate", () => {
  test.each([
    ["200MB/s", 200_000_000],
    ["4 MiB / s", 4_194_304],
    [1000, 1000],
    ["1000", 1000]
  ])("of %j is %d bytes per second", (written, bytes) => {
    expect(readRate(written)).toBe(bytes)
  })

  test.each(["200MB", "200MB/m", "1Gbit/s", "1Gbps", "/s", "0B/s", 0, 0.5, true])("is not %j", (written) => {
    expect(problem(Rate, written)).toContain('a rate such as "200MB/s"')
  })
})

describe("a duration", () => {
  test.each([
    ["5 minutes", 300_000],
    ["1 second", 1000],
    ["250 millis", 250],
    ["1.5 hours", 5_400_000],
    ["PT5M", 300_000],
    ["P1DT12H", 129_600_000],
    [0, 0],
    [0.5, 500],
    [3600, 3_600_000],
    ["3600", 3_600_000]
  ])("of %j is %d ms", (written, millis) => {
    expect(readDuration(written)).toBe(millis)
  })

  test.each(["", "5m", "minutes", "-1 seconds", -1, "Infinity", "P1M", Number.NaN, [], null])(
    "is not %j",
    (written) => {
      expect(problem(anyDuration, written)).toContain('a duration such as "5 minutes"')
    }
  )

  test("states its range in its own units", () => {
    const range = duration({ least: "20 seconds", most: "1 day" })
    expect(problem(range, "19 seconds")).toContain("from 20 seconds to 1 day")
    expect(problem(range, "2 days")).toContain("from 20 seconds to 1 day")
    expect(problem(duration({ least: "1 second" }), 0)).toContain("at least 1 second")
    expect(Exit.isSuccess(Schema.decodeUnknownExit(range)("1 day"))).toBe(true)
  })
})

test("quantities are printed in the largest unit that fits", () => {
  expect([1, 1000, 1500, 4_194_304, 100_000_000_000, 1_048_577].map(sizeText)).toEqual([
    "1 B",
    "1 kB",
    "1.5 kB",
    "4 MiB",
    "100 GB",
    "1048577 B"
  ])
  expect(
    [0.5, 1, 30, 90, 300, 3600, 86_400, 604_800].map((seconds) => durationText(Duration.seconds(seconds)))
  ).toEqual(["0.5 seconds", "1 second", "30 seconds", "90 seconds", "5 minutes", "1 hour", "1 day", "1 week"])
})
