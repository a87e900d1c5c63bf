// Tests of percentiles by nearest rank: a measured value, at the rank of the definition.

import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { ascending, quantile } from "./quantiles.ts"
import { timesAgainst } from "./result.ts"

describe("quantile", () => {
  it("is the nearest rank, counted from one", () => {
    const thousand = Array.from({ length: 1000 }, (_, index) => index + 1)
    assert.deepStrictEqual(
      [500, 990, 999, 1000].map((rank) => quantile(thousand, rank)),
      [500, 990, 999, 1000]
    )
    assert.strictEqual(quantile([10, 20, 30], 500), 20)
    assert.strictEqual(quantile([10, 20, 30, 40], 500), 20)
    assert.strictEqual(quantile([10, 20, 30], 999), 30)
  })

  it("is the smallest value that at least that share of the values does not exceed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 1000 }),
        (values, thousandths) => {
          const found = quantile(ascending(values), thousandths)
          const atMost = (limit: number) => values.filter((value) => value <= limit).length
          assert.isAtLeast(atMost(found) * 1000, thousandths * values.length)
          assert.isBelow(atMost(found - 1) * 1000, thousandths * values.length)
        }
      )
    )
  })

  it("does not change its input", () => {
    const values = [3, 1, 2]
    timesAgainst(1, values)
    assert.deepStrictEqual(values, [3, 1, 2])
  })
})
