// The hash of a run: which differences it shows, and how the first difference of two runs is found.

import { expect, it } from "vitest"
import { mixNumbers, Trace } from "./trace.ts"

const traceOf = (
  events: number,
  change?: { readonly at: number; readonly number: number },
  window?: Window
) => {
  const trace = new Trace(window)
  for (let index = 0; index < events; index++) {
    trace.event(index * 10, index + 1, 8, index % 5)
    trace.number(mixNumbers(1, index, index === change?.at ? change.number : 0))
  }
  return trace
}

type Window = { readonly from: number; readonly to: number }

it("gives 16 hex digits that are the same for the same events", () => {
  expect(traceOf(5000).digest()).toMatch(/^[0-9a-f]{16}$/)
  expect(traceOf(5000).digest()).toBe(traceOf(5000).digest())
})

it("differs for another number, another order and another end", () => {
  const digests = new Set([traceOf(5000).digest(), traceOf(5001).digest()])
  for (let at = 0; at < 5000; at += 97) digests.add(traceOf(5000, { at, number: 1 }).digest())
  expect(digests.size).toBe(2 + Math.ceil(5000 / 97))
  const forth = new Trace()
  const back = new Trace()
  for (const number of [1, 2, 3]) {
    forth.number(number)
    back.number(4 - number)
  }
  expect(forth.digest()).not.toBe(back.digest())
  expect(mixNumbers(1, 2, 3)).not.toBe(mixNumbers(3, 2, 1))
})

it("differs for every part of an event", () => {
  const one = [5, 1, 2, 3] as const
  const others = [
    ...one.map((_, part) => one.map((value, index) => (index === part ? value + 1 : value))),
    one
  ]
  const digests = others.map(([time, sequence, kind, host]) => {
    const trace = new Trace()
    trace.event(time!, sequence!, kind!, host!)
    return trace.digest()
  })
  expect(new Set(digests).size).toBe(5)
})

it("never changes for given events, because the hashes of kept runs would be worth nothing", () => {
  expect(new Trace().digest()).toBe("92ca2f0ecb72770f")
  expect(traceOf(3).digest()).toBe("d60287c691699556")
  expect(traceOf(5000).digest()).toBe("02b81b367541d369")
  expect([mixNumbers(0, 0, 0), mixNumbers(1, 2, 3), mixNumbers(-1, 2 ** 31, 7)]).toEqual([
    -1712591764, 1043646223, 1890366630
  ])
})

it("covers times beyond 32 bits", () => {
  const early = new Trace()
  early.event(5, 1, 1, 1)
  const late = new Trace()
  late.event(5 + 2 ** 33, 1, 1, 1)
  expect(early.digest()).not.toBe(late.digest())
})

it("finds the first difference of two runs", () => {
  const change = { at: 3333, number: 7 }
  const window = traceOf(5000).firstDifference(traceOf(5000, change))!
  expect(traceOf(5000).firstDifference(traceOf(5000))).toBeUndefined()
  const mine = traceOf(5000, undefined, window).records
  const theirs = traceOf(5000, change, window).records
  const first = mine.findIndex((record, index) => record.hash !== theirs[index]!.hash)
  // The numbers of an event follow its record, so the next record is the first to show them.
  expect(mine[first]?.index).toBe(3334)
})

it("finds a difference after the last checkpoint", () => {
  const window = traceOf(1000).firstDifference(traceOf(1000, { at: 900, number: 1 }))!
  expect(window.from).toBeLessThanOrEqual(900)
  expect(window.to).toBeGreaterThan(901)
})
