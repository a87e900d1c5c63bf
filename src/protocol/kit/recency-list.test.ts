// The recency list under arbitrary calls, against the plain array that it stands for.

import fc from "fast-check"
import { expect, test } from "vitest"
import { RecencyList } from "./recency-list.ts"

interface Item {
  readonly name: number
  older: Item | undefined
  newer: Item | undefined
}

test("a list yields its oldest first, whatever was added and removed before", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(20)), { maxLength: 80 }), (changes) => {
      const list = new RecencyList<Item>()
      const model: Item[] = []
      changes.forEach(([add, pick], name) => {
        if (add || model.length === 0) {
          const item: Item = { name, older: undefined, newer: undefined }
          list.add(item)
          model.push(item)
        } else {
          const [item] = model.splice(pick % model.length, 1)
          list.remove(item!)
          expect(item).toEqual({ name: item!.name, older: undefined, newer: undefined })
          if (pick % 2 === 0) {
            list.add(item!)
            model.push(item!)
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
