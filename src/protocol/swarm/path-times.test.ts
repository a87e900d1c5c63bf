// Times of paths: what a request counts on short, long and slow paths.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { limits } from "../limits.ts"
import { type NeighbourPath, PathTimes, sawRoundTrip, wholeRequest } from "./path-times.ts"

const path = (roundTrip?: number): NeighbourPath => ({ answerTime: 0, session: { roundTrip } })

/** What a request counts on a path of this round trip after many answers of this time. */
const weightOf = (roundTrip: number, took: number): number => {
  const times = new PathTimes(limits)
  const one = path(roundTrip)
  for (let count = 0; count < 100; count++) times.answered(one, took)
  return times.weight(one)
}

describe("a request", () => {
  test("counts whole before the first piece, and where no round trip is known", () => {
    const times = new PathTimes(limits)
    expect([times.weight(path()), times.weight(path(400))]).toEqual([wholeRequest, wholeRequest])
    const unknown = path()
    times.answered(unknown, 500)
    expect([times.weight(unknown), times.flowPart(unknown)]).toEqual([wholeRequest, 1])
  })

  test("counts by the part of its life that is flow, and still less on a path that is longer than the flow", () => {
    expect(weightOf(400, 17_500)).toBe(977)
    expect(weightOf(4_000, 21_500)).toBe(784)
    // Half of it is flow: 500 / (1 + 6 / 8).
    expect(weightOf(10_000, 20_000)).toBe(286)
    expect(weightOf(40_000, 57_500)).toBe(Math.round(304.35 / (1 + 6 * 0.69565 ** 3)))
    // An answer without any flow: the least part, and not nothing.
    expect(weightOf(40_000, 40_000)).toBe(Math.round(50 / (1 + 6 * 0.95 ** 3)))
  })

  test("counts nothing when the neighbour takes more than slowNeighbourFactor times as long as usual", () => {
    const times = new PathTimes({ ...limits, slowNeighbourFactor: 2 })
    const [usual, slow, slower] = [path(0), path(0), path(0)]
    slow.answerTime = 199
    slower.answerTime = 202
    for (let count = 0; count < 100; count++) times.answered(usual, 100)
    expect([usual, slow, slower].map((each) => times.weight(each))).toEqual([wholeRequest, wholeRequest, 0])
    // When all are slow, none is.
    for (let count = 0; count < 100; count++) times.answered(usual, 400)
    expect([usual, slow, slower].map((each) => times.weight(each))).toEqual([1000, 1000, 1000])
  })

  test("counts by smoothed times: a quarter of each difference", () => {
    const times = new PathTimes(limits)
    const one = path(0)
    for (const took of [100, 200, 125]) times.answered(one, took)
    expect(one.answerTime).toBe(125)
  })
})

describe("a round trip", () => {
  test("is the shortest answer that was seen; a piece corrects it, but is none itself", () => {
    const { session } = path()
    for (const took of [50, 70, 40, 60]) sawRoundTrip(session, took)
    expect(session.roundTrip).toBe(40)
    const times = new PathTimes(limits)
    const [known, unknown] = [path(40), path()]
    for (const one of [known, unknown]) times.answered(one, 30)
    expect([known.session.roundTrip, unknown.session.roundTrip]).toEqual([30, undefined])
  })
})

test("weights are whole, at most wholeRequest, and not below that of the least part", () => {
  const answer = fc.record({ neighbour: fc.nat(2), took: fc.nat(200_000), hasPiece: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(answer),
      fc.array(fc.option(fc.nat(100_000), { nil: undefined })),
      (answers, seen) => {
        const times = new PathTimes(limits)
        const paths = [0, 1, 2].map((index) => path(seen[index]))
        const least = Math.round((wholeRequest * limits.minFlowPart) / (1 + limits.longPathGain))
        for (const { neighbour, took, hasPiece } of answers) {
          const one = paths[neighbour]!
          const before = one.session.roundTrip ?? Number.POSITIVE_INFINITY
          if (hasPiece) times.answered(one, took)
          else sawRoundTrip(one.session, took)
          expect(one.session.roundTrip ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(before)
          for (const each of paths) {
            const weight = times.weight(each)
            expect(Number.isInteger(weight) && weight <= wholeRequest).toBe(true)
            expect(weight === 0 || weight >= least).toBe(true)
            expect(times.flowPart(each)).toBeLessThanOrEqual(1)
          }
        }
      }
    )
  )
})
