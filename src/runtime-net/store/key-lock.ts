// A lock per name: work under one name runs in order while work under other names runs beside it. The semaphore of a
// name exists only while someone holds it or waits for it.

import { Effect, Semaphore } from "effect"

export interface KeyLock {
  /** Runs `effect` when nothing else runs under `key`. */
  readonly withKey: (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const makeKeyLock = (): KeyLock => {
  const held = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  const enter = (key: string) => {
    const entry = held.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
    entry.users++
    held.set(key, entry)
    return entry
  }
  return {
    withKey: (key) => (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(() => enter(key)),
        (entry) => entry.semaphore.withPermits(1)(effect),
        (entry) =>
          Effect.sync(() => {
            entry.users--
            if (entry.users === 0) held.delete(key)
          })
      )
  }
}
