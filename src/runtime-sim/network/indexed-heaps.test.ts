// The heap against a sorted list, for items that come, go and change their keys, in two heaps.

import fc from "fast-check"
import { expect, it } from "vitest"
import { IndexedHeaps } from "./indexed-heaps.ts"

it("has the least key first, whatever was set and removed", () => {
  const item = fc.nat(150)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ item, key: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ item }) }
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const heaps = new IndexedHeaps()
      const numbers = [heaps.add(), heaps.add()] as const
      const keys = new Map<number, number>()
      for (const each of steps) {
        heaps.include(each.item)
        const heap = numbers[each.item % 2]!
        if ("key" in each) {
          heaps.set(heap, each.item, each.key)
          keys.set(each.item, each.key)
        } else {
          heaps.remove(heap, each.item)
          keys.delete(each.item)
        }
        for (const [parity, one] of numbers.entries()) {
          const mine = [...keys].filter(([number]) => number % 2 === parity)
          expect(heaps.size(one)).toBe(mine.length)
          if (mine.length === 0) expect(heaps.first(one)).toBe(-1)
          else expect(keys.get(heaps.first(one))).toBe(Math.min(...mine.map(([, key]) => key)))
        }
      }
    }),
    { numRuns: 200 }
  )
})
