// The conditions of a blob's removal: it is not used and not touched, and requests during the removal wait and see
// the result.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OriginLimits } from "./limits.ts"
import { makeOriginTouches } from "./origin-touches.ts"

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest
const [one, other] = [digest("1"), digest("2")]

describe("touches of an origin's blobs", () => {
  it.effect("count from the start for every blob, and from the last touch for each", () =>
    Effect.gen(function* () {
      const touches = yield* makeOriginTouches
      assert.isFalse(touches.isIdle(one, 0))
      assert.isTrue(touches.isIdle(one, 1))
      yield* TestClock.adjust(1000)
      yield* touches.touch(one)
      assert.isFalse(touches.isIdle(one, 1000))
      assert.isTrue(touches.isIdle(one, 1001))
      assert.isTrue(touches.isIdle(other, 1000))
      // The time of all other touches does not go back when touches are forgotten.
      touches.forget(1001)
      assert.isFalse(touches.isIdle(one, 1000))
      assert.isTrue(touches.isIdle(one, 1001))
    })
  )

  it.effect(
    "are remembered for maxTouchesRemembered blobs; others count as touched with the last of them",
    () =>
      Effect.gen(function* () {
        const touches = yield* withLimits(makeOriginTouches, OriginLimits, { maxTouchesRemembered: 2 })
        for (const touched of [one, other, digest("3")]) {
          yield* TestClock.adjust(1000)
          yield* touches.touch(touched)
        }
        const never = digest("4")
        assert.isFalse(touches.isIdle(one, 1000), "forgotten, and not taken for untouched")
        assert.isTrue(touches.isIdle(one, 1001))
        assert.isFalse(touches.isIdle(never, 1000))
        assert.isTrue(touches.isIdle(never, 1001))
        assert.isFalse(touches.isIdle(other, 2000))
        assert.isTrue(touches.isIdle(other, 2001))
      })
  )

  it.effect("hold a blob while it is used, and from then on as a touch", () =>
    Effect.gen(function* () {
      const touches = yield* makeOriginTouches
      const ends = yield* Deferred.make<void>()
      yield* TestClock.adjust(1000)
      const using = yield* Effect.forkChild(touches.using(one, Deferred.await(ends)))
      const second = yield* Effect.forkChild(touches.using(one, Effect.void))
      yield* Fiber.join(second)
      yield* TestClock.adjust(1000)
      assert.isFalse(yield* touches.remove(one, 3000, Effect.die("it is used")))
      yield* Deferred.succeed(ends, undefined)
      yield* Fiber.join(using)
      assert.isFalse(yield* touches.remove(one, 2000, Effect.die("it was used")))
      assert.isTrue(yield* touches.remove(one, 2001, Effect.succeed(true)))
    })
  )

  for (const ending of ["well", "badly"] as const) {
    it.effect(`let requests during a removal wait, when it ends ${ending}`, () =>
      Effect.gen(function* () {
        const touches = yield* makeOriginTouches
        yield* TestClock.adjust(1000)
        const ends = yield* Deferred.make<boolean, string>()
        const order: string[] = []
        const record = (what: string) => Effect.sync(() => order.push(what))
        const removal = Effect.ensuring(Deferred.await(ends), record("gone"))
        const removing = yield* Effect.forkChild(Effect.exit(touches.remove(one, 10, removal)))
        yield* settle
        const touching = yield* Effect.forkChild(Effect.andThen(touches.touch(one), record("touched")))
        const using = yield* Effect.forkChild(touches.using(one, record("used")))
        yield* touches.touch(other)
        assert.isFalse(yield* touches.remove(one, 10, Effect.die("it is going")))
        yield* settle
        assert.deepStrictEqual(order, [])
        yield* ending === "well" ? Deferred.succeed(ends, true) : Deferred.fail(ends, "disk")
        yield* Fiber.join(removing)
        yield* Fiber.join(touching)
        yield* Fiber.join(using)
        assert.strictEqual(order[0], "gone")
        assert.deepStrictEqual(order.toSorted(), ["gone", "touched", "used"])
        assert.isFalse(touches.isIdle(one, 1000))
      })
    )
  }
})
