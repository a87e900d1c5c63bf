// Build-indexes in memory: tags that move, repositories that are separate and distributed, and a member that is down.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { askLimits } from "../client/limits.ts"
import { buildIndex } from "./build-index.ts"
import { buildIndexConfig } from "./config.ts"

const names = ["index-a", "index-b", "index-c"]
const urls = names.map((name) => `http://${name}:1`)
const by = "10.0.0.1 test"

const startIndex = (world: MemoryWorld, name: string) =>
  world.start(buildIndex(buildIndexConfig({ data: name, http: { host: name, port: 1 } })))

const inCluster = <A, E>(
  test: (
    world: MemoryWorld,
    client: Effect.Success<ReturnType<typeof makeBuildIndexClient>>
  ) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
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
        const byDigest = url.replace("/tags/1", `/manifests/${digest("a")}`)
        const taken = { record: record("a"), tags: ["1"], by, operation: "x" }
        assert.strictEqual((yield* put(byDigest, taken)).status, 201)
        assert.strictEqual((yield* send(world, "HEAD", url)).status, 200)
        const tag = yield* send(world, "GET", url)
        const { epoch, ...answer } = JSON.parse(tag.text)
        assert.deepStrictEqual(answer, {
          ...record("a"),
          version: 1,
          changedAt: 0,
          deletions: 0
        })
        assert.strictEqual(tag.headers.etag, `"${epoch}.1.0"`)
        for (const [condition, status] of [
          [`"${epoch}.1.0"`, 304],
          [`W/"${epoch}.1.0"`, 304],
          [`"x", W/"${epoch}.1.0"`, 304],
          ["*", 304],
          [`"${epoch}.1.1"`, 200],
          [`"x${epoch}.1.0"`, 200]
        ] as const) {
          const same = yield* send(world, "GET", url, { headers: { "if-none-match": condition } })
          assert.strictEqual(same.status, status, condition)
          assert.strictEqual(same.headers.etag, tag.headers.etag, condition)
        }
        assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", byDigest)).text), {
          ...record("a"),
          putAt: 0,
          deletions: 0,
          epoch
        })

        const cases = [
          [byDigest, { ...taken, record: { digest: "sha256:bad" } }, "MANIFEST_INVALID"],
          [byDigest, { ...taken, tags: [".bad"] }, "MANIFEST_INVALID"],
          [byDigest, { ...taken, by: "x".repeat(257) }, "MANIFEST_INVALID"],
          [byDigest, "text", "MANIFEST_INVALID"],
          [byDigest.replace("demo%2Fapp", "UPPER"), taken, "NAME_INVALID"],
          [byDigest.replace(digest("a"), digest("b")), taken, "DIGEST_INVALID"],
          [url, taken, "UNSUPPORTED"],
          ["http://index-a:1/repositories/demo%2Fapp/tags", taken, "UNSUPPORTED"]
        ] as const
        for (const [at, body, code] of cases) {
          const got = yield* put(at, body)
          assert.isAtLeast(got.status, 400)
          assert.strictEqual(errorCode(got), code, at)
        }
        const bad = yield* send(world, "GET", url.replace("/tags/1", "/tags/.bad"))
        assert.deepStrictEqual([bad.status, errorCode(bad)], [400, "TAG_INVALID"])
        assert.strictEqual((yield* send(world, "GET", "http://index-a:1/other")).status, 404)
        assert.strictEqual((yield* send(world, "GET", "http://index-a:1/readiness")).status, 200)
      })
    )
  )

  it.effect("answers every path, whatever it contains", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const part = fc.oneof(
          fc.constantFrom(
            "repositories",
            "tags",
            "manifests",
            "blobs",
            "history",
            "references",
            "..",
            "%",
            "%2F"
          ),
          fc.constantFrom("demo%2Fapp", "1", digest("a"), ""),
          fc.webSegment()
        )
        for (const parts of fc.sample(fc.array(part, { maxLength: 6 }), 300)) {
          const path = parts.join("/")
          const { status } = yield* send(world, "GET", `http://index-a:1/${path}`)
          assert.isBelow(status, 500, path)
        }
        const long = "a".repeat(5000)
        const answer = yield* send(world, "GET", tagUrl(long, "1"))
        assert.deepStrictEqual([answer.status, errorCode(answer)], [400, "NAME_INVALID"])
      })
    )
  )

  it.effect("keeps acknowledged changes over a restart, and answers 503 when its tables fail", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const first = yield* startIndex(world, "index-a")
      const url = tagUrl("demo/app", "1")
      const put = (letter: string) =>
        send(world, "PUT", url.replace("/tags/1", `/manifests/${digest(letter)}`), {
          body: JSON.stringify({ record: record(letter), tags: ["1"], by, operation: letter })
        })
      const named = Effect.map(send(world, "GET", url), ({ text }) => JSON.parse(text).digest)
      yield* put("a")
      yield* first.stop
      const second = yield* startIndex(world, "index-a")
      assert.strictEqual(yield* named, digest("a"))
      world.tables("index-a").failing = true
      assert.strictEqual((yield* put("b")).status, 503)
      world.tables("index-a").failing = false
      assert.strictEqual(yield* named, digest("a"))
      yield* second.stop
    })
  )
})

describe("the client of build-indexes", () => {
  it.effect("moves a tag: the last write wins, the old manifest stays", () =>
    inCluster((_, client) =>
      Effect.gen(function* () {
        yield* client.putManifest("demo/app", record("a"), ["latest"], by)
        yield* client.putManifest("demo/app", record("b"), ["latest"], by)
        assert.strictEqual((yield* client.tag("demo/app", "latest")).digest, digest("b"))
        assert.strictEqual((yield* client.manifest("demo/app", digest("a"))).digest, digest("a"))
        const unknown = yield* Effect.flip(client.tag("demo/app", "other"))
        assert.strictEqual(unknown._tag, "TagUnknown")
        const elsewhere = yield* Effect.flip(client.manifest("demo/other", digest("a")))
        assert.strictEqual(elsewhere._tag, "TagUnknown")
      })
    )
  )

  it.effect("separates repositories whose names begin alike", () =>
    inCluster((_, client) =>
      Effect.gen(function* () {
        for (const repository of ["demo", "demo/app", "demo-app", "demo.app"]) {
          yield* client.putManifest(repository, record("a"), [`of-${repository.replace("/", "_")}`], by)
        }
        assert.deepStrictEqual(yield* client.tags("demo", { limit: 10 }), ["of-demo"])
        assert.deepStrictEqual(yield* client.tags("demo/app", { limit: 10 }), ["of-demo_app"])
      })
    )
  )

  it.effect("distributes repositories over the members and merges their catalogs, sorted and paged", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        const repositories = Array.from({ length: 30 }, (_, index) => `team-${index % 7}/app-${index}`)
        for (const repository of repositories) {
          yield* client.putManifest(repository, record("a"), [], by)
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

  it.effect("fails in bounded time when the repository's member is down, and asks no other", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        yield* client.putManifest("demo/app", record("a"), ["1"], by)
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
        assert.strictEqual((yield* client.tag("demo/app", "1")).digest, digest("a"))
        assert.isEmpty(yield* client.notReady)
      })
    )
  )

  it.effect("makes a write once when its answer was lost", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        yield* client.putManifest("demo/app", record("a"), ["1"], by)
        yield* client.putManifest("demo/app", record("b"), ["1"], by)
        let lost = 0
        world.spoil = (request, response) => {
          if (request.method !== "DELETE" || lost++ > 0) return response
          return HttpServerResponse.empty({ status: 502 })
        }
        const deleting = yield* Effect.forkChild(client.deleteTag("demo/app", "1", by))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(deleting)
        lost = 0
        const dropping = yield* Effect.forkChild(client.deleteManifest("demo/app", digest("a"), by))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(dropping)
        assert.strictEqual(lost, 2)
        assert.strictEqual((yield* client.history("demo/app", "1")).length, 3)
        const unknown = yield* Effect.flip(client.deleteManifest("demo/app", digest("a"), by))
        assert.strictEqual(unknown._tag, "TagUnknown")
      })
    )
  )

  it.effect("reports why a manifest is refused, and which tag has not moved", () =>
    inCluster((_, client) =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(
          client.putManifest("demo/app", record("a", { names: [digest("1")] }), ["1"], by)
        )
        assert.strictEqual(refused._tag, "WriteRefused")
        if (refused._tag === "WriteRefused") {
          assert.strictEqual(refused.error.code, "MANIFEST_BLOB_UNKNOWN")
          assert.deepStrictEqual(refused.error.detail, [digest("1")])
        }
        yield* client.link("demo/app", digest("1"), 10)
        yield* client.putManifest("demo/app", record("a", { names: [digest("1")] }), ["1"], by)
        const first = yield* client.tag("demo/app", "1")
        assert.deepStrictEqual([first.names, first.missing], [[digest("1")], undefined])
        assert.isTrue(Option.isNone(yield* client.tagSince("demo/app", "1", first)))
        // An unmoved tag shows that something was deleted.
        yield* client.unlink("demo/app", digest("1"))
        const lacking = Option.getOrThrow(yield* client.tagSince("demo/app", "1", first))
        assert.deepStrictEqual([lacking.version, lacking.missing], [first.version, [digest("1")]])
        assert.isAbove(lacking.deletions, first.deletions)
        assert.deepStrictEqual((yield* client.manifest("demo/app", digest("a"))).missing, [digest("1")])
        yield* client.putManifest("demo/app", record("b"), ["1"], by)
        const moved = yield* client.tagSince("demo/app", "1", lacking)
        assert.strictEqual(Option.getOrThrow(moved).digest, digest("b"))
      })
    )
  )

  it.effect("knows referenced content only when every build-index answers", () =>
    inCluster((world, client) =>
      Effect.gen(function* () {
        // More digests than one request holds, over repositories on all members.
        const digests = Array.from(
          { length: askLimits.maxReferencesAsked + 5 },
          (_, number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
        )
        for (let number = 0; number < digests.length; number += 100) {
          yield* client.link(`demo/app-${number}`, digests[number]!, 1)
        }
        yield* client.putManifest("demo/app", record("a"), [], by)
        const referenced = yield* client.referenced([...digests, digest("a")])
        assert.strictEqual(referenced.size, 12)
        assert.isTrue(referenced.has(digest("a")))
        assert.isTrue(referenced.has(digests[1000]!))
        const before = world.requests.length
        yield* client.referenced(digests.slice(0, askLimits.maxReferencesAsked))
        assert.lengthOf(world.requests.slice(before), 3, "one request to each build-index")
        world.unreachable.add("index-c:1")
        const asking = yield* Effect.forkChild(Effect.flip(client.referenced([digest("a")])))
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(asking))._tag, "BuildIndexUnavailable")
      })
    )
  )
})
