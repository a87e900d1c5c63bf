// The limits of the registry API over a herd in memory, each reached with an entry or two.

import { assert, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Fiber, Stream } from "effect"
import { HttpServerRequest } from "effect/http"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob } from "../../../testing/roles/push.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OciLimits } from "../oci/limits.ts"
import { mediaTypes } from "../oci/manifest.ts"
import { ServiceLimits } from "../services/limits.ts"
import type { ImageSource } from "./image-source.ts"
import { type ApiLimits, RegistryLimits, registryLimits } from "./limits.ts"
import { readReferrers } from "./referrers.ts"

const repository = `${proxyUrl}/v2/demo/app`
const encode = (text: string) => new TextEncoder().encode(text)

const inHerd = <Limits extends object, A, E>(
  reference: Context.Reference<Limits>,
  limits: Partial<Limits>,
  test: (world: MemoryWorld) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    yield* withLimits(startHerd(world), reference, limits)
    yield* test(world)
  }).pipe(Effect.scoped)

const headers = { "content-type": mediaTypes.ociManifest }
const manifest = (...layers: ReadonlyArray<string>) =>
  JSON.stringify({
    schemaVersion: 2,
    layers: layers.map((digest) => ({ mediaType: "application/x", digest, size: 1 }))
  })
const absent = (letter: string) => `sha256:${letter.repeat(64)}`

describe("a registry", () => {
  it.effect("holds maxGatheredManifests bytes of manifests that arrive, and tells others to come back", () =>
    inHerd(RegistryLimits, { maxGatheredManifests: 500 }, (world) =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        const put = (tag: string, body: Stream.Stream<Uint8Array>) =>
          send(world, "PUT", `${repository}/manifests/${tag}`, { body, headers })
        const bytes = encode(manifest().padEnd(300))
        const slow = Stream.concat(
          Stream.succeed(bytes),
          Stream.fromEffect(Effect.as(Deferred.await(go), new Uint8Array()))
        )
        const first = yield* Effect.forkChild(put("1", slow))
        yield* settle
        const refused = yield* put("2", Stream.succeed(bytes))
        assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "1"])
        yield* Deferred.succeed(go, undefined)
        assert.strictEqual((yield* Fiber.join(first)).status, 201)
        assert.strictEqual((yield* put("2", Stream.succeed(bytes))).status, 201, "the bytes are given back")
      })
    )
  )

  it.effect("lists maxMissingListed contents that a manifest names and the repository lacks", () =>
    inHerd(RegistryLimits, { maxMissingListed: 2 }, (world) =>
      Effect.gen(function* () {
        const body = encode(manifest(absent("1"), absent("2"), absent("3")))
        const refused = yield* send(world, "PUT", `${repository}/manifests/1`, { body, headers })
        assert.strictEqual(errorCode(refused), "MANIFEST_BLOB_UNKNOWN")
        const [{ detail }] = JSON.parse(refused.text).errors
        assert.deepStrictEqual(
          detail.map(({ digest }: { digest: string }) => digest),
          [absent("1"), absent("2")]
        )
      })
    )
  )

  it.effect("moves maxTagsPerPut tags in a push by digest", () =>
    inHerd(RegistryLimits, { maxTagsPerPut: 2 }, (world) =>
      Effect.gen(function* () {
        const body = encode(manifest())
        const digest = world.digests.digest("sha256", body)
        const put = (query: string) =>
          send(world, "PUT", `${repository}/manifests/${digest}?${query}`, { body, headers })
        assert.strictEqual((yield* put("tag=a&tag=b")).status, 201)
        const refused = yield* put("tag=a&tag=b&tag=c")
        assert.strictEqual(refused.status, 414)
        assert.include(refused.text, "at most 2 tags, not 3")
      })
    )
  )

  it.effect("notes maxChangedByLength characters of who moved a tag", () =>
    inHerd(RegistryLimits, { maxChangedByLength: 12 }, (world) =>
      Effect.gen(function* () {
        const agent = { ...headers, "user-agent": "a-client-with-a-long-name/1.0" }
        yield* send(world, "PUT", `${repository}/manifests/1`, { body: encode(manifest()), headers: agent })
        const { text } = yield* send(world, "GET", `${repository}/_shoal/tags/1/history`)
        assert.lengthOf(JSON.parse(text).history[0].by, 12)
      })
    )
  )

  it.effect(
    "serves maxRanges ranges of a blob, maxRangeOverlaps of which overlap, and pages of its listings",
    () =>
      inHerd(OciLimits, { maxRanges: 3, maxRangeOverlaps: 1, defaultPageSize: 2, maxPageSize: 3 }, (world) =>
        Effect.gen(function* () {
          const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", encode("0123456789"))
          const get = (range: string) =>
            send(world, "GET", `${repository}/blobs/${digest}`, { headers: { range: `bytes=${range}` } })
          assert.strictEqual((yield* get("0-0,2-2,4-4")).status, 206)
          const many = yield* get("0-0,2-2,4-4,6-6")
          assert.strictEqual(many.status, 400)
          assert.include(many.text, "more than 3 ranges")
          assert.strictEqual((yield* get("0-5,5-6")).status, 206)
          const overlapping = yield* get("0-5,5-6,6-7")
          assert.strictEqual(overlapping.status, 416)
          assert.include(overlapping.text, "more than 1 ranges that overlap")
          for (const tag of ["a", "b", "c", "d", "e"]) {
            yield* send(world, "PUT", `${repository}/manifests/${tag}`, { body: encode(manifest()), headers })
          }
          const tags = (query: string) =>
            Effect.map(
              send(world, "GET", `${repository}/tags/list${query}`),
              ({ text }) => JSON.parse(text).tags
            )
          assert.deepStrictEqual(yield* tags(""), ["a", "b"])
          assert.deepStrictEqual(yield* tags("?n=99"), ["a", "b", "c"])
        })
      )
  )

  it.effect("finds its upload sessions after a restart in pages of tableScanPage", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const pages: number[] = []
      const tables = world.tables("herd/proxy")
      const { scan } = tables
      Object.assign(tables, {
        scan: (...[table, page]: Parameters<typeof scan>) => {
          pages.push(page.limit)
          return scan(table, page)
        }
      })
      const uploads: string[] = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* startHerd(world)
          for (let upload = 0; upload < 3; upload++) {
            const begun = yield* send(world, "POST", `${repository}/blobs/uploads/`)
            uploads.push(begun.headers.location!)
          }
        })
      )
      pages.length = 0
      yield* withLimits(startHerd(world), ServiceLimits, { tableScanPage: 1 })
      assert.deepStrictEqual(new Set(pages), new Set([1]))
      for (const location of uploads)
        assert.strictEqual((yield* send(world, "GET", proxyUrl + location)).status, 204)
    }).pipe(Effect.scoped)
  )
})

it.effect("referrers of a fallback tag are looked up maxParallelLookups at a time", () =>
  Effect.gen(function* () {
    let now = 0
    let most = 0
    const described = (letter: string) => ({ mediaType: "x", digest: absent(letter) as Digest, size: 1 })
    const index = { manifests: ["1", "2", "3", "4"].map(described) }
    const source = {
      referrers: () =>
        Effect.succeed({
          referrers: [],
          more: false,
          fallback: { ...described("f"), mediaType: mediaTypes.ociIndex }
        }),
      manifest: () => Effect.succeed(encode(JSON.stringify(index))),
      resolve: () =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, ++now)
          }),
          () => Effect.as(Effect.yieldNow, described("1")),
          () => Effect.sync(() => void now--)
        )
    } as Partial<ImageSource> as ImageSource
    const limits: ApiLimits = { ...registryLimits, ...(yield* OciLimits), maxParallelLookups: 2 }
    yield* readReferrers(source, limits, "demo/app", absent("s") as Digest).pipe(
      Effect.provideService(HttpServerRequest.ParsedSearchParams, {})
    )
    assert.strictEqual(most, 2)
  })
)
