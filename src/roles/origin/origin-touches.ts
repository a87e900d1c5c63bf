// Ensures that an origin removes a blob only when nobody relies on it. A client that learns that a blob is here
// touches it, a client that brings one uses it, and a removal either finds this or is waited for.
//
//   idle --use--> used (by several) --last one ends--> idle, touched now
//   idle --removal, not touched since--> going --removed--> idle
//   touch: immediate when idle or used; when going, after the removal: the toucher then sees what is there
//
// Invariants: between the check of the last touch and the start of a removal nothing else runs; a blob that is used
// or was touched at the given time or later is not removed. Times are this process's: after a start, and when there
// are more touches than are remembered, the other blobs count as touched too.

import { Clock, Deferred, Effect } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OriginLimits } from "./limits.ts"

export interface OriginTouches {
  /** A client relies on the blob, if it is there. */
  readonly touch: (digest: Digest) => Effect.Effect<void>
  /**
   * Runs an effect that reads or brings the blob. The blob cannot be removed meanwhile, and is touched from the start
   * to the end.
   */
  readonly using: <A, E, R>(digest: Digest, use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether nobody uses the blob or touched it at `before` (milliseconds since 1970) or later. */
  readonly isIdle: (digest: Digest, before: number) => boolean
  /** Runs `removal` if the blob is idle; false when it is not. `removal` returns whether it removed anything. */
  readonly remove: <E>(
    digest: Digest,
    before: number,
    removal: Effect.Effect<boolean, E>
  ) => Effect.Effect<boolean, E>
  /** Forgets touches before that time, which mean no more than no touch. */
  readonly forget: (before: number) => void
}

export const makeOriginTouches: Effect.Effect<OriginTouches> = Effect.gen(function* () {
  const { maxTouchesRemembered } = yield* OriginLimits
  /** Milliseconds, the oldest touch first. */
  const touched = new Map<Digest, number>()
  const users = new Map<Digest, number>()
  const going = new Map<Digest, Deferred.Deferred<void>>()
  /** The latest touch that blobs without an entry may have had. */
  let othersTouched = yield* Clock.currentTimeMillis

  const note = (digest: Digest, at: number): void => {
    touched.delete(digest)
    touched.set(digest, at)
    if (touched.size <= maxTouchesRemembered) return
    const [oldest, when] = touched.entries().next().value!
    touched.delete(oldest)
    othersTouched = Math.max(othersTouched, when)
  }

  const isIdle: OriginTouches["isIdle"] = (digest, before) =>
    !users.has(digest) && (touched.get(digest) ?? othersTouched) < before

  /** Calls `begin` when the blob is not going. */
  const unlessGoing = (digest: Digest, begin: () => void): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const removal = going.get(digest)
      if (removal !== undefined) {
        return Effect.andThen(Deferred.await(removal), unlessGoing(digest, begin))
      }
      note(digest, now)
      begin()
      return Effect.void
    })

  const enter = (digest: Digest): void => void users.set(digest, (users.get(digest) ?? 0) + 1)

  const leave = (digest: Digest): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const others = users.get(digest)! - 1
      if (others === 0) users.delete(digest)
      else users.set(digest, others)
      note(digest, now)
    })

  return {
    touch: (digest) => unlessGoing(digest, () => {}),
    using: (digest, use) =>
      Effect.acquireUseRelease(
        unlessGoing(digest, () => enter(digest)),
        () => use,
        () => leave(digest)
      ),
    isIdle,
    remove: (digest, before, removal) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          if (going.has(digest) || !isIdle(digest, before)) return undefined
          const done = Deferred.makeUnsafe<void>()
          going.set(digest, done)
          return done
        }),
        (mine) => (mine === undefined ? Effect.succeed(false) : removal),
        (mine) =>
          Effect.suspend(() => {
            if (mine === undefined) return Effect.void
            going.delete(digest)
            return Deferred.succeed(mine, undefined)
          })
      ),
    forget: (before) => {
      for (const [digest, at] of touched) {
        if (at >= before) return
        touched.delete(digest)
        othersTouched = Math.max(othersTouched, at)
      }
    }
  }
})
