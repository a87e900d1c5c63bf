// What a process uses is read from Node, and a delay of the event loop is seen once it happened.

import { setImmediate } from "node:timers/promises"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { PlatformLimits } from "./limits.ts"
import { nodeProcessUse } from "./node-process-use.ts"

/** A turn of the event loop. */
const turn = Effect.promise(() => setImmediate())

const blockFor = (milliseconds: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

it.live("reads processor time, memory, and how late the event loop was", () =>
  Effect.gen(function* () {
    const use = yield* withLimits(nodeProcessUse, PlatformLimits, { loopDelayWindow: 0 })
    const before = use()
    expect(before.residentBytes).toBeGreaterThan(1_000_000)
    expect(before.cpuSeconds).toBeGreaterThan(0)
    // A reading begins anew, and the monitor then needs a wake before a block and one after it.
    let { cpuSeconds, loopDelay } = before
    while (loopDelay.max < 0.1) {
      for (let block = 0; block < 3; block++) {
        blockFor(200)
        yield* turn
        yield* turn
      }
      ;({ cpuSeconds, loopDelay } = use())
    }
    expect(cpuSeconds).toBeGreaterThanOrEqual(before.cpuSeconds)
    expect(loopDelay.p99).toBeLessThanOrEqual(loopDelay.max)
  })
)

it.live("shows every reader the same delay for a while", () =>
  Effect.gen(function* () {
    const use = yield* nodeProcessUse
    const { loopDelay } = use()
    blockFor(50)
    yield* turn
    expect(use().loopDelay).toBe(loopDelay)
  })
)
