// Tests of blob uploads over a herd in memory: the requests of real clients, failures, and what remains after them.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { inHerd, proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob, someBytes } from "../../../testing/roles/push.ts"

const uploadsUrl = `${proxyUrl}/v2/demo/app/blobs/uploads/`
const nothing = `sha256:${"0".repeat(64)}`

const begin = (world: MemoryWorld) =>
  Effect.map(send(world, "POST", uploadsUrl), (session) => ({
    session,
    path: session.headers.location!,
    url: `${proxyUrl}${session.headers.location}`
  }))

const stored = (world: MemoryWorld, digest: string) =>
  send(world, "GET", `${proxyUrl}/v2/demo/app/blobs/${digest}`)

const sha256 = (world: MemoryWorld, bytes: Uint8Array) => world.digests.digest("sha256", bytes)

describe("uploads", () => {
  it.effect("begin with a relative Location, an id, and an empty Range", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { session, path } = yield* begin(world)
        assert.strictEqual(session.status, 202)
        assert.match(path, /^\/v2\/demo\/app\/blobs\/uploads\/[^/]+$/)
        assert.strictEqual(path.endsWith(session.headers["docker-upload-uuid"]!), true)
        assert.strictEqual(session.headers.range, "0-0")
      })
    )
  )

  it.effect("grow by chunks in order, report their size, and end with the digest", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const bytes = someBytes(1, 3000)
        const { url } = yield* begin(world)
        const patch = (start: number, end: number) =>
          send(world, "PATCH", url, {
            body: bytes.slice(start, end),
            headers: { "content-range": `${start}-${end - 1}` }
          })
        const first = yield* patch(0, 1000)
        assert.strictEqual(first.status, 202)
        assert.strictEqual(first.headers.range, "0-999")

        // A chunk out of order gets 416 with the current Range, and nothing is lost.
        const skipped = yield* patch(2000, 3000)
        assert.strictEqual(skipped.status, 416)
        assert.strictEqual(skipped.headers.range, "0-999")
        assert.strictEqual(`${proxyUrl}${skipped.headers.location}`, url)
        const status = yield* send(world, "GET", url)
        assert.strictEqual(status.status, 204)
        assert.strictEqual(status.headers.range, "0-999")

        yield* patch(1000, 2000)
        const digest = sha256(world, bytes)
        const put = yield* send(world, "PUT", `${url}?digest=${encodeURIComponent(digest)}`, {
          body: bytes.slice(2000),
          headers: { "content-range": "2000-2999" }
        })
        assert.strictEqual(put.status, 201)
        assert.strictEqual(put.headers.location, `/v2/demo/app/blobs/${digest}`)
        assert.strictEqual(put.headers["docker-content-digest"], digest)
        assert.deepStrictEqual((yield* stored(world, digest)).bytes, bytes)
        const gone = yield* send(world, "GET", url)
        assert.strictEqual(gone.status, 404)
        assert.strictEqual(errorCode(gone), "BLOB_UPLOAD_UNKNOWN")
      })
    )
  )

  it.effect("answer a first chunk out of order with a Range that the conformance suite parses", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begin(world)
        const early = yield* send(world, "PATCH", url, {
          body: someBytes(1, 10),
          headers: { "content-range": "10-19" }
        })
        assert.strictEqual(early.status, 416)
        assert.strictEqual((yield* send(world, "GET", url)).headers.range, "0-0")
      })
    )
  )

  it.effect("accept one stream without Content-Range, as docker and podman send it", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const bytes = someBytes(2, 5000)
        const { url } = yield* begin(world)
        const patch = yield* send(world, "PATCH", url, {
          body: Stream.fromArray([bytes.slice(0, 1234), bytes.slice(1234)])
        })
        assert.strictEqual(patch.status, 202)
        assert.strictEqual(patch.headers.range, "0-4999")
        const digest = sha256(world, bytes)
        const put = yield* send(world, "PUT", `${url}?digest=${digest}`)
        assert.strictEqual(put.status, 201)
        assert.deepStrictEqual((yield* stored(world, digest)).bytes, bytes)
      })
    )
  )

  it.effect("accept a whole blob in one POST, also with sha512", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const bytes = someBytes(3, 2000)
        const digest = world.digests.digest("sha512", bytes)
        const post = yield* send(world, "POST", `${uploadsUrl}?digest=${digest}`, { body: bytes })
        assert.strictEqual(post.status, 201)
        assert.strictEqual(post.headers["docker-content-digest"], digest)
        assert.deepStrictEqual((yield* stored(world, digest)).bytes, bytes)
      })
    )
  )

  it.effect("are discarded if the content does not match the digest", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begin(world)
        const put = yield* send(world, "PUT", `${url}?digest=${nothing}`, { body: someBytes(4, 100) })
        assert.strictEqual(put.status, 400)
        assert.strictEqual(errorCode(put), "DIGEST_INVALID")
        assert.strictEqual((yield* send(world, "GET", url)).status, 404)
        const post = yield* send(world, "POST", `${uploadsUrl}?digest=${nothing}`, {
          body: someBytes(4, 100)
        })
        assert.strictEqual(post.status, 400)
        assert.strictEqual(errorCode(post), "DIGEST_INVALID")
        assert.strictEqual(world.blobs("herd/origin").uploads.size, 0)
        assert.strictEqual((yield* stored(world, nothing)).status, 404)
      })
    )
  )

  it.effect("refuse a malformed or missing digest, and stay usable", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begin(world)
        for (const query of ["", "?digest=sha256:bad", "?digest=md5:00"]) {
          const put = yield* send(world, "PUT", url + query, { body: someBytes(5, 10) })
          assert.strictEqual(put.status, 400)
          assert.strictEqual(errorCode(put), "DIGEST_INVALID")
        }
        assert.strictEqual((yield* send(world, "GET", url)).status, 204)
        const mount = yield* send(world, "POST", `${uploadsUrl}?mount=sha256:bad&from=demo/other`)
        assert.strictEqual(mount.status, 400)
      })
    )
  )

  it.effect("can be resumed where a broken connection left them", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const bytes = someBytes(6, 3000)
        const { url } = yield* begin(world)
        const broken = yield* send(world, "PATCH", url, {
          body: Stream.concat(Stream.succeed(bytes.slice(0, 1200)), Stream.fail("connection reset"))
        })
        assert.strictEqual(broken.status, 400)
        const status = yield* send(world, "GET", url)
        assert.strictEqual(status.headers.range, "0-1199")
        yield* send(world, "PATCH", url, {
          body: bytes.slice(1200),
          headers: { "content-range": "1200-2999" }
        })
        const put = yield* send(world, "PUT", `${url}?digest=${sha256(world, bytes)}`)
        assert.strictEqual(put.status, 201)
      })
    )
  )

  it.effect("survive a restart of the proxy", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const bytes = someBytes(7, 2000)
      const url = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* startHerd(world)
          const { url } = yield* begin(world)
          yield* send(world, "PATCH", url, { body: bytes.slice(0, 500) })
          return url
        })
      )
      yield* startHerd(world)
      assert.strictEqual((yield* send(world, "GET", url)).headers.range, "0-499")
      yield* send(world, "PATCH", url, { body: bytes.slice(500) })
      const put = yield* send(world, "PUT", `${url}?digest=${sha256(world, bytes)}`)
      assert.strictEqual(put.status, 201)
    }).pipe(Effect.scoped)
  )

  it.effect("are written by one request at a time: a second one gets 409 and changes nothing", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const bytes = someBytes(8, 2000)
        const { url } = yield* begin(world)
        const half = yield* Deferred.make<void>()
        const rest = yield* Deferred.make<void>()
        const slow = Stream.concat(
          Stream.succeed(bytes.slice(0, 1000)),
          Stream.fromEffect(
            Deferred.succeed(half, undefined).pipe(
              Effect.andThen(Deferred.await(rest)),
              Effect.as(bytes.slice(1000))
            )
          )
        )
        const first = yield* Effect.forkChild(send(world, "PATCH", url, { body: slow }))
        yield* Deferred.await(half)
        const second = yield* send(world, "PATCH", url, { body: someBytes(9, 100) })
        assert.strictEqual(second.status, 409)
        assert.strictEqual(errorCode(second), "BLOB_UPLOAD_INVALID")
        yield* Deferred.succeed(rest, undefined)
        assert.strictEqual((yield* Fiber.join(first)).headers.range, "0-1999")
        const put = yield* send(world, "PUT", `${url}?digest=${sha256(world, bytes)}`)
        assert.strictEqual(put.status, 201)
      })
    )
  )

  it.effect("accept a request again after the one that wrote them was interrupted", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begin(world)
        const under = yield* Deferred.make<void>()
        const stuck = Stream.concat(
          Stream.succeed(someBytes(1, 10)),
          Stream.fromEffect(Effect.andThen(Deferred.succeed(under, undefined), Effect.never))
        )
        const first = yield* Effect.forkChild(send(world, "PATCH", url, { body: stuck }))
        yield* Deferred.await(under)
        yield* Fiber.interrupt(first)
        const next = yield* send(world, "PATCH", url, { body: someBytes(1, 10) })
        assert.strictEqual(next.status, 202)
        assert.strictEqual(next.headers.range, "0-19")
      })
    )
  )

  it.effect("belong to their repository, and can be cancelled", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begin(world)
        const elsewhere = yield* send(world, "GET", url.replace("demo/app", "demo/other"))
        assert.strictEqual(elsewhere.status, 404)
        assert.strictEqual((yield* send(world, "DELETE", url)).status, 204)
        assert.strictEqual((yield* send(world, "GET", url)).status, 404)
        assert.strictEqual(world.blobs("herd/origin").uploads.size, 0)
      })
    )
  )

  it.effect("mount a blob that the cluster has, and begin a session for one that it lacks", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest } = yield* pushBlob(world, proxyUrl, "demo/other", someBytes(10, 100))
        const there = yield* send(world, "POST", `${uploadsUrl}?mount=${digest}&from=demo/other`)
        assert.strictEqual(there.status, 201)
        assert.strictEqual(there.headers.location, `/v2/demo/app/blobs/${digest}`)
        assert.strictEqual((yield* stored(world, digest)).status, 200)
        // Without `from` any repository will do; with a wrong `from` there is no mount.
        const mount = (repository: string, query: string) =>
          send(world, "POST", `${proxyUrl}/v2/${repository}/blobs/uploads/?mount=${digest}${query}`)
        assert.strictEqual((yield* mount("demo/third", "&from=demo/nowhere")).status, 202)
        assert.strictEqual((yield* mount("demo/third", "&from=NO%20NAME")).status, 202)
        const third = `${proxyUrl}/v2/demo/third/blobs/${digest}`
        assert.strictEqual((yield* send(world, "GET", third)).status, 404)
        assert.strictEqual((yield* mount("demo/third", "")).status, 201)
        assert.strictEqual((yield* send(world, "GET", third)).status, 200)
        const absent = yield* send(world, "POST", `${uploadsUrl}?mount=${nothing}&from=demo/other`)
        assert.strictEqual(absent.status, 202)
        assert.match(absent.headers.location ?? "", /blobs\/uploads\//)
      })
    )
  )

  it.effect("end with a reason when the disk is full", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        world.blobs("herd/origin").room = 1000
        const { url } = yield* begin(world)
        const patch = yield* send(world, "PATCH", url, { body: someBytes(11, 2000) })
        assert.strictEqual(patch.status, 507)
        assert.include(patch.text, "no room left")
      })
    )
  )

  it.effect("leave no upload behind once the blob is complete", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest, put } = yield* pushBlob(world, proxyUrl, "demo/app", someBytes(12, 4000))
        assert.strictEqual(put.status, 201)
        assert.strictEqual(world.blobs("herd/origin").uploads.size, 0)
        assert.isTrue(world.blobs("herd/origin").blobs.has(digest))
      })
    )
  )

  it.effect("are refused with 503 while no origin answers, and can be pushed again", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        world.unreachable.add("herd:15002")
        const failing = yield* Effect.forkChild(pushBlob(world, proxyUrl, "demo/app", someBytes(13, 4000)))
        yield* TestClock.adjust("5 seconds")
        const { put } = yield* Fiber.join(failing)
        assert.strictEqual(put.status, 503)
        assert.strictEqual(errorCode(put), "UNAVAILABLE")
        world.unreachable.clear()
        const again = yield* pushBlob(world, proxyUrl, "demo/app", someBytes(13, 4000))
        assert.strictEqual(again.put.status, 201)
      })
    )
  )

  it.effect("are dropped after a day without a request", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        yield* begin(world)
        const { url } = yield* begin(world)
        yield* TestClock.adjust("23 hours")
        yield* send(world, "PATCH", url, { body: someBytes(1, 10) })
        yield* TestClock.adjust("3 hours")
        assert.strictEqual(world.blobs("herd/origin").uploads.size, 1)
        assert.strictEqual((yield* send(world, "GET", url)).status, 204)
      })
    )
  )
})
