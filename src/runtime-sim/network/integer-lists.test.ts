// The lists against arrays, for items that are added and taken in any order of lists.

import fc from "fast-check"
import { expect, it } from "vitest"
import { IntegerLists } from "./integer-lists.ts"

it("hold what was pushed and not popped, however the other lists grow", () => {
  const step = fc.record({ list: fc.nat(5), times: fc.integer({ min: -40, max: 60 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lists = new IntegerLists()
      const expected = Array.from({ length: 6 }, (): number[] => [])
      for (const array of expected) expect(lists.add()).toBe(expected.indexOf(array))
      let item = 0
      for (const { list, times } of steps) {
        const array = expected[list]!
        for (let time = 0; time < times; time++) expect(lists.push(list, ++item)).toBe(array.push(item) - 1)
        for (let time = times; time < 0 && array.length > 0; time++) {
          expect(lists.pop(list)).toBe(array.pop())
        }
      }
      for (const [list, array] of expected.entries()) {
        const start = lists.start(list)
        expect([...lists.items.subarray(start, start + lists.length(list))]).toEqual(array)
      }
    })
  )
})
