// Checks that what is held is released once, when the scope ends, and that fibers end with it.

import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { held, makeFork } from "./scoped.ts"

it.effect("what is held is released when the scope ends, the last first", () =>
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

it.effect("forks are interrupted when the scope ends, and none begins after", () =>
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
