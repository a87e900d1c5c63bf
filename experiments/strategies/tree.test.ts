// Tests of the shape of the static tree: parents, number of children, and depth.

import fc from "fast-check"
import { expect, test } from "vitest"
import { parentOf } from "./tree.ts"

test("every agent has a path to a root, and no host has more children than the arity", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 9 }),
      (agents, roots, arity) => {
        const owners = Array.from({ length: roots }, (_, root) => agents + root)
        const children = new Array<number>(agents + roots).fill(0)
        const depth = new Array<number>(agents + roots).fill(0)
        for (let agent = 0; agent < agents; agent++) {
          const parent = parentOf(agent, owners, arity)
          expect(parent < agent || owners.includes(parent)).toBe(true)
          children[parent]!++
          depth[agent] = depth[parent]! + 1
        }
        expect(Math.max(...children)).toBeLessThanOrEqual(arity)
        let [held, levels] = [0, 0]
        for (let width = roots * arity; held < agents; width *= arity) {
          held += width
          levels++
        }
        expect(Math.max(...depth)).toBe(levels)
      }
    )
  )
})
