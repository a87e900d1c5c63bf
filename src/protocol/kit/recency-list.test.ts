// The recency list under arbitrary calls, against the plain array that it stands for.

import fc from "fast-check"
import { expect, test } from "vitest"
import { RecencyList } from "./recency-list.ts"

interface Thing {
  readonly name: number
  older: Thing | undefined
  newer: Thing | undefined
}

test("a list yields its oldest first, whatever was added and removed before", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(20)), { maxLength: 80 }), (changes) => {
      const list = new RecencyList<Thing>()
      const model: Thing[] = []
      changes.forEach(([add, pick], name) => {
        if (add || model.length === 0) {
          const thing: Thing = { name, older: undefined, newer: undefined }
          list.add(thing)
          model.push(thing)
        } else {
          const [thing] = model.splice(pick % model.length, 1)
          list.remove(thing!)
          expect(thing).toEqual({ name: thing!.name, older: undefined, newer: undefined })
          if (pick % 2 === 0) {
            list.add(thing!)
            model.push(thing!)
          }
        }
        expect(list.oldest?.name).toBe(model[0]?.name)
      })
      const left: number[] = []
      for (let oldest = list.oldest; oldest !== undefined; oldest = list.oldest) {
        left.push(oldest.name)
        list.remove(oldest)
      }
      expect(left).toEqual(model.map(({ name }) => name))
    })
  )
})
