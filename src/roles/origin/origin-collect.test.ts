// The collector of origins over a cluster in memory: the removed blobs with their metainfo and waiting copies; the
// blobs that a link, a manifest, a touch or an unreachable build-index keeps; touches that reach every owner, and
// late links.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { send } from "../../../testing/roles/exchange.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { sumOf } from "../../../testing/roles/metrics.ts"
import {
  blob,
  blobUrl,
  clientOf,
  holders,
  names,
  ownersOf,
  url,
  urls,
  waiting
} from "../../../testing/roles/origin-cluster.ts"
import { buildIndex } from "../build-index/build-index.ts"
import { buildIndexConfig } from "../build-index/config.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { type OriginSettings, originConfig } from "./config.ts"
import { origin } from "./origin.ts"

const indexes = ["index-a", "index-b"] as const
const grace = 3600

const startOrigin = (world: MemoryWorld, name: string, settings: Partial<OriginSettings> = {}) =>
  world.start(
    origin(
      originConfig({
        ...{ data: name, origins: urls, self: url(name) },
        peer: { host: name, port: 2 },
        http: { host: name, port: 1 },
        buildIndexes: [url(indexes[0]), url(indexes[1])],
        collect: { grace },
        ...settings
      })
    )
  )

const inCluster = <A, E>(
  test: (
    world: MemoryWorld,
    index: Effect.Success<ReturnType<typeof makeBuildIndexClient>>,
    client: Effect.Success<ReturnType<typeof clientOf>>
  ) => Effect.Effect<A, E>,
  settings: Partial<OriginSettings> = {}
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const running = []
    for (const name of indexes) {
      const http = { host: name, port: 1 }
      running.push(yield* world.start(buildIndex(buildIndexConfig({ data: name, http }))))
    }
    for (const name of names) running.push(yield* startOrigin(world, name, settings))
    const index = yield* Effect.provide(makeBuildIndexClient(indexes.map(url)), world.services)
    const client = yield* clientOf(world)
    yield* Effect.ensuring(
      test(world, index, client),
      Effect.forEach(running, ({ stop }) => stop)
    )
  })

const put = (
  client: Effect.Success<ReturnType<typeof clientOf>>,
  { bytes, digest }: ReturnType<typeof blob>
) => client.put("demo/app", digest, { length: bytes.byteLength, bytes: Stream.succeed(bytes) }, Effect.void)

const collect = (world: MemoryWorld, method: "GET" | "POST" = "POST", query = "") =>
  Effect.forEach(names, (name) => send(world, method, `${url(name)}/collect${query}`))

const later = TestClock.adjust(`${grace + 1} seconds`)

describe("the collector of an origin", () => {
  it.effect("removes unneeded blobs with everything that belongs to them, after a dry run that says so", () =>
    inCluster((world, index, client) =>
      Effect.gen(function* () {
        const [idle, linked, named, manifest] = [1, 2, 3, 4].map((seed) => blob(world, seed))
        for (const each of [idle, linked, named, manifest]) yield* put(client, each!)
        yield* index.link("demo/app", linked!.digest, 1)
        yield* index.link("demo/other", named!.digest, 1)
        const record = { digest: manifest!.digest, mediaType: "a/b", size: 7, names: [named!.digest] }
        yield* index.putManifest("demo/other", record, [], "test")
        yield* index.unlink("demo/other", named!.digest)
        yield* later
        for (const [method, query] of [
          ["GET", ""],
          ["POST", "?dry-run"]
        ] as const) {
          for (const [position, answer] of (yield* collect(world, method, query)).entries()) {
            const has = holders(world, idle!.digest).includes(names[position]!)
            const report = JSON.parse(answer.text)
            assert.isTrue(report.dryRun)
            assert.deepStrictEqual(report.gone, has ? [`${idle!.digest} 10000 bytes`] : [])
            assert.deepStrictEqual([report.blobs, report.bytes], has ? [1, 10_000] : [0, 0])
          }
        }
        assert.lengthOf(holders(world, idle!.digest), 3)
        yield* collect(world)
        assert.deepStrictEqual(holders(world, idle!.digest), [])
        for (const kept of [linked, named, manifest]) assert.lengthOf(holders(world, kept!.digest), 3)
        for (const name of names) {
          assert.isTrue(Option.isNone(yield* world.blobs(name).metainfo(idle!.digest)))
          const metrics = yield* send(world, "GET", `${url(name)}/metrics`)
          const gone = ownersOf(idle!.digest).includes(name) ? 1 : 0
          assert.strictEqual(sumOf(metrics.text, "shoal_origin_collected_blobs_total"), gone)
          assert.strictEqual(sumOf(metrics.text, "shoal_origin_collected_bytes_total"), gone * 10_000)
        }
        // A request by its digest does not bring it back.
        const asked = yield* send(world, "GET", `${blobUrl(names[0], idle!.digest)}/metainfo`)
        assert.strictEqual(asked.status, 404)
      })
    )
  )

  it.effect("counts from the last touch, at every owner, and after a restart from the start", () =>
    inCluster((world, _, client) =>
      Effect.gen(function* () {
        const [pushed, relied, left] = [1, 2, 3].map((seed) => blob(world, seed))
        for (const each of [pushed, relied, left]) yield* put(client, each!)
        yield* TestClock.adjust(`${grace - 60} seconds`)
        yield* put(client, pushed!)
        yield* client.rely("demo/app", relied!.digest, () => Effect.void)
        yield* TestClock.adjust("2 minutes")
        yield* collect(world)
        assert.lengthOf(holders(world, pushed!.digest), 3)
        assert.lengthOf(holders(world, relied!.digest), 3)
        assert.deepStrictEqual(holders(world, left!.digest), [])
        const owner = ownersOf(pushed!.digest)[0]
        yield* later
        const again = yield* startOrigin(world, owner)
        yield* send(world, "POST", `${url(owner)}/collect`)
        assert.include(holders(world, pushed!.digest), owner)
        yield* again.stop
      })
    )
  )

  it.effect("removes nothing while one build-index is down", () =>
    inCluster((world, _, client) =>
      Effect.gen(function* () {
        const idle = blob(world, 1)
        yield* put(client, idle)
        yield* later
        world.unreachable.add("index-b:1")
        const asked = yield* Effect.forkChild(collect(world))
        yield* TestClock.adjust("1 minute")
        for (const [position, { status }] of (yield* Fiber.join(asked)).entries()) {
          // An origin without candidates is done.
          assert.strictEqual(status, ownersOf(idle.digest).includes(names[position]!) ? 503 : 200)
        }
        assert.lengthOf(holders(world, idle.digest), 3)
        world.unreachable.clear()
        yield* collect(world)
        assert.lengthOf(holders(world, idle.digest), 0)
      })
    )
  )

  it.effect("forgets waiting copies", () =>
    inCluster((world, _, client) =>
      Effect.gen(function* () {
        const idle = blob(world, 1)
        const [first, second] = ownersOf(idle.digest)
        world.unreachable.add(`${second}:1`)
        yield* put(client, idle)
        yield* later
        assert.strictEqual(waiting(world, first!), 1)
        yield* send(world, "POST", `${url(first!)}/collect`)
        assert.strictEqual(waiting(world, first!), 0)
        assert.notInclude(holders(world, idle.digest), first!)
      })
    )
  )

  it.effect("begins by itself when an interval is configured", () =>
    inCluster(
      (world, _, client) =>
        Effect.gen(function* () {
          const idle = blob(world, 1)
          yield* put(client, idle)
          yield* TestClock.adjust(`${2 * grace} seconds`)
          assert.deepStrictEqual(holders(world, idle.digest), [])
        }),
      { collect: { grace, every: 600 } }
    )
  )
})

describe("a link that comes late", () => {
  it.effect(
    "is repeated over a blob that was collected meanwhile, and refused where that is impossible",
    () =>
      inCluster((world, index, client) =>
        Effect.gen(function* () {
          const { bytes, digest } = blob(world, 1)
          let links = 0
          const slow = Effect.gen(function* () {
            if (links++ > 0) return yield* index.link("demo/app", digest, 1)
            // The process paused for longer than the grace, and the collector ran.
            yield* later
            yield* collect(world)
            yield* index.link("demo/app", digest, 1)
          })
          const body = { length: bytes.byteLength, bytes: Stream.succeed(bytes) }
          yield* client.put("demo/app", digest, body, slow)
          assert.strictEqual(links, 2)
          assert.lengthOf(holders(world, digest), 3)
          yield* index.unlink("demo/app", digest)
          links = 0
          const error = yield* Effect.flip(client.rely("demo/app", digest, () => slow))
          assert.strictEqual(error._tag, "BlobUnknown")
          assert.deepStrictEqual(holders(world, digest), [])
        })
      )
  )
})
