// A histogram counts each value once, below the lowest bound that it does not exceed.

import fc from "fast-check"
import { expect, it } from "vitest"
import { Histogram } from "./histogram.ts"

it("counts a value that is equal to a bound below it, and what is above all bounds", () => {
  const histogram = new Histogram([1, 10])
  expect([histogram.count, histogram.sum, histogram.cumulative()]).toEqual([
    0,
    0,
    [
      [1, 0],
      [10, 0]
    ]
  ])
  for (const value of [0, 1, 1.5, 10, 11]) histogram.observe(value)
  expect([histogram.count, histogram.sum, histogram.cumulative()]).toEqual([
    5,
    23.5,
    [
      [1, 2],
      [10, 4]
    ]
  ])
})

it("agrees with a count over all values", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer()), fc.array(fc.integer()), (unsorted, values) => {
      const bounds = unsorted.sort((one, other) => one - other)
      const histogram = new Histogram(bounds)
      for (const value of values) histogram.observe(value)
      expect(histogram.cumulative()).toEqual(
        bounds.map((bound) => [bound, values.filter((value) => value <= bound).length])
      )
      expect(histogram.count).toBe(values.length)
    })
  )
})
