// Arbitrary requests to any listener of a cluster in memory are answered with 200 to 499, refusals in OCI's form, and
// leave nothing behind: no upload without its session, no blob that nobody may name, no series per request.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe } from "vitest"
import { type MemoryWorld, makeMemoryWorld } from "../../testing/roles/memory-world.ts"
import { someBytes } from "../../testing/roles/push.ts"
import { settle } from "../../testing/roles/settle.ts"
import { type HostileCluster, startHostileCluster } from "./hostile-cluster.ts"
import { type HostileRequest, hostileChunks, hostileRequest } from "./hostile-requests.ts"

const runs = Number(process.env.SHOAL_FUZZ_RUNS ?? 200)

/** Plays each of many cases on one cluster, in one scope. */
const onCluster = <A>(
  test: (cluster: HostileCluster, world: MemoryWorld) => Effect.Effect<A, unknown>
): Effect.Effect<A, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      return yield* test(yield* startHostileCluster(world), world)
    })
  )

/** Draws cases until one has a problem. Fails with the smallest one that still has it. */
const holdsFor = <Case>(
  cases: fc.Arbitrary<Case>,
  play: (one: Case) => Effect.Effect<ReadonlyArray<string | undefined>>
) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    yield* Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(cases, async (one) => {
          const problems = await Effect.runPromiseWith(context)(play(one))
          assert.deepStrictEqual(
            problems.filter((problem) => problem !== undefined),
            []
          )
        }),
        { numRuns: runs, interruptAfterTimeLimit: 600_000 }
      )
    )
  })

/** Conditions that hold after all requests have ended. */
const nothingIsLeft = (cluster: HostileCluster, world: MemoryWorld) =>
  Effect.gen(function* () {
    yield* settle
    const { uploads } = world.blobs("herd/origin")
    const sessions = () => world.tables("herd/proxy").scan("upload-sessions", { prefix: "", limit: 10_000 })
    assert.strictEqual(uploads.size, (yield* sessions()).length)
    for (const [digest, bytes] of world.blobs("herd/origin").blobs) {
      assert.strictEqual(
        world.digests.digest(digest.startsWith("sha512") ? "sha512" : "sha256", bytes),
        digest
      )
    }
    for (const listener of cluster.listeners.keys()) {
      const metrics: HostileRequest = {
        listener,
        method: "GET",
        target: ["/metrics"],
        headers: {},
        body: { kind: "none" }
      }
      assert.isUndefined(yield* cluster.send(metrics))
    }
    // Abandoned uploads are dropped.
    yield* TestClock.adjust("50 hours")
    yield* settle
    assert.strictEqual(uploads.size, 0)
    assert.strictEqual((yield* sessions()).length, 0)
  })

describe("any requests", () => {
  it.effect(
    "to any listener, a few at once, are answered",
    () =>
      onCluster((cluster, world) =>
        Effect.gen(function* () {
          const contents = [...world.blobs("herd/origin").blobs.values()]
          const one = hostileRequest(cluster.kinds, cluster.named.digests, contents)
          let cases = 0
          yield* holdsFor(fc.array(one, { minLength: 1, maxLength: 12 }), (requests) =>
            Effect.andThen(
              Effect.suspend(() => (cases++ % 10 === 0 ? cluster.refill : Effect.void)),
              Effect.forEach(requests, cluster.send, { concurrency: 4 })
            )
          )
          yield* nothingIsLeft(cluster, world)
        })
      ),
    600_000
  )

  it.effect(
    "to one upload, out of order and at once, break nothing",
    () =>
      onCluster((cluster, world) =>
        Effect.gen(function* () {
          const whole = someBytes(99, 300)
          const digest = world.digests.digest("sha256", whole)
          const cases = fc.tuple(hostileChunks(whole), fc.integer({ min: 1, max: 4 }))
          yield* holdsFor(cases, ([chunks, concurrency]) =>
            Effect.gen(function* () {
              const uploads = ["/v2/demo/app/blobs/uploads/"]
              const none = { kind: "none" } as const
              const begin = { listener: 0, method: "POST", target: uploads, headers: {}, body: none }
              const begun = yield* cluster.send(begin)
              const upload = [...uploads, cluster.named.uploads.at(-1)!]
              const answers = yield* Effect.forEach(
                chunks,
                ({ method, bytes, contentRange, digest }) =>
                  cluster.send({
                    listener: 0,
                    method,
                    target: method === "PUT" ? [...upload, "?digest=", digest] : upload,
                    headers: contentRange === undefined ? {} : { "content-range": contentRange },
                    body: { kind: "bytes", bytes }
                  }),
                { concurrency }
              )
              // A correct client is served meanwhile.
              const good = yield* cluster.send({
                listener: 0,
                method: "POST",
                target: [...uploads, `?digest=${digest}`],
                headers: {},
                body: { kind: "bytes", bytes: whole }
              })
              const stored = world.blobs("herd/origin").blobs.get(digest)
              return [begun, ...answers, good, stored === undefined ? "a good upload was lost" : undefined]
            })
          )
          yield* nothingIsLeft(cluster, world)
        })
      ),
    600_000
  )
})
