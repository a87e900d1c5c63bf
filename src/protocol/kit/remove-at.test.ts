// The removal of one item against `splice`, for arrays of any content.

import fc from "fast-check"
import { expect, it } from "vitest"
import { removeAt } from "./remove-at.ts"

it("removes what splice removes, and leaves what splice leaves", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 12 }), fc.nat(100), (items, number) => {
      const index = number % items.length
      const expected = [...items]
      expect(removeAt(items, index)).toBe(expected.splice(index, 1)[0])
      expect(items).toEqual(expected)
    })
  )
})
