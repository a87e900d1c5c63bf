// Checks that crawling clients are cut after the window and never earlier, and that nobody else is.

import fc from "fast-check"
import { expect, test } from "vitest"
import { ClientPatience } from "./client-patience.ts"

const looks = fc.array(
  fc.record({ bytes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })), waiting: fc.boolean() }),
  { maxLength: 60 }
)

test("a client is cut exactly when a whole window of waiting moved too little", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 60 }),
      looks,
      (window, minBytes, seen) => {
        const patience = new ClientPatience(window, minBytes)
        let moved = 0
        const history = seen.map(({ bytes, waiting }) => {
          moved += bytes
          return { moved, waiting }
        })
        history.forEach((look, index) => {
          const since = history.slice(Math.max(0, index - window), index + 1)
          const slow =
            index >= window &&
            since.every(({ waiting }) => waiting) &&
            look.moved - since[0]!.moved < minBytes
          expect(patience.look(look)).toBe(slow)
        })
      }
    )
  )
})
