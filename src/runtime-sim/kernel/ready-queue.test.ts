// The queue of ready fibers against a model: lower priorities first, then the order of scheduling.

import fc from "fast-check"
import { expect, it } from "vitest"
import { ReadyQueue } from "./ready-queue.ts"

interface Scheduled {
  readonly priority: number
  readonly label: number
}

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ priority: fc.constantFrom(0, 0, 0, 1, 2, -1) }) },
    { weight: 2, arbitrary: fc.constant("take" as const) }
  ),
  { maxLength: 200 }
)

/** The task that goes first: the lowest priority, the first scheduled among those. */
const firstOf = (tasks: readonly Scheduled[]): Scheduled | undefined =>
  tasks.reduce<Scheduled | undefined>(
    (first, task) => (first === undefined || task.priority < first.priority ? task : first),
    undefined
  )

it("takes tasks by priority, and those of one priority in the order in which they came", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const queue = new ReadyQueue()
      const ran: number[] = []
      let model: Scheduled[] = []
      for (const [label, step] of script.entries()) {
        if (step !== "take") {
          queue.scheduleTask(() => ran.push(label), step.priority)
          model.push({ priority: step.priority, label })
          continue
        }
        const expected = firstOf(model)
        const task = queue.take()
        expect(task === undefined).toBe(expected === undefined)
        if (expected === undefined) continue
        task!()
        expect(ran.at(-1)).toBe(expected.label)
        model = model.filter((other) => other !== expected)
      }
      const rest = model.length
      const before = ran.length
      queue.flush()
      expect(ran.length - before).toBe(rest)
      expect(queue.take()).toBeUndefined()
    })
  )
})

it("runs tasks that a task schedules, and keeps its order over many thousands that are never all taken", () => {
  const queue = new ReadyQueue()
  const ran: number[] = []
  let scheduled = 0
  const schedule = () => {
    const label = scheduled++
    queue.scheduleTask(() => ran.push(label), 0)
  }
  schedule()
  for (let turn = 0; turn < 10_000; turn++) {
    schedule()
    queue.take()!()
  }
  queue.flush()
  expect(ran).toEqual(Array.from({ length: 10_001 }, (_, label) => label))
})
