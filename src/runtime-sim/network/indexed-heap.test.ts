// The heap against a sorted list, for items that come, go and change their keys, in two heaps with one table.

import fc from "fast-check"
import { expect, it } from "vitest"
import { HeapKeys, IndexedHeap } from "./indexed-heap.ts"

it("has the least key first, whatever was set and removed", () => {
  const item = fc.nat(150)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ item, key: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ item }) }
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new HeapKeys()
      const heaps = [new IndexedHeap(table), new IndexedHeap(table)] as const
      const keys = new Map<number, number>()
      for (const each of steps) {
        table.include(each.item)
        const heap = heaps[each.item % 2]!
        if ("key" in each) {
          heap.set(each.item, each.key)
          keys.set(each.item, each.key)
        } else {
          heap.remove(each.item)
          keys.delete(each.item)
        }
        for (const [parity, one] of heaps.entries()) {
          const mine = [...keys].filter(([number]) => number % 2 === parity)
          expect(one.size).toBe(mine.length)
          if (mine.length === 0) expect(one.first).toBe(-1)
          else expect(keys.get(one.first)).toBe(Math.min(...mine.map(([, key]) => key)))
        }
      }
    }),
    { numRuns: 200 }
  )
})
