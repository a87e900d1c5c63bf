// The collector of a build-index over HTTP: the dry run, removed and kept content, recorded pulls, and immutable
// tags.

import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { send } from "../../../testing/roles/exchange.ts"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { metricAt } from "../../../testing/roles/metrics.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { serviceLimits } from "../services/limits.ts"
import { buildIndex } from "./build-index.ts"
import { type BuildIndexChanges, makeBuildIndexChanges } from "./build-index-changes.ts"
import { makeIndexTables } from "./build-index-tables.ts"
import { type BuildIndexSettings, buildIndexConfig } from "./config.ts"
import { buildIndexLimits } from "./limits.ts"

const repository = "demo/app"
const by = "10.0.0.1 test"
const day = 24 * 3600

type Client = Effect.Success<ReturnType<typeof makeBuildIndexClient>>

const withIndex = <A, E>(
  settings: Partial<BuildIndexSettings>,
  test: (world: MemoryWorld, client: Client) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const http = { host: "index", port: 1 }
    const running = yield* world.start(buildIndex(buildIndexConfig({ data: "index", http, ...settings })))
    const client = yield* Effect.provide(makeBuildIndexClient(["http://index:1"]), world.services)
    yield* Effect.ensuring(test(world, client), running.stop)
  })

const collect = (world: MemoryWorld, method: "GET" | "POST") =>
  Effect.map(send(world, method, "http://index:1/collect"), ({ text }) => JSON.parse(text))

const put = (
  client: Client,
  letter: string,
  tags: ReadonlyArray<string>,
  names: ReadonlyArray<Digest> = []
) =>
  Effect.gen(function* () {
    for (const name of names) yield* client.link(repository, name, 100)
    yield* client.putManifest(repository, record(letter, { names }), tags, by)
  })

const isThere = (client: Client, tag: string) =>
  Effect.match(client.tag(repository, tag), { onSuccess: () => true, onFailure: () => false })

describe("a collection", () => {
  const retention = [{ images: "demo/*", keepLast: 1, untaggedOlderThan: day }]

  it.effect("is reported by a dry run with the freed bytes, and removes exactly that", () =>
    withIndex({ collect: { retention } }, (world, client) =>
      Effect.gen(function* () {
        yield* put(client, "a", ["old"], [digest("1"), digest("2")])
        yield* put(client, "b", ["new"], [digest("2")])
        // Another repository needs it: it leaves this repository and frees nothing.
        yield* client.link("other", digest("1"), 100)
        yield* client.putManifest("other", record("c", { names: [digest("1")] }), ["1"], by)
        yield* client.link(repository, digest("3"), 50)
        yield* TestClock.adjust("2 days")
        yield* client.link(repository, digest("4"), 50)
        const planned = yield* collect(world, "GET")
        assert.deepStrictEqual(
          { ...planned, gone: planned.gone.length },
          { dryRun: true, tags: 1, manifests: 1, blobs: 2, bytes: 57, gone: 4 }
        )
        assert.isTrue(yield* isThere(client, "old"))
        const done = yield* collect(world, "POST")
        assert.deepStrictEqual({ ...done, dryRun: true }, planned)
        assert.isFalse(yield* isThere(client, "old"))
        assert.isTrue(yield* isThere(client, "new"))
        const blobs = yield* Effect.forEach(["1", "2", "3", "4"], (letter) =>
          client.hasBlob(repository, digest(letter))
        )
        assert.deepStrictEqual(blobs, [false, true, false, true])
        assert.isTrue(yield* client.hasBlob("other", digest("1")))
        const history = yield* client.history(repository, "old")
        assert.strictEqual(history[0]?.by, "retention demo/*")
        const counted = (kind: string) =>
          metricAt(world, "http://index:1", "shoal_index_collected_total", { kind })
        assert.deepStrictEqual(
          [yield* counted("tags"), yield* counted("manifests"), yield* counted("links")],
          [1, 1, 2]
        )
        const nothing = yield* collect(world, "POST")
        assert.deepStrictEqual([nothing.tags, nothing.manifests, nothing.blobs, nothing.bytes], [0, 0, 0, 0])
      })
    )
  )

  it.effect("removes an index with its children, and keeps recently pulled manifests", () =>
    withIndex(
      { collect: { retention: [{ images: "**", keepPulledWithin: 3 * day, untaggedOlderThan: day }] } },
      (world, client) =>
        Effect.gen(function* () {
          yield* put(client, "a", [])
          yield* client.putManifest(repository, record("b", { names: [digest("a")] }), [], by)
          yield* client.putManifest(repository, record("c", { names: [digest("b")] }), ["index"], by)
          yield* put(client, "d", ["used"])
          yield* TestClock.adjust("2 days")
          yield* client.tag(repository, "used")
          yield* TestClock.adjust("2 days")
          const { tags, manifests } = yield* collect(world, "POST")
          assert.deepStrictEqual([tags, manifests], [1, 3])
          assert.isTrue(yield* isThere(client, "used"))
          yield* Effect.flip(client.manifest(repository, digest("a")))
          assert.deepStrictEqual(world.tables("index").rows("pulled"), [`${repository} ${digest("d")}`])
        })
    )
  )

  it.effect("begins by itself when an interval is configured", () =>
    withIndex({ collect: { every: 3600, grace: 60 } }, (_, client) =>
      Effect.gen(function* () {
        yield* client.link(repository, digest("1"), 100)
        yield* TestClock.adjust("1 hours")
        assert.isFalse(yield* client.hasBlob(repository, digest("1")))
      })
    )
  )

  it.effect("keeps content that changed since its plan was made", () =>
    Effect.gen(function* () {
      const rows = makeMemoryTables()
      const tables = makeIndexTables(rows, serviceLimits)
      const changes: BuildIndexChanges = makeBuildIndexChanges(tables, rows, 1000, buildIndexLimits)
      const change = (operation: string) => ({ by, operation })
      const of = (letter: string, names: ReadonlyArray<Digest> = []) => record(letter, { names })
      yield* changes.link(repository, digest("1"), 10)
      yield* changes.link(repository, digest("2"), 10)
      yield* changes.putManifest(repository, { ...change("1"), record: of("a"), tags: ["x"] })
      yield* changes.putManifest(repository, { ...change("2"), record: of("b"), tags: [] })
      yield* changes.putManifest(repository, { ...change("3"), record: of("c"), tags: [] })
      yield* TestClock.adjust("1 minute")
      // Since then the tag moved, one manifest was put again, one manifest and one blob got a name, and another blob
      // was used.
      yield* changes.putManifest(repository, { ...change("4"), record: of("b"), tags: ["x"] })
      yield* changes.deleteTag(repository, "x", change("5"))
      yield* changes.putManifest(repository, {
        ...change("6"),
        record: of("d", [digest("c"), digest("1")]),
        tags: []
      })
      yield* changes.renewLink(repository, digest("2"))
      yield* changes.putManifest(repository, { ...change("7"), record: of("a"), tags: ["x"] })
      const stays = [
        changes.deleteTag(repository, "x", change("8"), { version: 1 }),
        changes.collectManifest(repository, digest("b"), 0, change("9")),
        changes.collectManifest(repository, digest("c"), 0, change("10")),
        changes.collectManifest(repository, digest("a"), 60_000, change("11"))
      ]
      for (const refused of stays) assert.strictEqual((yield* Effect.flip(refused))._tag, "NotFound")
      const before = [yield* tables.version, yield* tables.deletions(repository)]
      const gone = yield* changes.collectLinks(repository, [digest("1"), digest("2")], 60_000)
      assert.deepStrictEqual(gone, [])
      assert.deepStrictEqual([yield* tables.version, yield* tables.deletions(repository)], before)
      assert.isTrue(Option.isSome(yield* tables.link(repository, digest("2"))))
    })
  )
})

describe("immutable tags", () => {
  it.effect("are put once and neither moved nor deleted, and the refusal names the rule", () =>
    withIndex({ immutableTags: ["demo/*:v*"] }, (_, client) =>
      Effect.gen(function* () {
        yield* put(client, "a", ["v1", "latest"])
        yield* put(client, "a", ["v1"])
        const refusals = [
          put(client, "b", ["latest", "v1"]),
          client.deleteTag(repository, "v1", by),
          client.deleteManifest(repository, digest("a"), by)
        ]
        for (const refused of refusals) {
          const error = yield* Effect.flip(refused)
          assert.strictEqual(error._tag, "WriteRefused")
          if (error._tag !== "WriteRefused") continue
          assert.deepStrictEqual([error.error.code, error.error.status], ["DENIED", 403])
          assert.include(error.message, "demo/*:v*")
        }
        // All or nothing: the mutable tag did not move either.
        assert.strictEqual((yield* client.tag(repository, "latest")).digest, digest("a"))
        yield* put(client, "b", ["latest", "v2"])
        assert.strictEqual((yield* client.tag(repository, "v1")).digest, digest("a"))
      })
    )
  )
})
