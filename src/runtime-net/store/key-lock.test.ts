// Tests of the lock per name: order under one name, independence of the others, and release after a failure.

import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { settle } from "../../../testing/roles/settle.ts"
import { makeKeyLock } from "./key-lock.ts"

it.effect("work under one name runs in order, also after a failure, and other names run beside it", () =>
  Effect.gen(function* () {
    const { withKey } = makeKeyLock()
    const events: string[] = []
    const go = yield* Deferred.make<void>()
    const work = (name: string, wait: Effect.Effect<void, string>) =>
      Effect.gen(function* () {
        events.push(`${name} begins`)
        yield* wait
        events.push(`${name} ends`)
      })
    const failing = Effect.andThen(Deferred.await(go), Effect.fail("any"))
    const first = yield* Effect.forkChild(withKey("a")(work("first", failing)))
    yield* settle
    const second = yield* Effect.forkChild(withKey("a")(work("second", Effect.yieldNow)))
    yield* settle
    const third = yield* Effect.forkChild(withKey("a")(work("third", Effect.void)))
    yield* withKey("b")(work("other", Effect.void))
    yield* settle
    expect(events).toEqual(["first begins", "other begins", "other ends"])
    yield* Deferred.succeed(go, undefined)
    yield* Fiber.await(first)
    for (const fiber of [second, third]) yield* Fiber.join(fiber)
    expect(events.slice(3)).toEqual(["second begins", "second ends", "third begins", "third ends"])
    yield* withKey("a")(work("last", Effect.void))
    expect(events.at(-1)).toBe("last ends")
  })
)
