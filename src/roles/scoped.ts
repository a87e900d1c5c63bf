// Resources and fibers that end with a scope. Effect's acquireRelease and FiberSet do the same, but each keeps the
// fiber's context, a chain of closures or a set: some 500 bytes, a dozen times in every agent of a simulation of
// 100,000. It knows no role.

import { Effect, Fiber, Scope } from "effect"

/** Runs a plain call when the scope ends. */
export const atEnd = (release: () => unknown): Effect.Effect<void, never, Scope.Scope> =>
  held(nothing, release)

/** Acquires by a plain call, and releases by another when the scope ends. Neither call may throw. */
export const held = <A>(
  acquire: () => A,
  release: (value: A) => unknown
): Effect.Effect<A, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const value = acquire()
        return Effect.as(Scope.addFinalizerExit(scope, releasing(release, value)), value)
      })
    )
  )

const nothing = (): void => {}

/** A function of its own, so that the finalizer's closure holds these two values and nothing else. */
const releasing =
  <A>(release: (value: A) => unknown, value: A) =>
  (): Effect.Effect<void> => {
    release(value)
    return Effect.void
  }

export type Fork = (effect: Effect.Effect<unknown>) => void

/** Makes a function that runs an effect in a fiber. The end of the scope interrupts the fibers and starts no more. */
export const makeFork: Effect.Effect<Fork, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  return (effect) => {
    if (scope.state._tag !== "Closed") Fiber.runIn(run(effect), scope)
  }
})
