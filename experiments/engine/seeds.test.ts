// Tests of the text form of seeds: every form is read, canonical text decodes to the same seeds, and typing errors get
// the nearest valid form suggested.

import { Effect } from "effect"
import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { parseSeeds, seedsText } from "./seeds.ts"

const parsed = (text: string) => Effect.runSync(parseSeeds(text))
const refused = (text: string) => Effect.runSync(Effect.flip(parseSeeds(text))).message

describe("seeds", () => {
  it("reads one seed, a range or a list, in any order", () => {
    assert.deepStrictEqual(parsed("3"), [3])
    assert.deepStrictEqual(parsed("1-5"), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(parsed("9,1,4,4"), [1, 4, 9])
    assert.deepStrictEqual(parsed("7-8,1-3"), [1, 2, 3, 7, 8])
  })

  it("encodes seeds as text that decodes to the same seeds", () => {
    const some = fc.uniqueArray(fc.oneof(fc.nat(30), fc.nat()), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(some, (seeds) => {
        const ascending = [...seeds].sort((left, right) => left - right)
        assert.deepStrictEqual(parsed(seedsText(ascending)), ascending)
      })
    )
    assert.strictEqual(seedsText([1, 2, 3, 5, 6, 9]), "1-3,5,6,9")
  })

  it("suggests the nearest valid form", () => {
    for (const text of ["1..5", "1:5", "1 - 5", "5-1", "1 to 5", "seeds 1-5"]) {
      assert.include(refused(text), `--seed ${text}: did you mean 1-5?`)
    }
    for (const text of ["1 4 9", "1;4;9", "1,4,9,", "[1, 4, 9]"]) {
      assert.include(refused(text), "did you mean 1,4,9?")
    }
    assert.include(refused("1.5"), "expected a whole number, a range or a list")
    assert.include(refused("-1"), "did you mean 1?")
    assert.notInclude(refused("x"), "did you mean")
    assert.notInclude(refused("0-1000"), "did you mean")
    assert.notInclude(refused(String(2 ** 53)), "did you mean")
  })
})
