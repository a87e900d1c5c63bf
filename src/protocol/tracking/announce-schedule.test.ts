// Announce schedule under arbitrary histories: never more often than the floor, and always due again in the end.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../kit/invariant.ts"
import type { RandomSource } from "../kit/random-source.ts"
import { type Micros, milliseconds, seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import { AnnounceSchedule } from "./announce-schedule.ts"

const smallest: RandomSource = { nextInt: () => 0 }
const largest: RandomSource = { nextInt: (bound) => bound - 1 }

type Step =
  | { readonly act: "wait"; readonly micros: number }
  | { readonly act: "announce" }
  | { readonly act: "answer"; readonly interval: number }
  | { readonly act: "fail" | "completed" | "few" | "left" }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constant("wait" as const), micros: fc.nat(5_000_000) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("announce" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant("answer" as const),
      interval: fc.constantFrom(-1, 0, 1, 3000, 60_000, 1e9, Number.MAX_VALUE, Number.POSITIVE_INFINITY)
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constantFrom("fail" as const, "completed" as const, "few" as const) })
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("left" as const) }) }
)
const history = fc.array(step, { maxLength: 80 })
const chance = fc.array(fc.nat(), { minLength: 1, maxLength: 20 }).map((draws): RandomSource => {
  let at = 0
  return { nextInt: (bound) => draws[at++ % draws.length]! % bound }
})

interface Announced {
  readonly event: string
  readonly at: Micros
}

/** Plays the steps that apply; `announce` waits until the announce is due, as a role does. */
const play = (complete: boolean, steps: readonly Step[], random: RandomSource) => {
  let now = seconds(1)
  const schedule = new AnnounceSchedule(complete, now)
  const announced: Announced[] = []
  let underWay = false
  for (const next of steps) {
    const due = schedule.nextAnnounceAt
    if (next.act === "wait") now += next.micros
    else if (next.act === "announce" && due !== undefined) {
      now = Math.max(now, due)
      announced.push({ event: schedule.begun(now), at: now })
      underWay = true
    } else if (next.act === "answer" && underWay) {
      schedule.succeeded(next.interval, now, random)
      underWay = false
    } else if (next.act === "fail" && underWay) {
      schedule.failed(now, random)
      underWay = false
    } else if (next.act === "completed") schedule.completed(now)
    else if (next.act === "few") schedule.fewNeighbours(now)
    else if (next.act === "left") schedule.left(now)
    expect(schedule.nextAnnounceAt === undefined).toBe(
      underWay ||
        (schedule.phase === "left" && (announced.length === 0 || announced.at(-1)?.event === "stopped"))
    )
    if (schedule.nextAnnounceAt !== undefined) {
      expect(Number.isSafeInteger(schedule.nextAnnounceAt)).toBe(true)
      expect(schedule.nextAnnounceAt).toBeLessThanOrEqual(now + limits.maxAnnounceInterval)
    }
  }
  return { announced, schedule }
}

describe("any history", () => {
  test("has announces at least the floor apart, except the second, the first complete and stopped", () => {
    fc.assert(
      fc.property(fc.boolean(), history, chance, (complete, steps, random) => {
        const { announced } = play(complete, steps, random)
        // One gap is shorter: between the first announce that a tracker answered and the next one.
        let secondTold = false
        announced.forEach(({ event, at }, index) => {
          const before = announced[index - 1]
          if (before === undefined || event === "stopped") return
          if (event === "complete" && before.event !== "complete") return
          if (at - before.at < limits.minAnnounceInterval && !secondTold) {
            secondTold = true
            expect(at - before.at).toBeGreaterThanOrEqual(limits.secondAnnounceDelay / 2)
            return
          }
          expect(at - before.at).toBeGreaterThanOrEqual(limits.minAnnounceInterval)
        })
      }),
      { numRuns: 1000 }
    )
  })

  test("announces downloading, then complete, then stopped once, and nothing after it", () => {
    fc.assert(
      fc.property(fc.boolean(), history, chance, (complete, steps, random) => {
        const ranks = play(complete, steps, random).announced.map(({ event }) =>
          ["downloading", "complete", "stopped"].indexOf(event)
        )
        expect(ranks).toEqual([...ranks].sort())
        expect(ranks.filter((rank) => rank === 2).length).toBeLessThanOrEqual(1)
        if (complete) expect(ranks).not.toContain(0)
      }),
      { numRuns: 500 }
    )
  })
})

/** The first announce, answered at once. */
const join = (schedule: AnnounceSchedule): void => {
  schedule.begun(0)
  schedule.succeeded(3000, 0, smallest)
}

describe("a member", () => {
  test("announces at once, soon again, then at the interval of the tracker, shortened by at most an eighth", () => {
    for (const [random, soon, expected] of [
      [smallest, limits.secondAnnounceDelay, seconds(3)],
      [largest, limits.secondAnnounceDelay / 2 + 1, seconds(3) - seconds(3) / 8]
    ] as const) {
      const schedule = new AnnounceSchedule(false, 50)
      expect(schedule.nextAnnounceAt).toBe(50)
      expect(schedule.begun(50)).toBe("downloading")
      expect(schedule.phase).toBe("joining")
      schedule.succeeded(3000, 100, random)
      expect(schedule.phase).toBe("downloading")
      expect(schedule.nextAnnounceAt).toBe(100 + soon)
      schedule.begun(100 + soon)
      schedule.succeeded(3000, 500_000, random)
      expect(schedule.nextAnnounceAt).toBe(500_000 + expected)
    }
  })

  test("keeps an interval of the tracker within the limits", () => {
    for (const [told, kept] of [
      [0, limits.minAnnounceInterval],
      [1e12, limits.maxAnnounceInterval]
    ] as const) {
      const schedule = new AnnounceSchedule(false, 0)
      join(schedule)
      const second = schedule.nextAnnounceAt!
      schedule.begun(second)
      schedule.succeeded(told, second, smallest)
      expect(schedule.nextAnnounceAt).toBe(second + kept)
    }
  })

  test("announces at once that it is complete, also when it completes during an announce", () => {
    const schedule = new AnnounceSchedule(false, 0)
    schedule.begun(0)
    schedule.completed(10)
    expect(schedule.nextAnnounceAt).toBeUndefined()
    schedule.succeeded(3000, 20, smallest)
    expect(schedule.nextAnnounceAt).toBe(20)
    expect(schedule.begun(20)).toBe("complete")
    schedule.succeeded(60_000, 30, smallest)
    expect(schedule.nextAnnounceAt).toBe(30 + seconds(60))

    const waiting = new AnnounceSchedule(false, 0)
    waiting.begun(0)
    waiting.succeeded(3000, 0, smallest)
    waiting.completed(10)
    expect(waiting.nextAnnounceAt).toBe(10)
  })

  test("backs off while trackers fail, from 1-2 s to 7.5-15 s, and resets the backoff on success", () => {
    const waits = (random: RandomSource): readonly Micros[] => {
      const schedule = new AnnounceSchedule(false, 0)
      return Array.from({ length: 5 }, () => {
        const now = schedule.nextAnnounceAt!
        schedule.begun(now)
        schedule.failed(now, random)
        return schedule.nextAnnounceAt! - now
      })
    }
    expect(waits(smallest)).toEqual([2, 4, 8, 15, 15].map(seconds))
    expect(waits(largest)).toEqual([1, 2, 4, 7.5, 7.5].map(seconds))

    const schedule = new AnnounceSchedule(false, 0)
    for (const answered of [false, false, true, false]) {
      const now = schedule.nextAnnounceAt!
      schedule.begun(now)
      if (answered) schedule.succeeded(3000, now, smallest)
      else schedule.failed(now, smallest)
    }
    expect(schedule.nextAnnounceAt).toBe(seconds(2 + 4 + 2) + limits.secondAnnounceDelay)
  })

  test("announces earlier with few neighbours, at the floor, but not during a backoff or when complete", () => {
    const schedule = new AnnounceSchedule(false, 0)
    schedule.fewNeighbours(0)
    schedule.begun(0)
    schedule.fewNeighbours(5)
    expect(schedule.nextAnnounceAt).toBeUndefined()
    schedule.succeeded(3000, 5, smallest)
    schedule.fewNeighbours(10)
    const second = 5 + limits.secondAnnounceDelay
    expect(schedule.nextAnnounceAt).toBe(second)
    schedule.begun(second)
    schedule.succeeded(3000, second, smallest)
    schedule.fewNeighbours(second)
    expect(schedule.nextAnnounceAt).toBe(second + limits.minAnnounceInterval)
    schedule.fewNeighbours(milliseconds(2500))
    schedule.begun(milliseconds(2500))
    schedule.failed(milliseconds(2500), smallest)
    schedule.fewNeighbours(seconds(4))
    expect(schedule.nextAnnounceAt).toBe(milliseconds(4500))
    schedule.completed(seconds(4))
    schedule.begun(seconds(4))
    schedule.succeeded(60_000, seconds(4), smallest)
    schedule.fewNeighbours(seconds(6))
    expect(schedule.nextAnnounceAt).toBe(seconds(64))
  })

  test("that leaves announces stopped once, at once, and not at all when no tracker can know it", () => {
    const silent = new AnnounceSchedule(false, 0)
    silent.left(1)
    expect(silent.nextAnnounceAt).toBeUndefined()

    const known = new AnnounceSchedule(false, 0)
    known.begun(0)
    known.left(1)
    known.failed(2, smallest)
    expect(known.nextAnnounceAt).toBe(2)
    expect(known.begun(2)).toBe("stopped")
    known.failed(3, smallest)
    expect(known.nextAnnounceAt).toBeUndefined()
    expect(known.phase).toBe("left")
  })

  test("has one announce at a time, and only when it is due", () => {
    const schedule = new AnnounceSchedule(false, 10)
    expect(() => schedule.begun(9)).toThrow(InvariantViolation)
    schedule.begun(10)
    expect(() => schedule.begun(10)).toThrow(InvariantViolation)
    schedule.succeeded(3000, 10, smallest)
    expect(() => schedule.succeeded(3000, 10, smallest)).toThrow(InvariantViolation)
    expect(() => schedule.failed(10, smallest)).toThrow(InvariantViolation)
  })
})
