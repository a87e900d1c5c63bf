// A failed pull is told once for all who wait for its blob, and again when it fails later; few blobs are remembered.

import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { logged } from "../../../testing/roles/logged.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { agentLimits } from "./limits.ts"
import { PullFailures } from "./pull-failures.ts"

const digest = (number: number) => `sha256:${String(number).padStart(64, "0")}` as Digest

it.effect("tells a failure once within the pause, and forgets the blob that was told longest ago", () =>
  Effect.gen(function* () {
    let now = 0
    const timers = { now: () => now, wakeAt: () => () => {} }
    const limits = { ...agentLimits, maxFailuresTold: 2, failureToldPause: 10 }
    const failures = new PullFailures(limits, timers)
    const told = (number: number) => {
      const lines: string[] = []
      return Effect.as(logged(failures.tell("demo", digest(number), "nobody has it"), lines), lines)
    }
    expect(yield* told(1)).toEqual([
      `Warn a pull failed: nobody has it namespace=demo digest=${digest(1)} pieces=none`
    ])
    now = 9
    expect(yield* told(1)).toEqual([])
    now = 10
    expect(yield* told(1)).toHaveLength(1)
    yield* told(2)
    yield* told(3)
    expect(yield* told(2)).toEqual([])
    expect(yield* told(1)).toHaveLength(1)
  })
)
