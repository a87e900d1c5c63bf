// Tests of the effects of rules: of one value, and of two together, against cases worked out by hand.

import { assert, describe, it } from "vitest"
import { effectAlone, effectBeyond } from "./policies-effects.ts"

const near = (value: number, wanted: number): void => assert.approximately(value, wanted, 1e-12)

describe("the effect of a value", () => {
  it("is the median ratio of equal seeds", () => {
    const effect = effectAlone([11, 24, 12], [10, 20, 12])
    near(effect.median, 0.1)
    assert.isFalse(effect.counts, "the last seed shows nothing")
  })

  it("counts when every seed shows it in the same direction, and it is noticeable", () => {
    assert.isTrue(effectAlone([11, 21, 13], [10, 20, 12]).counts)
    assert.isTrue(effectAlone([9, 19, 11], [10, 20, 12]).counts)
    assert.isFalse(effectAlone([9, 19, 13], [10, 20, 12]).counts)
    assert.isFalse(effectAlone([10.05, 20.05, 12.05], [10, 20, 12]).counts)
  })
})

describe("the effect of two values beyond that of each", () => {
  it("is nothing when they multiply", () => {
    const effect = effectBeyond(
      [12, 12],
      [
        [11, 10],
        [12, 12]
      ].map(([time]) => [time!, time!]) as never,
      [11, 11]
    )
    near(effect.median, 0)
    assert.isFalse(effect.counts)
  })

  it("is what is left of the product", () => {
    // Alone 20 % and 50 % later, together as late as the second alone: a sixth is missing.
    const effect = effectBeyond(
      [15, 30],
      [
        [12, 24],
        [15, 30]
      ],
      [10, 20]
    )
    near(effect.median, 1 / 1.2 - 1)
    assert.isTrue(effect.counts)
  })

  it("does not count when a seed shows the opposite", () => {
    assert.isFalse(
      effectBeyond(
        [15, 40],
        [
          [12, 24],
          [15, 30]
        ],
        [10, 20]
      ).counts
    )
  })
})
