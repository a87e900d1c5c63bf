// The cache of look-ups: results expire by the clock of the program, whoever asked for them and left.

import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { settle } from "../../../testing/roles/settle.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { makeExpiringCache } from "./expiring-cache.ts"

/** A cache of look-ups that take a second, and the keys that were looked up. Keys that begin with "no" fail. */
const stage = Effect.gen(function* () {
  const looks: string[] = []
  const state = { looks, interrupted: 0 }
  const cache = yield* makeExpiringCache(
    (key: string) =>
      Effect.gen(function* () {
        looks.push(key)
        yield* Effect.sleep("1 seconds")
        if (key.startsWith("no")) return yield* Effect.fail(`${key} fails`)
        return looks.length
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => state.interrupted++))),
    {
      capacity: 2,
      lifetime: (result) => (Exit.isSuccess(result) ? seconds(60) : seconds(5))
    }
  )
  const get = (key: string) =>
    Effect.gen(function* () {
      const asking = yield* Effect.forkChild(Effect.exit(cache.get(key)))
      yield* settle
      if (asking.pollUnsafe() === undefined) yield* TestClock.adjust("1 seconds")
      return yield* Fiber.join(asking)
    })
  return { cache, get, state }
})

describe("the cache of look-ups", () => {
  it.effect.each([
    ["value", "yes", "59 seconds"],
    ["failure", "no", "4 seconds"]
  ] as const)(
    "gives out a %s for its lifetime, also when the caller that asked first has gone",
    ([, key, before]) =>
      Effect.gen(function* () {
        const { cache, get, state } = yield* stage
        const first = yield* Effect.forkChild(cache.get(key))
        yield* settle
        const second = yield* Effect.forkChild(Effect.exit(cache.get(key)))
        yield* settle
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("1 seconds")
        const result = yield* Fiber.join(second)
        assert.strictEqual(Exit.isSuccess(result), key === "yes")
        yield* TestClock.adjust(before)
        assert.deepStrictEqual(yield* get(key), result)
        assert.lengthOf(state.looks, 1)
        yield* TestClock.adjust("1 seconds")
        yield* get(key)
        assert.lengthOf(state.looks, 2)
      })
  )

  it.effect("interrupts a look-up that nobody waits for, and does not keep it", () =>
    Effect.gen(function* () {
      const { cache, get, state } = yield* stage
      const callers = yield* Effect.forEach(["yes", "yes"], (key) => Effect.forkChild(cache.get(key)))
      yield* settle
      yield* Fiber.interrupt(callers[0]!)
      assert.strictEqual(state.interrupted, 0)
      yield* Fiber.interrupt(callers[1]!)
      assert.strictEqual(state.interrupted, 1)
      assert.deepStrictEqual(yield* get("yes"), Exit.succeed(2))
    })
  )

  it.effect("does not keep a look-up that interrupts itself, nor a result with lifetime 0", () =>
    Effect.gen(function* () {
      let looks = 0
      const cache = yield* makeExpiringCache(
        (key: string) => Effect.suspend(() => (++looks === 1 ? Effect.interrupt : Effect.succeed(key))),
        {
          capacity: 1,
          lifetime: (result) => (Exit.isSuccess(result) && result.value === "b" ? 0 : seconds(1))
        }
      )
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(cache.get("a"))))
      yield* cache.get("a")
      assert.strictEqual(looks, 2)
      yield* cache.get("b")
      yield* cache.get("b")
      assert.strictEqual(looks, 4)
      yield* cache.get("a")
      assert.strictEqual(looks, 4, "a result that is not kept takes no room")
    })
  )

  it.effect("keeps the results that were used last", () =>
    Effect.gen(function* () {
      const { get, state } = yield* stage
      yield* Effect.forEach(["a", "b", "a", "c", "a", "b"], get)
      assert.deepStrictEqual(state.looks, ["a", "b", "c", "b"])
    })
  )

  it.effect("forgets a value that is wrong", () =>
    Effect.gen(function* () {
      const { cache, get, state } = yield* stage
      yield* get("a")
      yield* cache.forgetWhen("a", (value) => value === 2)
      yield* get("a")
      assert.lengthOf(state.looks, 1)
      yield* cache.forgetWhen("a", (value) => value === 1)
      yield* get("a")
      assert.lengthOf(state.looks, 2)
    })
  )
})
