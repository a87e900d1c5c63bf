// Tests of the image resolver over a build-index in memory: when it asks, which readers share a question, and what it
// answers while the build-index is away.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { buildIndex } from "../build-index/build-index.ts"
import { buildIndexConfig } from "../build-index/config.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { toDuration } from "../services/clock.ts"
import { makeRoleMetrics, type RoleMetrics } from "../services/metrics.ts"
import { type ImageResolverOptions, makeImageResolver } from "./image-resolver.ts"
import { agentLimits } from "./limits.ts"

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest
const repository = "demo/app"
const record = (letter: string, names: ReadonlyArray<Digest> = []) => ({
  digest: digest(letter),
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  size: 7,
  names
})

type Client = Effect.Success<ReturnType<typeof makeBuildIndexClient>>
interface Setting {
  readonly world: MemoryWorld
  readonly client: Client
  /** A new resolver over the same tables, as after a restart. */
  readonly start: (
    options?: Partial<ImageResolverOptions>
  ) => Effect.Effect<Effect.Success<ReturnType<typeof makeImageResolver>>, unknown, Scope.Scope>
  readonly tables: ReturnType<typeof makeMemoryTables>
  readonly metrics: RoleMetrics
}

const setting = <A, E>(test: (setting: Setting) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const http = { host: "index", port: 1 }
    yield* world.start(buildIndex(buildIndexConfig({ data: "index", http })))
    const client = yield* Effect.provide(makeBuildIndexClient(["http://index:1"]), world.services)
    const tables = makeMemoryTables()
    const metrics = makeRoleMetrics("agent")
    const start: Setting["start"] = (options = {}) =>
      makeImageResolver({
        buildIndex: Effect.succeed(client),
        tables,
        metrics,
        freshness: 5000,
        serveStale: true,
        ...options
      })
    yield* test({ world, client, start, tables, metrics })
  }).pipe(Effect.scoped)

const put = (client: Client, letter: string, names: ReadonlyArray<Digest> = []) =>
  Effect.gen(function* () {
    for (const name of names) yield* client.link(repository, name, 1)
    yield* client.putManifest(repository, record(letter, names), ["latest"], "test")
  })

const questions = (world: MemoryWorld) => world.requests.filter((request) => request.startsWith("GET")).length

describe("an image resolver", () => {
  it.effect("asks once within freshness and again after it, and tells the age in between", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a", [digest("1")])
        world.requests.length = 0
        assert.strictEqual((yield* resolver.tag(repository, "latest")).age, 0)
        yield* put(client, "b", [digest("1")])
        yield* TestClock.adjust("4999 millis")
        const cached = yield* resolver.tag(repository, "latest")
        assert.deepStrictEqual([cached.digest, cached.age], [digest("a"), 4])
        // The answer for the tag told what its manifest names.
        yield* resolver.blob(repository, digest("1"))
        yield* resolver.manifest(repository, digest("a"))
        assert.strictEqual(questions(world), 1)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("b"))
        assert.strictEqual(questions(world), 2)
      })
    )
  )

  it.effect("confirms a whole image by one answer without a body", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a", [digest("1"), digest("2")])
        yield* resolver.tag(repository, "latest")
        yield* TestClock.adjust("10 seconds")
        const statuses: number[] = []
        world.spoil = (_, response) => {
          statuses.push(response.status)
          return response
        }
        yield* resolver.tag(repository, "latest")
        yield* resolver.manifest(repository, digest("a"))
        yield* resolver.blob(repository, digest("1"))
        yield* resolver.blob(repository, digest("2"))
        assert.deepStrictEqual(statuses, [304])
        // After a deletion that is no longer so, and only what was deleted is gone.
        yield* client.unlink(repository, digest("1"))
        yield* TestClock.adjust("10 seconds")
        const gone = yield* Effect.flip(resolver.blob(repository, digest("1")))
        assert.strictEqual(gone._tag, "ImageUnknown")
        yield* resolver.blob(repository, digest("2"))
        yield* resolver.tag(repository, "latest")
      })
    )
  )

  it.effect("asks for every reader when freshness is 0", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start({ freshness: 0 })
        yield* put(client, "a")
        world.requests.length = 0
        const readers = yield* Effect.forEach([1, 2, 3], () =>
          Effect.forkChild(resolver.tag(repository, "latest"))
        )
        yield* Effect.forEach(readers, Fiber.join)
        assert.strictEqual(questions(world), 3)
      })
    )
  )

  it.effect("shares a question among readers, even after the first of them hung up", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<void>()
        const held: Client = {
          ...client,
          tag: (...asked) => Effect.andThen(Deferred.await(answer), client.tag(...asked))
        }
        const resolver = yield* start({ buildIndex: Effect.succeed(held) })
        yield* put(client, "a")
        world.requests.length = 0
        const first = yield* Effect.forkChild(resolver.tag(repository, "latest"))
        const second = yield* Effect.forkChild(resolver.tag(repository, "latest"))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(answer, undefined)
        assert.strictEqual((yield* Fiber.join(second)).digest, digest("a"))
        assert.strictEqual(questions(world), 1)
      })
    )
  )

  it.effect("never serves an absence from the cache", () =>
    setting(({ client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        for (const read of [
          resolver.tag(repository, "latest"),
          resolver.manifest(repository, digest("a")),
          resolver.blob(repository, digest("a"))
        ]) {
          assert.strictEqual((yield* Effect.flip(read))._tag, "ImageUnknown")
        }
        yield* put(client, "a")
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("a"))
        yield* client.deleteTag(repository, "latest", "test")
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Effect.flip(resolver.tag(repository, "latest")))._tag, "ImageUnknown")
        yield* put(client, "a")
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("a"))
      })
    )
  )

  it.effect("asks again after a write through the agent", () =>
    setting(({ client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a")
        yield* resolver.tag(repository, "latest")
        yield* TestClock.adjust("1 millis")
        yield* put(client, "b")
        yield* resolver.invalidate(repository)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("b"))
      })
    )
  )
})

describe("an image resolver whose build-index is away", () => {
  const away = (world: MemoryWorld) => world.unreachable.add("index:1")

  it.effect(
    "serves the last known value with its age, after a restart too, and fails for what it never knew",
    () =>
      setting(({ world, client, start }) =>
        Effect.gen(function* () {
          const resolver = yield* start()
          yield* put(client, "a", [digest("1")])
          yield* resolver.tag(repository, "latest")
          yield* TestClock.adjust("60 seconds")
          away(world)
          const reading = yield* Effect.forkChild(resolver.tag(repository, "latest"))
          yield* TestClock.adjust(toDuration(agentLimits.revalidationPatience))
          const stale = yield* Fiber.join(reading)
          assert.strictEqual(stale.digest, digest("a"))
          assert.isAtLeast(stale.age!, 60)

          const again = yield* start()
          const restarted = yield* Effect.forkChild(again.tag(repository, "latest"))
          yield* TestClock.adjust(toDuration(agentLimits.revalidationPatience))
          assert.isAtLeast((yield* Fiber.join(restarted)).age!, 62)
          // No later reader waits for a build-index that just did not answer.
          yield* again.blob(repository, digest("1"))
          yield* again.manifest(repository, digest("a"))
          const unknown = yield* Effect.forkChild(Effect.flip(again.tag(repository, "other")))
          yield* TestClock.adjust("20 seconds")
          assert.strictEqual((yield* Fiber.join(unknown))._tag, "ImageUnavailable")

          world.unreachable.clear()
          yield* put(client, "b")
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual((yield* again.tag(repository, "latest")).digest, digest("b"))
        })
      )
  )

  it.effect("fails without serveStale", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start({ serveStale: false })
        yield* put(client, "a")
        yield* resolver.tag(repository, "latest")
        yield* TestClock.adjust("5 seconds")
        away(world)
        const reading = yield* Effect.forkChild(Effect.flip(resolver.tag(repository, "latest")))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual((yield* Fiber.join(reading))._tag, "ImageUnavailable")
      })
    )
  )

  it.effect("still knows what was deleted", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start({ freshness: 0 })
        yield* put(client, "a", [digest("1")])
        yield* resolver.tag(repository, "latest")
        yield* client.deleteTag(repository, "latest", "test")
        yield* Effect.flip(resolver.tag(repository, "latest"))
        yield* client.unlink(repository, digest("1"))
        yield* Effect.flip(resolver.blob(repository, digest("1")))
        away(world)
        const again = yield* start({ freshness: 0 })
        for (const read of [again.tag(repository, "latest"), again.blob(repository, digest("1"))]) {
          const reading = yield* Effect.forkChild(Effect.flip(read))
          yield* TestClock.adjust(toDuration(agentLimits.revalidationPatience))
          assert.strictEqual((yield* Fiber.join(reading))._tag, "ImageUnknown")
        }
      })
    )
  )
})

describe("an image resolver whose tables fail", () => {
  it.effect("answers all the same", () =>
    setting(({ client, start, tables }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a")
        tables.failing = true
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("a"))
        assert.deepStrictEqual(tables.rows("facts-tags"), [])
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(resolver.manifest(repository, digest("a")))))
      })
    )
  )
})

describe("metrics of an image resolver", () => {
  it.effect("count each resolution by its source, under the new names and those of version 0.1", () =>
    setting(({ world, client, start, metrics }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a", [digest("1"), digest("2")])
        yield* resolver.tag(repository, "latest")
        yield* resolver.blob(repository, digest("1"))
        world.unreachable.add("index:1")
        yield* TestClock.adjust("5 seconds")
        for (const read of [resolver.tag(repository, "latest"), resolver.manifest(repository, digest("c"))]) {
          const reading = yield* Effect.forkChild(Effect.exit(read))
          yield* TestClock.adjust("20 seconds")
          yield* Fiber.join(reading)
        }
        const counted = metrics
          .text()
          .split("\n")
          .filter((line) => /^shoal_(resol|facts).* [1-9]\d*$/.test(line))
          .map((line) => line.replace(/role="agent",?/, ""))
        assert.sameMembers(counted, [
          'shoal_resolutions_total{kind="tag",source="build-index"} 1',
          'shoal_resolutions_total{kind="blob",source="cache"} 1',
          'shoal_resolutions_total{kind="tag",source="stale"} 1',
          'shoal_resolutions_total{kind="manifest",source="unavailable"} 1',
          'shoal_resolution_cache_entries{kind="tags"} 1',
          'shoal_resolution_cache_entries{kind="manifests"} 1',
          'shoal_resolution_cache_entries{kind="blobs"} 2',
          'shoal_facts_read_total{fact="tag",answer="asked"} 1',
          'shoal_facts_read_total{fact="blob",answer="remembered"} 1',
          'shoal_facts_read_total{fact="tag",answer="stale"} 1',
          'shoal_facts_read_total{fact="manifest",answer="unavailable"} 1',
          'shoal_facts{kind="tags"} 1',
          'shoal_facts{kind="manifests"} 1',
          'shoal_facts{kind="blobs"} 2'
        ])
      })
    )
  )

  it.effect("count answers that are older than the cache", () =>
    setting(({ client, start, metrics }) =>
      Effect.gen(function* () {
        yield* put(client, "a")
        const old = yield* client.tag(repository, "latest")
        yield* put(client, "b")
        const resolver = yield* start({ freshness: 0 })
        yield* resolver.tag(repository, "latest")
        const behind = yield* start({
          freshness: 0,
          buildIndex: Effect.succeed({ ...client, tagSince: () => Effect.succeed(Option.some(old)) })
        })
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* behind.tag(repository, "latest")).digest, digest("b"))
        assert.match(metrics.text(), /^shoal_resolutions_older_total\{role="agent"\} 1$/m)
        assert.match(metrics.text(), /^shoal_facts_older_total\{role="agent"\} 1$/m)
      })
    )
  )
})
