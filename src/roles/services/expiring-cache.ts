// Cache of look-ups whose results expire, failures too: Effect's Cache, with the expiry kept here. When a look-up ends,
// Effect 4.1 reads the clock of the fiber that asked first. If that fiber was interrupted while others wait for the
// same look-up, it has no context any more, so the default clock answers: the wrong one in a simulation or a test.
//
// Invariants: concurrent callers share one look-up, which is interrupted when none of them waits any more; a result is
// given out for its lifetime from the end of its look-up, by the monotonic clock of the look-up and of the caller; at
// most `capacity` results are kept, those used last; an interrupted look-up and a result with lifetime 0 are not kept.

import { Cache, Duration, Effect, Exit, Option } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import { monotonicMicros } from "./clock.ts"

export interface ExpiringCache<K, A, E> {
  /** The kept result of a key, else that of a look-up. */
  readonly get: (key: K) => Effect.Effect<A, E>
  /** Forgets the kept value of a key if it is wrong. It does not wait for a look-up. */
  readonly forgetWhen: (key: K, isWrong: (value: A) => boolean) => Effect.Effect<void>
}

export interface ExpiringCacheOptions<A, E> {
  readonly capacity: number
  readonly lifetime: (result: Exit.Exit<A, E>) => Micros
}

interface Entry<A, E> {
  readonly result: Exit.Exit<A, E>
  readonly at: Micros
  readonly lifetime: Micros
}

export const makeExpiringCache = <K, A, E>(
  lookup: (key: K) => Effect.Effect<A, E>,
  { capacity, lifetime }: ExpiringCacheOptions<A, E>
): Effect.Effect<ExpiringCache<K, A, E>> =>
  Effect.gen(function* () {
    const entries = yield* Cache.makeWith(
      (key: K): Effect.Effect<Entry<A, E>> =>
        Effect.gen(function* () {
          const result = yield* Effect.exit(lookup(key))
          if (Exit.hasInterrupts(result)) return yield* Effect.interrupt
          return { result, at: yield* monotonicMicros, lifetime: lifetime(result) }
        }),
      {
        capacity,
        // Only a finite time other than 0 makes the cache read a clock.
        timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value.lifetime > 0 ? Duration.infinity : 0)
      }
    )

    const dropWhen = (key: K, isStale: (entry: Entry<A, E>) => boolean): Effect.Effect<void> =>
      Effect.flatMap(Cache.getSuccess(entries, key), (kept) =>
        Option.isSome(kept) && isStale(kept.value) ? Cache.invalidate(entries, key) : Effect.void
      )

    return {
      get: (key) =>
        Effect.gen(function* () {
          const now = yield* monotonicMicros
          yield* dropWhen(key, (entry) => now - entry.at >= entry.lifetime)
          const { result } = yield* Cache.get(entries, key)
          return yield* result
        }),
      forgetWhen: (key, isWrong) =>
        dropWhen(key, ({ result }) => Exit.isSuccess(result) && isWrong(result.value))
    }
  })
