// Tests of scoped resources and fibers: each is released once, or interrupted, at the end of its scope.

import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { held, makeFork } from "./scoped.ts"

it.effect("held values are released at the end of the scope, the last one first", () =>
  Effect.gen(function* () {
    const happened: string[] = []
    const scope = yield* Scope.make()
    const hold = (name: string) =>
      held(
        () => name,
        (value) => happened.push(value)
      )
    assert.strictEqual(yield* Scope.provide(hold("first"), scope), "first")
    yield* Scope.provide(hold("second"), scope)
    assert.deepStrictEqual(happened, [])
    yield* Scope.close(scope, Exit.void)
    assert.deepStrictEqual(happened, ["second", "first"])
  })
)

it.effect("forked fibers are interrupted at the end of the scope, and none starts after it", () =>
  Effect.gen(function* () {
    const happened: string[] = []
    const scope = yield* Scope.make()
    const fork = yield* Scope.provide(makeFork, scope)
    const say = (text: string) => Effect.sync(() => happened.push(text))
    fork(say("ran"))
    fork(Effect.onInterrupt(Effect.never, () => say("interrupted")))
    assert.deepStrictEqual(happened, ["ran"])
    yield* Scope.close(scope, Exit.void)
    assert.deepStrictEqual(happened, ["ran", "interrupted"])
    fork(say("too late"))
    assert.deepStrictEqual(happened, ["ran", "interrupted"])
  })
)
