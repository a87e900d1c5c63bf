// The bounded map under arbitrary calls, against the plain array of entries that it stands for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BoundedMap } from "./bounded-map.ts"

const call = fc.record({ name: fc.constantFrom("set", "use", "delete", "get"), key: fc.nat(6) })

describe("bounded map", () => {
  it("keeps the entries that were set or used last, oldest first", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(call, { maxLength: 60 }), (limit, calls) => {
        const map = new BoundedMap<number, string>(limit)
        let model: Array<readonly [number, string]> = []
        for (const [index, { name, key }] of calls.entries()) {
          const known = model.find(([other]) => other === key)
          const others = model.filter((entry) => entry !== known)
          if (name === "set") {
            expect(map.set(key, `value ${index}`)).toBe(map)
            model = [...others, [key, `value ${index}`] as const].slice(-limit)
          } else if (name === "use") {
            expect(map.use(key)).toBe(known?.[1])
            if (known !== undefined) model = [...others, known]
          } else if (name === "delete") {
            expect(map.delete(key)).toBe(known !== undefined)
            model = others
          } else expect(map.get(key)).toBe(known?.[1])
          expect([...map]).toEqual(model)
          expect(map.oldest).toBe(model[0]?.[0])
        }
      })
    )
  })
})
