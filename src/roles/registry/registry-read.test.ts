// Tests of registry reads over a herd in memory, and over image sources that fail, never answer or count.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { receivedParts } from "../../../testing/roles/byte-ranges.ts"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob, pushImage, someBytes } from "../../../testing/roles/push.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { ociLimits } from "../oci/limits.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { type ImageSource, ImageUnavailable, ImageUnknown } from "./image-source.ts"
import { readOnlyRegistryRoutes } from "./registry-routes.ts"

const nothing = `sha256:${"0".repeat(64)}` as Digest

describe("reads from a registry", () => {
  it.effect("serves pushed content by tag and by digest, byte for byte", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
      assert.strictEqual(image.put.status, 201)
      for (const reference of ["1", image.digest]) {
        const got = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/${reference}`)
        assert.strictEqual(got.status, 200)
        assert.deepStrictEqual(got.bytes, image.manifest)
        assert.strictEqual(got.headers["docker-content-digest"], image.digest)
        assert.strictEqual(got.headers["content-type"], "application/vnd.oci.image.manifest.v1+json")
        assert.strictEqual(got.headers["docker-distribution-api-version"], "registry/2.0")
        const head = yield* send(world, "HEAD", `${proxyUrl}/v2/demo/app/manifests/${reference}`)
        assert.strictEqual(head.status, 200)
        assert.strictEqual(head.headers["content-length"], String(image.manifest.byteLength))
        assert.strictEqual(head.headers["docker-content-digest"], image.digest)
        assert.strictEqual(head.bytes.byteLength, 0)
      }
      const base = yield* send(world, "GET", `${proxyUrl}/v2/`)
      assert.strictEqual(base.status, 200)
    }).pipe(Effect.scoped)
  )

  it.effect("serves blobs whole, by range, or without a body if the client has them", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      const bytes = someBytes(2, 20_480)
      const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", bytes)
      const url = `${proxyUrl}/v2/demo/app/blobs/${digest}`
      const get = (headers: Record<string, string>) => send(world, "GET", url, { headers })

      const whole = yield* get({})
      assert.strictEqual(whole.status, 200)
      assert.deepStrictEqual(whole.bytes, bytes)
      assert.strictEqual(whole.headers["accept-ranges"], "bytes")
      assert.strictEqual(whole.headers.etag, `"${digest}"`)
      assert.strictEqual(whole.headers["content-length"], "20480")

      const part = yield* get({ range: "bytes=500-1499" })
      assert.strictEqual(part.status, 206)
      assert.deepStrictEqual(part.bytes, bytes.slice(500, 1500))
      assert.strictEqual(part.headers["content-range"], "bytes 500-1499/20480")
      const tail = yield* get({ range: "bytes=-500" })
      assert.deepStrictEqual(tail.bytes, bytes.slice(-500))
      const beyond = yield* get({ range: "bytes=30000-" })
      assert.strictEqual(beyond.status, 416)
      assert.strictEqual(beyond.headers["content-range"], "bytes */20480")

      const several = yield* get({ range: "bytes=20000-,5-9,30000-" })
      assert.strictEqual(several.status, 206)
      assert.isUndefined(several.headers["content-range"])
      assert.strictEqual(several.headers["content-length"], String(several.bytes.byteLength))
      const parts = receivedParts(several.headers["content-type"], several.bytes)
      assert.deepStrictEqual(
        parts.map(({ start, end, length }) => [start, end, length]),
        [
          [20_000, 20_480, 20_480],
          [5, 10, 20_480]
        ]
      )
      for (const part of parts) assert.deepStrictEqual(part.bytes, bytes.slice(part.start, part.end))
      const left = yield* get({ range: "bytes=30000-,5-9" })
      assert.strictEqual(left.headers["content-range"], "bytes 5-9/20480")
      assert.deepStrictEqual(left.bytes, bytes.slice(5, 10))
      const same = yield* get({ range: "bytes=0-,0-,0-,0-" })
      assert.strictEqual(same.status, 416)
      const many = Array.from({ length: 1025 }, (_, index) => `${2 * index}-${2 * index}`).join(",")
      const refused = yield* get({ range: `bytes=${many}` })
      assert.strictEqual(refused.status, 400)
      assert.strictEqual(errorCode(refused), "SIZE_INVALID")
      const most = yield* get({ range: `bytes=${many.slice(0, many.lastIndexOf(","))}` })
      assert.strictEqual(receivedParts(most.headers["content-type"], most.bytes).length, 1024)

      for (const ifRange of [`"${nothing}"`, `W/"${digest}"`, "Sat, 29 Oct 1994 19:43:31 GMT"]) {
        const other = yield* get({ range: "bytes=0-9", "if-range": ifRange })
        assert.strictEqual(other.status, 200, ifRange)
      }
      const still = yield* get({ range: "bytes=0-9", "if-range": `"${digest}"` })
      assert.strictEqual(still.status, 206)
      const wanted = yield* get({ "if-match": `"x", "${digest}"`, range: "bytes=0-9" })
      assert.strictEqual(wanted.status, 206)
      const unwanted = yield* get({ "if-match": `"${nothing}", W/"${digest}"` })
      assert.strictEqual(unwanted.status, 412)
      assert.strictEqual(errorCode(unwanted), "UNSUPPORTED")
      const hadPart = yield* get({ "if-none-match": `W/"${digest}"`, range: "bytes=0-9" })
      assert.strictEqual(hadPart.status, 304)
      const had = yield* get({ "if-none-match": `"x", "${digest}"` })
      assert.strictEqual(had.status, 304)
      assert.strictEqual(had.bytes.byteLength, 0)

      for (const range of ["bytes=0-9", "bytes=0-9,20-29", "bytes=30000-"]) {
        const head = yield* send(world, "HEAD", url, { headers: { range } })
        assert.strictEqual(head.status, 200)
        assert.strictEqual(head.headers["content-length"], "20480")
      }

      const empty = yield* pushBlob(world, proxyUrl, "demo/app", new Uint8Array(0))
      assert.strictEqual(empty.put.status, 201)
      const none = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/blobs/${empty.digest}`)
      assert.strictEqual(none.status, 200)
      assert.strictEqual(none.headers["content-length"], "0")
    }).pipe(Effect.scoped)
  )

  it.effect("serves a blob only from repositories that have it", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", someBytes(2, 100))
      for (const method of ["GET", "HEAD"] as const) {
        const url = (repository: string) => `${proxyUrl}/v2/${repository}/blobs/${digest}`
        assert.strictEqual((yield* send(world, method, url("demo/app"))).status, 200)
        assert.strictEqual((yield* send(world, method, url("demo/other"))).status, 404)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("answers unknown content in the OCI error form", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      yield* pushImage(world, proxyUrl, "demo/app", "1", 3)
      const cases = [
        [`/v2/demo/app/blobs/${nothing}`, 404, "BLOB_UNKNOWN"],
        ["/v2/demo/app/manifests/2", 404, "MANIFEST_UNKNOWN"],
        [`/v2/demo/app/manifests/${nothing}`, 404, "MANIFEST_UNKNOWN"],
        ["/v2/nobody/tags/list", 404, "NAME_UNKNOWN"],
        ["/v2/UPPER/tags/list", 400, "NAME_INVALID"],
        ["/v2/demo/app/blobs/sha256:bad", 400, "DIGEST_INVALID"],
        ["/v2/demo/app/tags/list?n=many", 400, "PAGINATION_NUMBER_INVALID"],
        ["/v2/demo/app/nothing", 404, "UNSUPPORTED"]
      ] as const
      for (const [path, status, code] of cases) {
        const got = yield* send(world, "GET", proxyUrl + path)
        assert.strictEqual(got.status, status, path)
        assert.strictEqual(errorCode(got), code, path)
      }
      // A manifest belongs to the repository that it was pushed to.
      const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 3)
      const elsewhere = yield* send(world, "GET", `${proxyUrl}/v2/demo/other/manifests/${image.digest}`)
      assert.strictEqual(elsewhere.status, 404)
    }).pipe(Effect.scoped)
  )

  it.effect("lists tags and repositories sorted, in pages that link to the next", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      const { manifest } = yield* pushImage(world, proxyUrl, "demo/app", "b", 4)
      const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" }
      for (const tag of ["d", "a", "C"]) {
        yield* send(world, "PUT", `${proxyUrl}/v2/demo/app/manifests/${tag}`, { body: manifest, headers })
      }
      yield* pushImage(world, proxyUrl, "zoo", "1", 5)
      yield* pushImage(world, proxyUrl, "demo", "1", 6)
      const list = (query: string) => send(world, "GET", `${proxyUrl}/v2/demo/app/tags/list${query}`)

      const all = yield* list("")
      assert.deepStrictEqual(JSON.parse(all.text), { name: "demo/app", tags: ["C", "a", "b", "d"] })
      assert.strictEqual(all.headers.link, undefined)

      const seen: string[] = []
      let next: string | undefined = "/v2/demo/app/tags/list?n=3"
      while (next !== undefined) {
        const page: {
          readonly text: string
          readonly headers: Readonly<Record<string, string | undefined>>
        } = yield* send(world, "GET", proxyUrl + next)
        seen.push(...(JSON.parse(page.text) as { tags: string[] }).tags)
        next =
          page.headers.link === undefined ? undefined : /^<(.*)>; rel="next"$/.exec(page.headers.link)![1]
      }
      assert.deepStrictEqual(seen, ["C", "a", "b", "d"])
      const exact = yield* list("?n=4")
      assert.strictEqual(exact.headers.link, undefined)
      const zero = yield* list("?n=0")
      assert.deepStrictEqual(JSON.parse(zero.text).tags, [])
      assert.strictEqual(zero.headers.link, undefined)
      const after = yield* list("?last=a")
      assert.deepStrictEqual(JSON.parse(after.text).tags, ["b", "d"])

      const catalog = yield* send(world, "GET", `${proxyUrl}/v2/_catalog?n=2`)
      assert.deepStrictEqual(JSON.parse(catalog.text), { repositories: ["demo", "demo/app"] })
      assert.match(catalog.headers.link ?? "", /last=demo%2Fapp/)
    }).pipe(Effect.scoped)
  )
})

describe("a listing", () => {
  it.effect("of more entries than the largest page links to the next page, whatever n is", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      const rows = Array.from({ length: ociLimits.maxPageSize + 1 }, (_, number) => ({
        tag: "Put" as const,
        table: "repositories",
        key: `r${String(number).padStart(6, "0")}`,
        value: ""
      }))
      yield* world.tables("herd/build-index").write(rows)
      const page = yield* send(world, "GET", `${proxyUrl}/v2/_catalog?n=99999`)
      assert.strictEqual(JSON.parse(page.text).repositories.length, ociLimits.maxPageSize)
      assert.match(page.headers.link ?? "", /n=10000&last=r009999/)
      const rest = yield* send(world, "GET", `${proxyUrl}/v2/_catalog?n=99999&last=r009999`)
      assert.deepStrictEqual(JSON.parse(rest.text), { repositories: ["r010000"] })
    }).pipe(Effect.scoped)
  )
})

describe("a read-only registry", () => {
  /** An ImageSource of one blob that counts how often its content is read. */
  const makeSource = (overrides: Partial<ImageSource> = {}) => {
    const seen = { content: 0 }
    const unknown = new ImageUnknown({ what: "blob", message: "not here" })
    const source: ImageSource = {
      resolve: () => Effect.succeed({ digest: nothing, mediaType: "application/x", size: 3 }),
      manifest: () => {
        seen.content++
        return Effect.succeed(new Uint8Array([1, 2, 3]))
      },
      statBlob: () => Effect.succeed({ length: 10 }),
      readBlob: () =>
        Stream.suspend(() => {
          seen.content++
          return Stream.succeed(new Uint8Array(10))
        }),
      referrers: () => Effect.succeed({ referrers: [], more: false }),
      history: () => Effect.fail(unknown),
      tags: () => Effect.fail(unknown),
      repositories: () => Effect.fail(unknown),
      ...overrides
    }
    return { source, seen }
  }

  const serve = (source: ImageSource) =>
    Effect.gen(function* () {
      const metrics = makeRoleMetrics("agent")
      const app = yield* makeHttpApp(
        yield* readOnlyRegistryRoutes({
          source,
          pushTo: "http://proxy:15000",
          counter: makeRequestCounter(metrics)
        }),
        { metrics, notReady: Effect.succeed([]) }
      )
      const world = makeMemoryWorld()
      yield* world.start(
        Effect.succeed({ listeners: [{ name: "registry", listen: { host: "agent", port: 1 }, app }] })
      )
      return world
    })

  it.effect("answers every write with 405 and the place to push to", () =>
    Effect.gen(function* () {
      const world = yield* serve(makeSource().source)
      const writes = [
        ["POST", "/v2/a/blobs/uploads/"],
        ["PUT", "/v2/a/manifests/1"],
        ["PATCH", "/v2/a/blobs/uploads/x"],
        ["DELETE", `/v2/a/blobs/${nothing}`],
        ["GET", "/v2/a/blobs/uploads/x"]
      ] as const
      for (const [method, path] of writes) {
        const got = yield* send(world, method, `http://agent:1${path}`)
        assert.strictEqual(got.status, 405, path)
        assert.strictEqual(errorCode(got), "UNSUPPORTED")
        assert.include(got.text, "http://proxy:15000")
      }
    })
  )

  it.effect("answers HEAD without reading content", () =>
    Effect.gen(function* () {
      const { source, seen } = makeSource()
      const world = yield* serve(source)
      const manifest = yield* send(world, "HEAD", "http://agent:1/v2/a/manifests/1")
      assert.strictEqual(manifest.headers["content-length"], "3")
      const blob = yield* send(world, "HEAD", `http://agent:1/v2/a/blobs/${nothing}`)
      assert.strictEqual(blob.headers["content-length"], "10")
      assert.strictEqual(seen.content, 0)
    })
  )

  it.effect("ends the source's stream when the client hangs up", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      let ended = false
      const { source } = makeSource({
        readBlob: () =>
          Stream.never.pipe(
            Stream.onStart(Deferred.succeed(started, undefined)),
            Stream.ensuring(
              Effect.sync(() => {
                ended = true
              })
            )
          )
      })
      const world = yield* serve(source)
      const response = yield* world.client.get(`http://agent:1/v2/a/blobs/${nothing}`)
      const reading = yield* Effect.forkChild(Stream.runDrain(response.stream))
      yield* Deferred.await(started)
      assert.isFalse(ended)
      yield* Fiber.interrupt(reading)
      assert.isTrue(ended)
    })
  )

  it.effect("tells the source how each GET of a blob ended, and how long it took", () =>
    Effect.gen(function* () {
      const told: Array<readonly [string, number]> = []
      const blobRead: ImageSource["blobRead"] = (outcome, seconds) => void told.push([outcome, seconds])
      const away = Effect.fail(new ImageUnavailable({ message: "no tracker answers" }))
      const url = `http://agent:1/v2/a/blobs/${nothing}`
      const slow = makeSource({
        blobRead,
        statBlob: () => Effect.delay(Effect.succeed({ length: 10 }), "1 second"),
        readBlob: () => Stream.fromEffect(Effect.delay(Effect.succeed(new Uint8Array(10)), "2 seconds"))
      })
      const world = yield* serve(slow.source)
      const got = yield* Effect.forkChild(send(world, "GET", url))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(got)
      const cut = yield* Effect.forkChild(send(world, "GET", url))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(cut)
      for (const broken of [{ statBlob: () => away }, { prepareBlob: () => away }]) {
        const { source } = makeSource({ blobRead, ...broken })
        assert.strictEqual((yield* send(yield* serve(source), "GET", url)).status, 503)
      }
      const { source } = makeSource({ blobRead, readBlob: () => Stream.fromEffect(away) })
      const later = yield* serve(source)
      yield* Effect.exit(send(later, "GET", url))
      yield* send(later, "HEAD", url)
      assert.deepStrictEqual(told, [
        ["done", 3],
        ["cancelled", 2],
        ["failed", 0],
        ["failed", 0],
        ["failed", 0]
      ])
    })
  )

  it.effect("answers 503 if the source is away and 500 for a defect, both in the OCI error form", () =>
    Effect.gen(function* () {
      const { source } = makeSource({
        resolve: () => Effect.fail(new ImageUnavailable({ message: "no tracker answers" })),
        statBlob: () => Effect.die("a bug")
      })
      const world = yield* serve(source)
      const away = yield* send(world, "GET", "http://agent:1/v2/a/manifests/1")
      assert.strictEqual(away.status, 503)
      assert.strictEqual(errorCode(away), "UNAVAILABLE")
      const broken = yield* send(world, "GET", `http://agent:1/v2/a/blobs/${nothing}`)
      assert.strictEqual(broken.status, 500)
      assert.strictEqual(errorCode(broken), "UNKNOWN")
      const metrics = yield* send(world, "GET", "http://agent:1/metrics")
      assert.match(
        metrics.text,
        /shoal_http_requests_total\{[^}]*route="\/v2\/ manifest"[^}]*status="503"[^}]*\} 1/
      )
    })
  )
})
