// Ports for the systems under test, on 127.0.0.1: free, below the range that the kernel assigns by itself, and reserved
// while the scope is open, so that two benches or tests at once do not meet.

import { Effect, type Scope } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"
import { reservePorts } from "./reserved-ports.ts"

const [lowest, highest] = [10_000, 32_000]
const mostAttempts = 200

/** Consecutive ports. */
export const takePorts = (
  count: number
): Effect.Effect<ReadonlyArray<number>, RealBenchFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        const first = lowest + Math.floor(Math.random() * (highest - lowest - count))
        const ports = Array.from({ length: count }, (_, index) => first + index)
        const release = yield* Effect.promise(() => reservePorts(ports))
        if (release !== undefined) return { ports, release }
      }
      return yield* new RealBenchFailed({
        message: `no ${count} free ports in a row between ${lowest} and ${highest}`
      })
    }),
    ({ release }) => Effect.sync(release)
  ).pipe(Effect.map(({ ports }) => ports))
