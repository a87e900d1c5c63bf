// Checks that a shared thing is made once for all who ask meanwhile, and ends when it should: after a while without
// users, when it is forgotten and left, with its maker's interruption, and with the scope of all.

import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { SharedThings } from "./shared-things.ts"

/** Things that write down when they are made and ended; unused they stay for a second. */
const stage = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const things = new SharedThings<string, string>(Duration.seconds(1), scope)
  yield* Scope.addFinalizerExit(scope, () => things.close())
  const happened: string[] = []
  const make = (name: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        happened.push(`${name} made`)
        return name
      }),
      () => Effect.sync(() => happened.push(`${name} ended`))
    )
  const use = (name: string) => Effect.scoped(things.get("key", make(name)))
  return { things, happened, make, use }
})

describe("a shared thing", () => {
  it.effect("is one for all who use it, and ends a while after the last has left", () =>
    Effect.gen(function* () {
      const { things, happened, make, use } = yield* stage
      const long = yield* Scope.make()
      assert.strictEqual(yield* Scope.provide(things.get("key", make("first")), long), "first")
      assert.strictEqual(yield* use("second"), "first")
      yield* TestClock.adjust("1 hour")
      yield* Scope.close(long, Exit.void)
      yield* TestClock.adjust("900 millis")
      assert.strictEqual(yield* use("third"), "first")
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(happened, ["first made"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(happened, ["first made", "first ended"])
      assert.strictEqual(yield* use("fourth"), "fourth")
    })
  )

  it.effect("that is forgotten is made anew, and ends when those who use it have left", () =>
    Effect.gen(function* () {
      const { things, happened, make, use } = yield* stage
      const long = yield* Scope.make()
      yield* Scope.provide(things.get("key", make("first")), long)
      yield* things.forget("key")
      assert.strictEqual(yield* use("second"), "second")
      assert.deepStrictEqual(happened, ["first made", "second made"])
      yield* Scope.close(long, Exit.void)
      assert.deepStrictEqual(happened, ["first made", "second made", "first ended"])
      yield* things.forget("key")
      assert.deepStrictEqual(happened, ["first made", "second made", "first ended", "second ended"])
    })
  )

  it.effect("that cannot be made fails all who wait, and each in the while after", () =>
    Effect.gen(function* () {
      const { things, use } = yield* stage
      const gate = yield* Deferred.make<never, string>()
      const asked = yield* Effect.forkChild(
        Effect.exit(Effect.scoped(things.get("key", Deferred.await(gate))))
      )
      const waiting = yield* Effect.forkChild(Effect.exit(use("second")))
      yield* Effect.yieldNow
      yield* Deferred.fail(gate, "no")
      assert.deepStrictEqual(yield* Fiber.join(asked), Exit.fail("no"))
      assert.deepStrictEqual(yield* Fiber.join(waiting), Exit.fail("no"))
      assert.deepStrictEqual(yield* Effect.exit(use("third")), Exit.fail("no"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* use("fourth"), "fourth")
    })
  )

  it.effect("is still made when the first who asked has hung up, and for no longer than it is wanted", () =>
    Effect.gen(function* () {
      const { things, happened, use } = yield* stage
      const gate = yield* Deferred.make<string>()
      const make = Effect.onInterrupt(Deferred.await(gate), () =>
        Effect.sync(() => happened.push("interrupted"))
      )
      const first = yield* Effect.forkChild(Effect.scoped(things.get("key", make)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(happened, [])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(happened, ["interrupted"])
      assert.strictEqual(yield* use("second"), "second")
    })
  )

  it.effect("ends with the scope of all, and then there is none", () =>
    Effect.gen(function* () {
      const all = yield* Scope.make()
      const { happened, use } = yield* Scope.provide(stage, all)
      yield* use("first")
      yield* Scope.close(all, Exit.void)
      assert.deepStrictEqual(happened, ["first made", "first ended"])
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(use("second"))))
    })
  )
})
