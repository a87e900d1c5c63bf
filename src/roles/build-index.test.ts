// Checks build-indexes in memory: tags that move, repositories kept apart and spread, a member that is away.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Digest, makeDigest } from "../protocol/digest.ts"
import { ringOwners } from "../protocol/hash-ring.ts"
import { buildIndex } from "./build-index.ts"
import { makeBuildIndexClient } from "./build-index-client.ts"
import { errorCode, send } from "./testing/exchange.ts"
import { type MemoryWorld, makeMemoryWorld } from "./testing/memory-world.ts"

const makeWorld = () =>
  makeMemoryWorld((algorithm, bytes) => makeDigest(algorithm, createHash(algorithm).update(bytes).digest()))

const names = ["index-a", "index-b", "index-c"]
const urls = names.map((name) => `http://${name}:1`)
const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest
const record = (letter: string) => ({
  digest: digest(letter),
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  size: 7
})

const startIndex = (world: MemoryWorld, name: string) =>
  world.start(
    buildIndex({ data: name, log: { level: "silent", format: "json" }, http: { host: name, port: 1 } })
  )

const inCluster = <A, E>(
  test: (
    world: MemoryWorld,
    client: Effect.Success<ReturnType<typeof makeBuildIndexClient>>
  ) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeWorld()
    const running = yield* Effect.forEach(names, (name) => startIndex(world, name))
    const client = yield* Effect.provide(makeBuildIndexClient(urls), world.services)
    yield* Effect.ensuring(
      test(world, client),
      Effect.suspend(() => Effect.forEach(running, ({ stop }) => stop))
    )
  })

const tagUrl = (repository: string, tag: string) =>
  `http://index-a:1/repositories/${encodeURIComponent(repository)}/tags/${tag}`

describe("a build-index", () => {
  it.effect("answers HEAD, GET and PUT of a tag, and refuses what is malformed", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const url = tagUrl("demo/app", "1")
        const put = (at: string, body: unknown) => send(world, "PUT", at, { body: JSON.stringify(body) })
        assert.strictEqual((yield* send(world, "HEAD", url)).status, 404)
        assert.strictEqual((yield* put(url, record("a"))).status, 201)
        assert.strictEqual((yield* send(world, "HEAD", url)).status, 200)
        assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", url)).text), record("a"))
        const byDigest = url.replace("/tags/1", `/manifests/${digest("a")}`)
        assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", byDigest)).text), record("a"))

        const cases = [
          [url, { digest: "sha256:bad" }, "MANIFEST_INVALID"],
          [url, "text", "MANIFEST_INVALID"],
          [url.replace("/tags/1", "/tags/.bad"), record("a"), "TAG_INVALID"],
          [tagUrl("UPPER", "1"), record("a"), "NAME_INVALID"],
          [byDigest.replace(digest("a"), digest("b")), record("a"), "DIGEST_INVALID"],
          ["http://index-a:1/repositories/demo%2Fapp/tags", record("a"), "UNSUPPORTED"]
        ] as const
        for (const [at, body, code] of cases) {
          const got = yield* put(at, body)
          assert.isAtLeast(got.status, 400)
          assert.strictEqual(errorCode(got), code, at)
        }
        assert.strictEqual((yield* send(world, "GET", "http://index-a:1/other")).status, 404)
        assert.strictEqual((yield* send(world, "GET", "http://index-a:1/readiness")).status, 200)
      })
    )
  )

  it.effect("keeps what it acknowledged over a restart, and says 503 when its tables fail", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const first = yield* startIndex(world, "index-a")
      const url = tagUrl("demo/app", "1")
      yield* send(world, "PUT", url, { body: JSON.stringify(record("a")) })
      yield* first.stop
      const second = yield* startIndex(world, "index-a")
      assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", url)).text), record("a"))
      world.tables("index-a").failing = true
      const failed = yield* send(world, "PUT", url, { body: JSON.stringify(record("b")) })
      assert.strictEqual(failed.status, 503)
      world.tables("index-a").failing = false
      assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", url)).text), record("a"))
      yield* second.stop
    })
  )
})

describe("the client of build-indexes", () => {
  it.effect("moves a tag: the last write wins, the old manifest stays", () =>
    inCluster((_, client) =>
      Effect.gen(function* () {
        yield* client.putTag("demo/app", "latest", record("a"))
        yield* client.putTag("demo/app", "latest", record("b"))
        assert.deepStrictEqual(yield* client.tag("demo/app", "latest"), record("b"))
        assert.deepStrictEqual(yield* client.manifest("demo/app", digest("a")), record("a"))
        const unknown = yield* Effect.flip(client.tag("demo/app", "other"))
        assert.strictEqual(unknown._tag, "TagUnknown")
        const elsewhere = yield* Effect.flip(client.manifest("demo/other", digest("a")))
        assert.strictEqual(elsewhere._tag, "TagUnknown")
      })
    )
  )

  it.effect("keeps repositories apart whose names begin alike", () =>
    inCluster((_, client) =>
      Effect.gen(function* () {
        for (const repository of ["demo", "demo/app", "demo-app", "demo.app"]) {
          yield* client.putTag(repository, `of-${repository.replace("/", "_")}`, record("a"))
        }
        assert.deepStrictEqual(yield* client.tags("demo", { limit: 10 }), ["of-demo"])
        assert.deepStrictEqual(yield* client.tags("demo/app", { limit: 10 }), ["of-demo_app"])
      })
    )
  )

  it.effect("spreads repositories over the members and merges their catalogs, sorted and paged", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        const repositories = Array.from({ length: 30 }, (_, index) => `team-${index % 7}/app-${index}`)
        for (const repository of repositories) {
          yield* client.putManifest(repository, record("a"))
          const [owner] = ringOwners(repository, urls, 1)
          const holding = names.filter((name) => world.tables(name).rows("repositories").includes(repository))
          assert.deepStrictEqual(holding, [new URL(owner!).hostname])
        }
        for (const name of names) assert.isNotEmpty(world.tables(name).rows("repositories"))
        const sorted = [...repositories].sort()
        assert.deepStrictEqual(yield* client.repositories({ limit: 100 }), sorted)
        const paged: string[] = []
        for (;;) {
          const last = paged.at(-1)
          const page = yield* client.repositories({ limit: 7, ...(last === undefined ? {} : { last }) })
          if (page.length === 0) break
          paged.push(...page)
        }
        assert.deepStrictEqual(paged, sorted)
      })
    )
  )

  it.effect("fails in bounded time when the repository's member is away, and asks no other", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        yield* client.putTag("demo/app", "1", record("a"))
        const owner = new URL(ringOwners("demo/app", urls, 1)[0]!).host
        world.unreachable.add(owner)
        world.requests.length = 0
        const asking = yield* Effect.forkChild(Effect.flip(client.tag("demo/app", "1")))
        yield* TestClock.adjust("5 seconds")
        const error = yield* Fiber.join(asking)
        assert.strictEqual(error._tag, "BuildIndexUnavailable")
        assert.include(error.message, owner)
        assert.deepStrictEqual(world.requests, [])
        assert.isNotEmpty(yield* client.notReady)
        world.unreachable.clear()
        assert.deepStrictEqual(yield* client.tag("demo/app", "1"), record("a"))
        assert.isEmpty(yield* client.notReady)
      })
    )
  )
})
