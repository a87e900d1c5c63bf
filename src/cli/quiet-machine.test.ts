// Tests of waiting for a quiet machine, in virtual time: it says why it waits, does not wait when it need not, and
// gives up.

import { it } from "@effect/vitest"
import { Console, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { quietMachine } from "./quiet-machine.ts"

const waiting = (below: number, shares: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    let looks = 0
    const busyNow = Effect.sync(() => shares[Math.min(looks++, shares.length - 1)] ?? 0)
    const recording = { ...globalThis.console, log: (line: string) => void lines.push(line) }
    const fiber = yield* Effect.forkChild(
      Effect.provideService(quietMachine(below, busyNow), Console.Console, recording)
    )
    yield* TestClock.adjust("20 minutes")
    const exit = yield* Fiber.await(fiber)
    return { lines, looks: () => looks, exit }
  })

describe("a machine that must be quiet", () => {
  it.effect("is waited for with a line every ten seconds that says how busy it is", () =>
    Effect.gen(function* () {
      const { lines, exit } = yield* waiting(0.1, [0.9, 0.35, 0.05])
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(lines).toEqual([
        "waits until less than 10 % of the processors are in use (now 90 %); --quiet-below changes that, 1 does not wait",
        "waits until less than 10 % of the processors are in use (now 35 %); --quiet-below changes that, 1 does not wait"
      ])
    })
  )

  it.effect("is not looked at when 1 is asked for", () =>
    Effect.gen(function* () {
      const { lines, looks, exit } = yield* waiting(1, [1])
      expect(Exit.isSuccess(exit)).toBe(true)
      expect([lines, looks()]).toEqual([[], 0])
    })
  )

  it.effect("is given up after ten minutes, in one line with the remedy", () =>
    Effect.gen(function* () {
      const { lines, exit } = yield* waiting(0.1, [0.5])
      expect(lines).toHaveLength(60)
      expect(String(Exit.isFailure(exit) ? exit.cause : "")).toContain("--quiet-below")
    })
  )
})
