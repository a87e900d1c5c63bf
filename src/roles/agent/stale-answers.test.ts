// How long an image resolver waits for a build-index that does not answer, and how long it leaves it alone, while there
// is a last known value to serve.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BuildIndexClient } from "../client/build-index-client.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeImageResolver } from "./image-resolver.ts"
import { AgentLimits } from "./limits.ts"

const digest = `sha256:${"a".repeat(64)}` as Digest

const stage = (limits: Partial<AgentLimits>) =>
  Effect.gen(function* () {
    const index = { asked: 0, hangs: false }
    const client = {
      tag: () =>
        Effect.suspend(() => {
          index.asked++
          if (index.hangs) return Effect.never
          return Effect.succeed({
            ...{ digest, mediaType: "x", size: 1, version: 1, changedAt: 0 },
            ...{ epoch: "e", deletions: 0, names: [] }
          })
        }),
      tagSince: (repository: string, name: string) => Effect.asSome(client.tag!(repository, name))
    } as Partial<BuildIndexClient> as BuildIndexClient
    const resolver = yield* withLimits(
      makeImageResolver({
        buildIndex: Effect.succeed(client),
        tables: makeMemoryTables(),
        metrics: makeRoleMetrics("agent"),
        freshness: 5000,
        serveStale: true
      }),
      AgentLimits,
      { revalidationPatience: seconds(2), staleRetryPause: seconds(3), ...limits }
    )
    /** Milliseconds of the clock until a tag is resolved, at most so many. */
    const waits = (repository: string, most: number): Effect.Effect<number, never, Scope.Scope> =>
      Effect.gen(function* () {
        const reading = yield* Effect.forkScoped(Effect.orDie(resolver.tag(repository, "1")))
        for (let waited = 0; waited <= most; waited += 100) {
          yield* Effect.repeat(Effect.yieldNow, { times: 50 })
          if (reading.pollUnsafe() !== undefined) return waited
          yield* TestClock.adjust(100)
        }
        yield* Fiber.interrupt(reading)
        return Number.POSITIVE_INFINITY
      })
    return { index, waits }
  })

describe("a read of a tag that is no longer fresh", () => {
  it.effect("waits revalidationPatience, and for staleRetryPause no read asks that build-index again", () =>
    Effect.gen(function* () {
      const { index, waits } = yield* stage({})
      assert.strictEqual(yield* waits("a", 0), 0)
      index.hangs = true
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* waits("a", 5000), 2000)
      assert.strictEqual(index.asked, 2)
      yield* TestClock.adjust("2900 millis")
      assert.strictEqual(yield* waits("a", 5000), 0)
      assert.strictEqual(index.asked, 2)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* waits("a", 5000), 2000)
      assert.strictEqual(index.asked, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("waits again when more repositories are away than maxRememberedRepositories", () =>
    Effect.gen(function* () {
      for (const [maxRememberedRepositories, waited] of [
        [2, 0],
        [1, 2000]
      ] as const) {
        const { index, waits } = yield* stage({ maxRememberedRepositories })
        for (const repository of ["a", "b"]) yield* waits(repository, 0)
        index.hangs = true
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* waits("a", 5000), 2000)
        assert.strictEqual(yield* waits("b", 5000), 2000)
        assert.strictEqual(yield* waits("a", 5000), waited)
      }
    }).pipe(Effect.scoped)
  )
})
