// Response time: timeouts follow the responses, and return when these are fast again.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { milliseconds, seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import { AnswerTime } from "./answer-time.ts"
import { peerHostRules } from "./host-context.ts"

const MiB = 1024 * 1024
const rules = peerHostRules({})
const shortest = limits.requestTimeoutBase + 4 * limits.requestTimeoutPerMiB

describe("the response time", () => {
  test("begins with the timeout of the piece length", () => {
    const times = new AnswerTime(rules, 4 * MiB)
    expect(times.timeout).toBe(shortest)
    expect(times.patience).toBe(shortest / 2)
  })

  test("is counted in whole microseconds", () => {
    const short = { ...rules, requestTimeoutBase: 10, requestTimeoutPerMiB: 1 }
    const times = new AnswerTime(short, MiB / 2)
    expect([times.timeout, times.patience]).toEqual([11, 5])
    times.answered(100)
    expect([times.timeout, times.patience]).toEqual([400, 200])
    // An eighth of the difference is added to the usual answer: 100.125, then 100.234375.
    times.answered(101)
    expect([times.timeout, times.patience]).toEqual([401, 200])
    times.answered(103)
    expect([times.timeout, times.patience]).toEqual([402, 201])
  })

  test("doubles once for requests that expire together, and again half a timeout later", () => {
    const times = new AnswerTime(rules, 4 * MiB)
    times.expired(seconds(20))
    times.expired(seconds(21))
    expect(times.timeout).toBe(2 * shortest)
    times.expired(seconds(20) + shortest)
    expect(times.timeout).toBe(4 * shortest)
  })

  test("follows late responses, and resets after fast ones", () => {
    const times = new AnswerTime(rules, 4 * MiB)
    times.answered(seconds(40))
    expect(times.timeout).toBe(seconds(160))
    for (let answer = 0; answer < 60; answer++) times.answered(milliseconds(13))
    expect(times.timeout).toBe(shortest)
    expect(times.patience).toBeLessThan(milliseconds(60))
  })

  test("stays within its bounds in any history", () => {
    const step = fc.oneof(
      fc.record({ answered: fc.nat(seconds(3600)) }),
      fc.record({ later: fc.nat(seconds(60)) })
    )
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 1, max: 16 * MiB }), (steps, pieceLength) => {
        const times = new AnswerTime(rules, pieceLength)
        const first = times.timeout
        let now = 0
        for (const one of steps) {
          if ("answered" in one) times.answered(one.answered)
          else {
            now += one.later
            times.expired(now)
          }
          expect(times.timeout).toBeGreaterThanOrEqual(first)
          expect(times.timeout).toBeLessThanOrEqual(Math.max(first, limits.maxRequestTimeout))
        }
      })
    )
  })
})
