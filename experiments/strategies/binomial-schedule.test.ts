// Test of the schedule of the binomial pipeline by playing it: in a step a host sends one piece and receives one, and
// can send a received piece from the next step on.

import fc from "fast-check"
import { expect, test } from "vitest"
import { countingSlots } from "../flash-crowd/bounds.ts"
import { cubeSchedule } from "./binomial-schedule.ts"

const sizes = [fc.integer({ min: 1, max: 140 }), fc.integer({ min: 1, max: 40 })] as const

test("every host gets every piece once, in as many steps as the counting bound", () => {
  fc.assert(
    fc.property(...sizes, (hosts, pieces) => {
      const { source, hosts: lists, steps } = cubeSchedule(hosts, pieces)
      const has = lists.map(() => new Set<number>())
      for (let step = 0; step < steps; step++) {
        const landing = new Map<number, number>()
        for (const [host, list] of [...lists, source].entries()) {
          const [to, piece] = [list[2 * step]!, list[2 * step + 1]!]
          if (to < 0) continue
          expect(host === hosts || has[host]!.has(piece), "sends what it has").toBe(true)
          expect(landing.has(to) || has[to]!.has(piece), "one a host, and none twice").toBe(false)
          landing.set(to, piece)
        }
        for (const [to, piece] of landing) has[to]!.add(piece)
      }
      expect(has.every((of) => of.size === pieces)).toBe(true)
      expect([...lists, source].every((list) => list.length === 2 * steps)).toBe(true)
      expect(steps).toBe(countingSlots(hosts, 1, pieces))
    }),
    { numRuns: 40 }
  )
})
