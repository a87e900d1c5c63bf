// The limits of a build-index, each reached with an entry or two: bytes of requests, pages, lines of a report, and what
// is remembered of upstreams.

import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { AskLimits, askLimits } from "../client/limits.ts"
import type { OriginClient } from "../client/origin-client.ts"
import { HttpLimits } from "../http/limits.ts"
import { OciLimits, ociLimits } from "../oci/limits.ts"
import { registryLimits } from "../registry/limits.ts"
import { ServiceLimits, serviceLimits } from "../services/limits.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import { UpstreamLacks } from "../upstream/upstream-errors.ts"
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts"
import { buildIndex } from "./build-index.ts"
import { makeBuildIndexChanges } from "./build-index-changes.ts"
import { makeBuildIndexStore } from "./build-index-store.ts"
import { makeIndexTables } from "./build-index-tables.ts"
import { buildIndexConfig } from "./config.ts"
import { BuildIndexLimits, buildIndexLimits } from "./limits.ts"
import { makeMirroredIndex } from "./mirrored-index.ts"

const repository = "demo/app"
const url = "http://index:1"
const path = `${url}/repositories/${encodeURIComponent(repository)}`

/** Starts a build-index in the limits of the fiber that runs this. */
const started = Effect.gen(function* () {
  const world = makeMemoryWorld()
  /** The limits of the pages that it read of its tables. */
  const pages: number[] = []
  const tables = world.tables("index")
  const { scan } = tables
  Object.assign(tables, {
    scan: (...[table, page]: Parameters<typeof scan>) => {
      pages.push(page.limit)
      return scan(table, page)
    }
  })
  const http = { host: "index", port: 1 }
  yield* Effect.acquireRelease(
    world.start(buildIndex(buildIndexConfig({ data: "index", http, collect: { grace: 60 } }))),
    ({ stop }) => stop
  )
  const client = yield* Effect.provide(makeBuildIndexClient([url]), world.services)
  return { world, client, pages }
})

describe("a build-index", () => {
  it.effect("takes requests of at most maxRecordBytes", () =>
    Effect.gen(function* () {
      const { world } = yield* withLimits(started, BuildIndexLimits, { maxRecordBytes: 400 })
      const filler = "x".repeat(400)
      const requests = [
        [
          "PUT",
          `${path}/manifests/${digest("a")}`,
          { record: record("a"), tags: [], by: "me", operation: "1" }
        ],
        ["PUT", `${path}/blobs/${digest("b")}`, { size: 1 }],
        ["POST", `${url}/references`, { digests: [digest("a")] }]
      ] as const
      for (const [method, at, body] of requests) {
        const taken = yield* send(world, method, at, { body: JSON.stringify(body) })
        assert.isBelow(taken.status, 300, taken.text)
        const refused = yield* send(world, method, at, { body: JSON.stringify({ ...body, filler }) })
        assert.strictEqual(errorCode(refused), "MANIFEST_INVALID")
        assert.include(refused.text, "it has more than 400 bytes")
      }
    }).pipe(Effect.scoped)
  )

  it.effect(
    "refuses more than its schemas allow, and its client cuts the name of who changes something",
    () =>
      Effect.gen(function* () {
        const { world, client } = yield* started
        const { maxTagsPerPut, maxChangedByLength } = registryLimits
        const { largestManifestBytes, maxManifestNames } = ociLimits
        const put = { record: record("a"), tags: [] as ReadonlyArray<string>, by: "me", operation: "1" }
        const many = (count: number) => Array.from({ length: count }, (_, index) => index)
        const digests = (count: number) =>
          many(count).map((index) => `sha256:${`${index}`.padStart(64, "0")}`)
        const at = `${path}/manifests/${digest("a")}`
        for (const [to, body] of [
          [at, { ...put, tags: many(maxTagsPerPut + 1).map((index) => `t${index}`) }],
          [at, { ...put, by: "x".repeat(maxChangedByLength + 1) }],
          [at, { ...put, record: { ...record("a"), size: largestManifestBytes + 1 } }],
          [at, { ...put, record: { ...record("a"), names: digests(maxManifestNames + 1) } }],
          [`${url}/references`, { digests: digests(askLimits.maxReferencesAsked + 1) }]
        ] as const) {
          const method = to === at ? "PUT" : "POST"
          const refused = yield* send(world, method, to, { body: JSON.stringify(body) })
          assert.strictEqual(errorCode(refused), "MANIFEST_INVALID")
        }
        yield* client.putManifest(repository, record("a"), ["1"], "x".repeat(maxChangedByLength + 1))
        yield* client.deleteTag(repository, "1", "y".repeat(maxChangedByLength + 1))
        const history = yield* client.history(repository, "1")
        assert.deepStrictEqual(
          history.map(({ by }) => by),
          ["y", "x"].map((letter) => letter.repeat(maxChangedByLength))
        )
      }).pipe(Effect.scoped)
  )

  it.effect(
    "is asked for as many digests at once as the client's own limit says, and takes what both agree on",
    () =>
      Effect.gen(function* () {
        const agreed = askLimits.maxReferencesAsked
        const digests = Array.from(
          { length: agreed + 1 },
          (_, index) => `sha256:${`${index}`.padStart(64, "0")}` as Digest
        )
        const asking = (maxReferencesAsked: number, count: number) =>
          Effect.gen(function* () {
            const { world, client } = yield* withLimits(started, AskLimits, {
              maxReferencesAsked,
              upstreamRounds: 1
            })
            const before = world.requests.length
            const { _tag } = yield* Effect.exit(client.referenced(digests.slice(0, count)))
            return [_tag, world.requests.length - before]
          })
        assert.deepStrictEqual(yield* asking(2, 5), ["Success", 3])
        assert.deepStrictEqual(yield* asking(agreed + 1, agreed), ["Success", 1])
        assert.deepStrictEqual(yield* asking(agreed + 1, agreed + 1), ["Failure", 1])
      }).pipe(Effect.scoped)
  )

  it.effect("lists defaultPageSize names, or maxPageSize and one more when it is asked for more", () =>
    Effect.gen(function* () {
      const { world, client } = yield* withLimits(started, OciLimits, { defaultPageSize: 2, maxPageSize: 3 })
      yield* client.putManifest(repository, record("a"), ["1", "2", "3", "4", "5"], "me")
      const names = (query: string) =>
        Effect.map(send(world, "GET", `${path}/tags${query}`), ({ text }) => JSON.parse(text).names)
      assert.deepStrictEqual(yield* names(""), ["1", "2"])
      assert.deepStrictEqual(yield* names("?n=1"), ["1"])
      assert.deepStrictEqual(yield* names("?n=99"), ["1", "2", "3", "4"])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "lists maxCollectListed of what it collects, and reads its tables in pages of tableScanPage",
    () =>
      Effect.gen(function* () {
        const listed = withLimits(started, HttpLimits, { maxCollectListed: 2 })
        const { world, client, pages } = yield* withLimits(listed, ServiceLimits, { tableScanPage: 1 })
        for (const letter of ["1", "2", "3"]) yield* client.link(repository, digest(letter), 10)
        yield* TestClock.adjust("61 seconds")
        const report = JSON.parse((yield* send(world, "POST", `${url}/collect`)).text)
        assert.deepStrictEqual([report.blobs, report.bytes, report.gone.length], [3, 30, 2])
        assert.strictEqual(Math.max(...pages), 1)
        assert.isFalse(yield* client.hasBlob(repository, digest("3")))
      }).pipe(Effect.scoped)
  )
})

describe("a build-index that mirrors", () => {
  const mirroring = (limits: Partial<BuildIndexLimits>, upstream: Partial<UpstreamLimits> = {}) =>
    Effect.gen(function* () {
      const rows = makeMemoryTables()
      const all = { ...buildIndexLimits, ...serviceLimits }
      const tables = makeIndexTables(rows, serviceLimits)
      const changes = makeBuildIndexChanges(tables, rows, 1000, all)
      const state = { heads: 0, manifests: 0, hangs: false, lacks: false }
      const answer = <A>(value: A) =>
        Effect.suspend(() => {
          if (state.hangs) return Effect.never
          return state.lacks
            ? Effect.fail(new UpstreamLacks({ denied: false, message: "no such thing" }))
            : Effect.succeed(value)
        })
      const registry = {
        name: "hub.example",
        head: () => {
          state.heads++
          return answer(digest("a"))
        },
        manifest: () => {
          state.manifests++
          return answer({ digest: digest("a"), bytes: new Uint8Array(), mediaType: undefined })
        }
      } as Partial<UpstreamRegistry> as UpstreamRegistry
      const mirror = yield* withLimits(
        withLimits(
          makeMirroredIndex({
            index: makeBuildIndexStore(tables, all),
            changes,
            upstreams: { of: () => ({ registry, remote: "a/b", freshness: seconds(60) }) },
            origins: {} as OriginClient
          }),
          BuildIndexLimits,
          limits
        ),
        UpstreamLimits,
        upstream
      )
      yield* changes.putManifest(
        repository,
        { by: "me", operation: "1", record: record("a"), tags: [] },
        "elsewhere"
      )
      return { mirror, state }
    })

  it.effect("remembers for maxConfirmedTags tags that its upstream confirmed them", () =>
    Effect.gen(function* () {
      const { mirror, state } = yield* mirroring({ maxConfirmedTags: 2 })
      const asked = (tag: string) =>
        Effect.gen(function* () {
          state.heads = 0
          assert.isTrue(Option.isSome(yield* mirror.tag(repository, tag)))
          return state.heads
        })
      const heads = yield* Effect.forEach(["1", "2", "1", "2", "3", "2", "1"], asked)
      assert.deepStrictEqual(heads, [1, 1, 0, 0, 1, 0, 1])
    })
  )

  it.effect("answers within upstreamResolveTimeout", () =>
    Effect.gen(function* () {
      const { mirror, state } = yield* mirroring({ upstreamResolveTimeout: seconds(3) })
      state.hangs = true
      for (const read of [
        Effect.asVoid(mirror.tag(repository, "1")),
        Effect.asVoid(mirror.manifest(repository, digest("b")))
      ]) {
        const reading = yield* Effect.forkChild(Effect.exit(read))
        yield* settle
        yield* TestClock.adjust("2999 millis")
        yield* settle
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const exit = yield* Fiber.join(reading)
        assert.include(JSON.stringify(Exit.isFailure(exit) ? exit.cause : exit), "within 3 s")
      }
    })
  )

  it.effect("remembers for maxUpstreamAnswers names that the upstream does not have them", () =>
    Effect.gen(function* () {
      const { mirror, state } = yield* mirroring(
        {},
        { maxUpstreamAnswers: 2, upstreamLacksLifetime: seconds(60) }
      )
      state.lacks = true
      const tags = ["1", "2", "1", "2", "3", "1"]
      for (const tag of tags) assert.isTrue(Option.isNone(yield* mirror.tag(repository, tag)))
      assert.strictEqual(state.heads, 4)
      const digests = ["b", "c", "b", "c", "d", "b"].map((letter): Digest => digest(letter))
      for (const each of digests) assert.isTrue(Option.isNone(yield* mirror.manifest(repository, each)))
      assert.strictEqual(state.manifests, 4)
    })
  )
})
