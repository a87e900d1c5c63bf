// The bounds, growth and spread of waits, for arbitrary ranges and attempts, against the documented formula.

import fc from "fast-check"
import { expect, test } from "vitest"
import { backoffDelay, backoffStep } from "./backoff.ts"
import { InvariantViolation } from "./invariant.ts"
import type { RandomSource } from "./random-source.ts"

/** Draws the given part of every bound, and checks the bound. */
const at = (part: number): RandomSource => ({
  nextInt: (bound) => {
    expect(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 31).toBe(true)
    return Math.min(bound - 1, Math.floor(part * bound))
  }
})

const range = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.integer({ min: 0, max: 2 ** 45 }))
  .map(([min, more]) => ({ min, max: min + more }))
const attempt = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.constantFrom(1e6, Number.MAX_SAFE_INTEGER))
const part = fc.double({ min: 0, max: 1, noNaN: true })

test("a delay is an integer within half a step of the step, which is min x 2^attempt up to max", () => {
  fc.assert(
    fc.property(attempt, range, part, (failures, bounds, drawn) => {
      const step = Math.min(bounds.max, bounds.min * 2 ** Math.min(failures, 100))
      expect(backoffStep(failures, bounds)).toBe(step)
      const delay = backoffDelay(failures, bounds, at(drawn))
      expect(Number.isSafeInteger(delay)).toBe(true)
      expect(delay).toBeLessThanOrEqual(step)
      // One grain of slack, since the range is longer than a source can draw.
      expect(delay).toBeGreaterThanOrEqual(step / 2 - Math.floor(step / 2 ** 32))
    }),
    { numRuns: 1000 }
  )
})

test("the whole of [step/2, step] is reached, evenly", () => {
  const bounds = { min: 7, max: 1000 }
  const seen = new Set<number>()
  for (let drawn = 0; drawn < 100; drawn++) seen.add(backoffDelay(0, bounds, at(drawn / 100)))
  expect([...seen].sort()).toEqual([4, 5, 6, 7])
  expect(backoffDelay(0, { min: 1, max: 1 }, at(0.99))).toBe(1)
  expect(backoffDelay(3, bounds, at(0))).toBe(56)
  expect(backoffDelay(3, bounds, at(1))).toBe(28)
  expect(backoffDelay(50, bounds, at(0))).toBe(1000)
})

test("an invalid range is a defect", () => {
  for (const bounds of [
    { min: 0, max: 10 },
    { min: 11, max: 10 },
    { min: 0.5, max: 10 },
    { min: 1, max: Number.POSITIVE_INFINITY }
  ]) {
    expect(() => backoffDelay(0, bounds, at(0))).toThrow(InvariantViolation)
  }
  expect(() => backoffDelay(-1, { min: 1, max: 2 }, at(0))).toThrow(InvariantViolation)
})
