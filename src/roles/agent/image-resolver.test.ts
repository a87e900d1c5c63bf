// Checks when an agent asks a build-index, with whom a question is shared, and what is answered while it is away.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { limits } from "../../protocol/limits.ts"
import { buildIndexConfig } from "../build-index/config.ts"
import { makeImageResolver } from "./image-resolver.ts"
import { buildIndex } from "../build-index/build-index.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { toDuration } from "../services/clock.ts"

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
  /** The image resolver, as after a restart. */
  readonly start: (
    options?: Partial<{ readonly freshness: number; readonly serveStale: boolean }>
  ) => Effect.Effect<Effect.Success<ReturnType<typeof makeImageResolver>>, unknown, Scope.Scope>
  readonly tables: ReturnType<typeof makeMemoryTables>
}

const setting = <A, E>(test: (setting: Setting) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld((algorithm, bytes) =>
      makeDigest(algorithm, createHash(algorithm).update(bytes).digest())
    )
    const http = { host: "index", port: 1 }
    yield* world.start(buildIndex(buildIndexConfig({ data: "index", http })))
    const client = yield* Effect.provide(makeBuildIndexClient(["http://index:1"]), world.services)
    const tables = makeMemoryTables()
    const start: Setting["start"] = (options = {}) =>
      makeImageResolver({
        buildIndex: Effect.succeed(client),
        tables,
        metrics: makeRoleMetrics("agent"),
        freshness: 5000,
        serveStale: true,
        ...options
      })
    yield* test({ world, client, start, tables })
  }).pipe(Effect.scoped)

const put = (client: Client, letter: string, names: ReadonlyArray<Digest> = []) =>
  Effect.gen(function* () {
    for (const name of names) yield* client.link(repository, name, 1)
    yield* client.putManifest(repository, record(letter, names), ["latest"], "test")
  })

const questions = (world: MemoryWorld) => world.requests.filter((request) => request.startsWith("GET")).length

describe("an image resolver", () => {
  it.effect("are asked for once within their freshness, then again, with Age between", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a", [digest("1")])
        world.requests.length = 0
        assert.strictEqual((yield* resolver.tag(repository, "latest")).age, 0)
        yield* put(client, "b", [digest("1")])
        yield* TestClock.adjust("4999 millis")
        const remembered = yield* resolver.tag(repository, "latest")
        assert.deepStrictEqual([remembered.digest, remembered.age], [digest("a"), 4])
        // What the tag's manifest names was told along.
        yield* resolver.blob(repository, digest("1"))
        yield* resolver.manifest(repository, digest("a"))
        assert.strictEqual(questions(world), 1)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* resolver.tag(repository, "latest")).digest, digest("b"))
        assert.strictEqual(questions(world), 2)
      })
    )
  )

  it.effect("of a whole image are confirmed by one answer without a body", () =>
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
        // A deletion ends that, and only what was deleted is gone.
        yield* client.unlink(repository, digest("1"))
        yield* TestClock.adjust("10 seconds")
        const gone = yield* Effect.flip(resolver.blob(repository, digest("1")))
        assert.strictEqual(gone._tag, "ImageUnknown")
        yield* resolver.blob(repository, digest("2"))
        yield* resolver.tag(repository, "latest")
      })
    )
  )

  it.effect("with freshness 0 are asked for every time, by each reader for itself", () =>
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

  it.effect("share a question among readers, also when the first one hangs up", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<void>()
        const held: Client = {
          ...client,
          tag: (...asked) => Effect.andThen(Deferred.await(answer), client.tag(...asked))
        }
        void start
        const resolver = yield* makeImageResolver({
          buildIndex: Effect.succeed(held),
          tables: makeMemoryTables(),
          metrics: makeRoleMetrics("agent"),
          freshness: 5000,
          serveStale: true
        })
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

  it.effect("that there is no such thing are asked for every time", () =>
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

  it.effect("are asked for anew after something was written through the agent", () =>
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

describe("while the build-index is away", () => {
  const away = (world: MemoryWorld) => world.unreachable.add("index:1")

  it.effect("the last known is served with its age, over a restart, and what is unknown is unavailable", () =>
    setting(({ world, client, start }) =>
      Effect.gen(function* () {
        const resolver = yield* start()
        yield* put(client, "a", [digest("1")])
        yield* resolver.tag(repository, "latest")
        yield* TestClock.adjust("60 seconds")
        away(world)
        const reading = yield* Effect.forkChild(resolver.tag(repository, "latest"))
        yield* TestClock.adjust(toDuration(limits.revalidationPatience))
        const stale = yield* Fiber.join(reading)
        assert.strictEqual(stale.digest, digest("a"))
        assert.isAtLeast(stale.age!, 60)

        const again = yield* start()
        const restarted = yield* Effect.forkChild(again.tag(repository, "latest"))
        yield* TestClock.adjust(toDuration(limits.revalidationPatience))
        assert.isAtLeast((yield* Fiber.join(restarted)).age!, 62)
        // Nobody waits again for what just did not answer.
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

  it.effect("nothing is served without serveStale", () =>
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

  it.effect("what was deleted before stays gone", () =>
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
          yield* TestClock.adjust(toDuration(limits.revalidationPatience))
          assert.strictEqual((yield* Fiber.join(reading))._tag, "ImageUnknown")
        }
      })
    )
  )
})

describe("tables that fail", () => {
  it.effect("cost what a restart would find, not the answer", () =>
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
