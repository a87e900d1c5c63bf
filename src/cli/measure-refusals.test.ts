// Tests of what `shoal measure` refuses before anything runs.

import { expect, test } from "vitest"
import { burstRefusal, missingName, piecesRefusal, runsRefusal } from "./measure-refusals.ts"

const KiB = 1024

test("pieces are powers of two from a leaf of the hash tree to the longest piece", () => {
  for (const fine of [undefined, 16 * KiB, 256 * KiB, 16 * KiB * KiB])
    expect(piecesRefusal(fine)).toBeUndefined()
  for (const wrong of [1, 8 * KiB, 300 * KiB, 1_000_000, 32 * KiB * KiB]) {
    expect(piecesRefusal(wrong), String(wrong)).toMatch(
      /^--pieces .*: expected a power of two from 16KiB to 16MiB$/
    )
  }
})

test("a blob that fits into the burst is refused, because no limit would show", () => {
  expect(burstRefusal(16 * KiB + 1, 16 * KiB)).toBeUndefined()
  expect(burstRefusal(16 * KiB, 16 * KiB)).toBe(
    "--burst 16KiB: the whole blob of 16KiB fits into it, so that no limit would be measured; take a smaller --burst " +
      "or a larger --size"
  )
})

test("the name says what it is for, and there is at least one run", () => {
  expect(missingName("measured.json")).toContain(
    "kept under it in measured.json, for the report of sim-versus-net"
  )
  expect([runsRefusal(1), runsRefusal(0)]).toEqual([undefined, "--runs 0: expected at least 1"])
})
