// The event queue against a model that keeps events in a plain list, and handles that outlive their event.

import fc from "fast-check"
import { expect, it } from "vitest"
import { EventQueue, type EventTarget } from "./event-queue.ts"

const target: EventTarget = { fire: () => {} }

type Step =
  | { readonly tag: "push"; readonly delay: number }
  | { readonly tag: "pop" }
  | { readonly tag: "cancel"; readonly which: number }

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ tag: fc.constant("push" as const), delay: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ tag: fc.constant("pop" as const) }) },
  { weight: 3, arbitrary: fc.record({ tag: fc.constant("cancel" as const), which: fc.nat() }) }
)

it("pops events by time, then in the order of their pushes, and no cancelled ones", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps: Step[]) => {
      const queue = new EventQueue()
      let model: Array<{ time: number; label: number; handle: number }> = []
      const handles: number[] = []
      let now = 0
      let label = 0
      for (const next of steps) {
        if (next.tag === "push") {
          const time = now + next.delay
          const handle = queue.push(time, target, 1, 2, ++label, 3)
          handles.push(handle)
          model.push({ time, label, handle })
        } else if (next.tag === "cancel") {
          const handle = handles[next.which % Math.max(1, handles.length)]
          if (handle === undefined) continue
          const known = model.some((event) => event.handle === handle)
          expect(queue.cancel(handle)).toBe(known)
          model = model.filter((event) => event.handle !== handle)
        } else {
          const expected = model.reduce<(typeof model)[number] | undefined>(
            (first, event) => (first === undefined || event.time < first.time ? event : first),
            undefined
          )
          expect(queue.pop()).toBe(expected !== undefined)
          if (expected === undefined) continue
          expect([queue.time, queue.subject]).toEqual([expected.time, expected.label])
          now = queue.time
          model = model.filter((event) => event !== expected)
        }
        expect(queue.pending).toBe(model.length)
      }
    })
  )
})

it("keeps its order when most events are cancelled", () => {
  const queue = new EventQueue()
  const handles: number[] = []
  for (let index = 0; index < 50_000; index++) {
    handles.push(queue.push((index * 7919) % 10_007, target, 0, 0, index, 0))
  }
  for (const [index, handle] of handles.entries()) if (index % 10 !== 0) queue.cancel(handle)
  expect(queue.pending).toBe(5_000)
  let [time, subject, count] = [-1, -1, 0]
  while (queue.pop()) {
    const later = queue.time > time || (queue.time === time && (queue.subject as number) > subject)
    if (!later) expect.fail(`event ${queue.subject} at ${queue.time} came after ${subject} at ${time}`)
    expect((queue.subject as number) % 10).toBe(0)
    time = queue.time
    subject = queue.subject as number
    count++
  }
  expect(count).toBe(5_000)
})

it("does not cancel a later event in the same slot", () => {
  const queue = new EventQueue()
  const first = queue.push(1, target, 0, 0, "first", 0)
  queue.pop()
  queue.push(2, target, 0, 0, "second", 0)
  expect(queue.cancel(first)).toBe(false)
  expect(queue.pop()).toBe(true)
  expect(queue.subject).toBe("second")
})
