// Readiness of a herd whose disks do not answer: each part says so within the time of a health check.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { send } from "../../../testing/roles/exchange.ts"
import { startHerd } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { AskLimits } from "../client/limits.ts"

it.effect("a store or a table that does not answer is reported after healthTimeout", () =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const disk = { hangs: false }
    const orHang = <A, E>(call: Effect.Effect<A, E>) =>
      Effect.suspend(() => (disk.hangs ? Effect.never : call))
    const blobs = world.blobs("herd/origin")
    const { stat } = blobs
    Object.assign(blobs, { stat: (...asked: Parameters<typeof stat>) => orHang(stat(...asked)) })
    const tables = world.tables("herd/build-index")
    const { get } = tables
    Object.assign(tables, { get: (...asked: Parameters<typeof get>) => orHang(get(...asked)) })
    yield* withLimits(startHerd(world), AskLimits, { healthTimeout: seconds(1) })
    disk.hangs = true
    for (const [part, port] of [
      ["blob store", 15002],
      ["tables", 15004]
    ] as const) {
      const asking = yield* Effect.forkChild(send(world, "GET", `http://herd:${port}/readiness`))
      yield* settle
      yield* TestClock.adjust("999 millis")
      yield* settle
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const answer = yield* Fiber.join(asking)
      assert.strictEqual(answer.status, 503)
      assert.include(answer.text, part)
    }
  }).pipe(Effect.scoped)
)
