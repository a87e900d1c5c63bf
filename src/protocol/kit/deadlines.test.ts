// The deadline queue under arbitrary scheduling, against the sorted list that it stands for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Deadline, DeadlineQueue } from "./deadlines.ts"

describe("deadlines", () => {
  it("fires in order of time, then in the order they were made, as a sorted list would", () => {
    const anyOperation = fc.record({
      which: fc.nat(7),
      at: fc.option(fc.nat(20), { nil: undefined })
    })
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 60 }), fc.nat(20), (operations, until) => {
        const queue = new DeadlineQueue()
        const fired: number[] = []
        const deadlines: Deadline[] = []
        for (let which = 0; which < 8; which++) deadlines.push(queue.make(() => fired.push(which)))
        const model = new Map<number, number>()
        for (const { which, at } of operations) {
          queue.set(deadlines[which]!, at)
          if (at === undefined) model.delete(which)
          else model.set(which, at)
          expect(queue.next).toBe(model.size === 0 ? undefined : Math.min(...model.values()))
          expect(queue.size).toBe(model.size)
        }
        const due = [...model].filter(([, at]) => at <= until)
        due.sort(([one, oneAt], [other, otherAt]) => oneAt - otherAt || one - other)
        queue.fireDue(until)
        expect(fired).toEqual(due.map(([which]) => which))
        expect(queue.size).toBe(model.size - due.length)
      })
    )
  })

  it("lets a deadline schedule itself again", () => {
    const queue = new DeadlineQueue()
    const at: number[] = []
    const deadline: Deadline = queue.make((now) => {
      at.push(now)
      if (at.length < 3) queue.set(deadline, now + 10)
    })
    queue.set(deadline, 5)
    while (queue.next !== undefined) queue.fireDue(queue.next)
    expect(at).toEqual([5, 15, 25])
  })
})
