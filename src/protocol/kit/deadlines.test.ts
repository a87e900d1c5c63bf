// The deadline queue under arbitrary scheduling, against the sorted list that it stands for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Deadline, DeadlineQueue } from "./deadlines.ts"

const count = 30

describe("deadlines", () => {
  it("fire in order of time, then in the order they were made, as a sorted list would", () => {
    const operation = fc.record({
      which: fc.nat(count - 1),
      at: fc.option(fc.nat(20), { nil: undefined, freq: 6 }),
      atLatest: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 90 }), fc.nat(20), (operations, until) => {
        const queue = new DeadlineQueue()
        const fired: number[] = []
        const fire = (now: number, which: number): void => {
          expect(now).toBe(until)
          fired.push(which)
        }
        // Every other one shares its function.
        const deadlines = Array.from({ length: count }, (_, which) =>
          which % 2 === 0 ? queue.makeFor(which, fire) : queue.make((now) => fire(now, which))
        )
        const model = new Map<number, number>()
        for (const { which, at, atLatest } of operations) {
          const deadline = deadlines[which]!
          if (atLatest && at !== undefined) {
            queue.setAtLatest(deadline, at)
            model.set(which, Math.min(at, model.get(which) ?? at))
          } else {
            queue.set(deadline, at)
            if (at === undefined) model.delete(which)
            else model.set(which, at)
          }
          expect(deadline.at).toBe(model.get(which))
          expect(queue.next).toBe(model.size === 0 ? undefined : Math.min(...model.values()))
          expect(queue.size).toBe(model.size)
        }
        const due = [...model].filter(([, at]) => at <= until)
        due.sort(([one, oneAt], [other, otherAt]) => oneAt - otherAt || one - other)
        queue.fireDue(until)
        expect(fired).toEqual(due.map(([which]) => which))
        expect(queue.size).toBe(model.size - due.length)
        for (const [which] of due) expect(deadlines[which]!.at).toBeUndefined()
      })
    )
  })

  it("of one instant fire in the order they were made, in whatever order they were set", () => {
    const queue = new DeadlineQueue()
    const fired: number[] = []
    const deadlines = Array.from({ length: count }, (_, which) =>
      queue.makeFor(which, () => fired.push(which))
    )
    for (const deadline of deadlines.toReversed()) queue.set(deadline, 5)
    queue.fireDue(5)
    expect(fired).toEqual(deadlines.map(({ order }) => order))
  })

  it("may schedule themselves again", () => {
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

  it("that are due when another one fires fire as well", () => {
    const queue = new DeadlineQueue()
    const fired: string[] = []
    const late = queue.make(() => fired.push("late"))
    queue.set(
      queue.make((now) => {
        fired.push("early")
        queue.set(late, now - 1)
      }),
      5
    )
    queue.fireDue(7)
    expect(fired).toEqual(["early", "late"])
  })
})
