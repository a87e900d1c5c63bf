// Origins as a cluster in memory: they store blobs, copies wait and arrive, and lost blobs are repaired.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { receivedParts } from "../../../testing/roles/byte-ranges.ts"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import {
  blob,
  blobUrl,
  holders,
  inCluster,
  metainfoUrl,
  names,
  nonOwnerOf,
  nothing,
  ownersOf,
  startOrigin,
  url,
  waiting
} from "../../../testing/roles/origin-cluster.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { decodeMetainfo, encodeMetainfo } from "../../protocol/wire/metainfo.ts"
import { formatBlobPath } from "../client/blob-path.ts"

describe("an origin", () => {
  it.effect("stores a blob, checks it, makes its metainfo and copies it to the other owners", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 1)
        const owners = ownersOf(digest)
        const put = yield* send(world, "PUT", blobUrl(owners[0], digest), { body: bytes })
        assert.strictEqual(put.status, 201)
        assert.deepStrictEqual(holders(world, digest), [...owners].sort())
        const metainfos = yield* Effect.forEach(owners, (name) =>
          send(world, "GET", metainfoUrl(name, digest))
        )
        const [metainfo, ...others] = metainfos.map(({ bytes }) => bytes)
        assert.deepStrictEqual(others, [metainfo, metainfo])
        const decoded = decodeMetainfo(metainfo!)
        assert.isFalse("tag" in decoded)
        assert.include(decoded, { digest, length: bytes.byteLength })
        for (const name of names) assert.strictEqual(waiting(world, name), 0)
        assert.strictEqual(world.blobs(owners[0]).uploads.size, 0)
      })
    )
  )

  it.effect("answers conditions and ranges of a blob as HTTP has them, and a full disk with 507", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 1)
        const [owner] = ownersOf(digest)
        const at = blobUrl(owner, digest)
        assert.strictEqual((yield* send(world, "PUT", at, { body: bytes })).status, 201)
        assert.strictEqual((yield* send(world, "PUT", at, { body: bytes })).status, 200)
        for (const [headers, status] of [
          [{}, 200],
          [{ range: "bytes=0-9" }, 206],
          [{ "if-none-match": `W/"${digest}"` }, 304],
          [{ range: `bytes=${",0-0".repeat(2000).slice(1)}` }, 400],
          [{ "if-match": '"x"' }, 412],
          [{ range: `bytes=${bytes.byteLength}-` }, 416]
        ] as const) {
          assert.strictEqual((yield* send(world, "GET", at, { headers })).status, status, `${status}`)
        }
        assert.strictEqual((yield* send(world, "GET", blobUrl(owner, nothing))).status, 404)
        const other = blob(world, 2)
        const [full] = ownersOf(other.digest)
        world.blobs(full).room = 10
        const put = yield* send(world, "PUT", blobUrl(full, other.digest), { body: other.bytes })
        assert.deepStrictEqual([put.status, errorCode(put)], [507, "UNAVAILABLE"])
      })
    )
  )

  it.effect("refuses content that does not match its digest, and keeps nothing of it", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const put = yield* send(world, "PUT", blobUrl("origin-a", nothing), { body: someBytes(2, 100) })
        assert.strictEqual(put.status, 400)
        assert.strictEqual(errorCode(put), "DIGEST_INVALID")
        assert.deepStrictEqual(holders(world, nothing), [])
        assert.strictEqual(waiting(world, "origin-a"), 0)
        assert.strictEqual(world.blobs("origin-a").uploads.size, 0)
      })
    )
  )

  it.effect("keeps nothing of a blob whose sender broke off", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 3)
        const broken = yield* send(world, "PUT", blobUrl("origin-a", digest), {
          body: Stream.concat(Stream.succeed(bytes.slice(0, 100)), Stream.fail("reset"))
        })
        assert.strictEqual(broken.status, 400)
        assert.strictEqual(world.blobs("origin-a").uploads.size, 0)
        assert.strictEqual(waiting(world, "origin-a"), 0)
      })
    )
  )

  it.effect("answers a PUT of an existing blob without reading it again", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 4)
        const name = ownersOf(digest)[0]
        yield* send(world, "PUT", blobUrl(name, digest), { body: bytes })
        const again = yield* send(world, "PUT", blobUrl(name, digest), {
          body: Stream.die("must not be read")
        })
        assert.strictEqual(again.status, 200)
      })
    )
  )

  it.effect("serves ranges, and reports missing blobs and invalid requests in OCI's form", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 5)
        const name = ownersOf(digest)[0]
        yield* send(world, "PUT", blobUrl(name, digest), { body: bytes })
        const several = yield* send(world, "GET", blobUrl(name, digest), {
          headers: { range: "bytes=-5,10-19" }
        })
        assert.strictEqual(several.status, 206)
        const parts = receivedParts(several.headers["content-type"], several.bytes)
        assert.deepStrictEqual(
          parts.map((part) => [...part.bytes]),
          [[...bytes.slice(-5)], [...bytes.slice(10, 20)]]
        )
        const part = yield* send(world, "GET", blobUrl(name, digest), { headers: { range: "bytes=10-19" } })
        assert.strictEqual(part.status, 206)
        assert.deepStrictEqual(part.bytes, bytes.slice(10, 20))
        const cases = [
          [blobUrl(name, nothing), 404, "BLOB_UNKNOWN"],
          [metainfoUrl(name, nothing), 404, "BLOB_UNKNOWN"],
          [`${url(name)}/namespace/demo/blobs/sha256:bad`, 400, "DIGEST_INVALID"],
          [`${url(name)}/namespace/${"n".repeat(256)}/blobs/${digest}`, 400, "NAME_INVALID"],
          [`${url(name)}/internal/other`, 404, "UNSUPPORTED"]
        ] as const
        for (const [at, status, code] of cases) {
          const got = yield* send(world, "GET", at)
          assert.strictEqual(got.status, status, at)
          assert.strictEqual(errorCode(got), code, at)
        }
      })
    )
  )

  it.effect("serves its peer address, which stays the same over restarts", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const ask = send(world, "GET", `${url("origin-a")}/internal/peer`)
        const before = JSON.parse((yield* ask).text)
        assert.match(before.peerId, /^[0-9a-f]{40}$/)
        assert.include(before, { address: "origin-a:2", kind: "origin" })
        yield* running.get("origin-a")!.stop
        running.set("origin-a", yield* startOrigin(world, "origin-a"))
        assert.deepStrictEqual(JSON.parse((yield* ask).text), before)
      })
    )
  )

  it.effect("is ready when its store answers, and says so on the common routes", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* send(world, "GET", `${url("origin-a")}/health`)).status, 200)
        assert.strictEqual((yield* send(world, "GET", `${url("origin-a")}/readiness`)).status, 200)
        const metrics = yield* send(world, "GET", `${url("origin-a")}/metrics`)
        assert.include(metrics.text, "shoal_origin_copies_queued")
      })
    )
  )

  it.effect("does not start when its own URL is not among the origins", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const error = yield* Effect.flip(startOrigin(world, "origin-a", [url("origin-b")]))
      assert.strictEqual(error._tag, "RoleMisconfigured")
      assert.include(error.message, "http://origin-a:1")
    })
  )
})

describe("copies to other owners", () => {
  it.effect("wait durably for an owner that is down, and reach it when it is back", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 10)
        const [first, second, third] = ownersOf(digest)
        yield* running.get(third!)!.stop
        const put = yield* send(world, "PUT", blobUrl(first!, digest), { body: bytes })
        assert.strictEqual(put.status, 201)
        assert.sameMembers(holders(world, digest), [first!, second!])
        assert.strictEqual(waiting(world, first!), 1)

        // The queue survives the origin.
        yield* running.get(first!)!.stop
        running.set(first!, yield* startOrigin(world, first!))
        running.set(third!, yield* startOrigin(world, third!))
        yield* TestClock.adjust("30 seconds")
        assert.sameMembers(holders(world, digest), [first!, second!, third!])
        assert.strictEqual(waiting(world, first!), 0)
      })
    )
  )

  it.effect("reach the owners of a blob whose origin was killed before it made the metainfo", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 16)
        const [first, second, third] = ownersOf(digest)
        yield* running.get(first!)!.stop
        // The remains of the kill: the intended copies, and the blob alone.
        const store = world.blobs(first!)
        const upload = yield* store.createUpload
        yield* store.appendUpload(upload, 0, Stream.succeed(bytes))
        yield* store.commitUpload(upload, digest)
        const value = JSON.stringify({ attempts: 0, notBefore: 0 })
        for (const target of [second!, third!]) {
          const key = `${digest} ${url(target)}`
          yield* world.tables(first!).write([{ tag: "Put", table: "replication", key, value }])
        }
        running.set(first!, yield* startOrigin(world, first!))
        yield* TestClock.adjust("30 seconds")
        assert.sameMembers(holders(world, digest), [first!, second!, third!])
        assert.strictEqual(waiting(world, first!), 0)
      })
    )
  )

  it.effect("are retried with growing pauses", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 11)
        const [first, , third] = ownersOf(digest)
        yield* running.get(third!)!.stop
        world.unreachable.add(`${third}:1`)
        yield* send(world, "PUT", blobUrl(first!, digest), { body: bytes })
        const failed = Effect.map(send(world, "GET", `${url(first!)}/metrics`), ({ text }) =>
          Number(/shoal_origin_copies_total\{[^}]*result="failed"[^}]*\} (\d+)/.exec(text)![1])
        )
        assert.strictEqual(yield* failed, 1)
        yield* TestClock.adjust("1 hour")
        const tries = yield* failed
        assert.isAtLeast(tries, 8)
        assert.isAtMost(tries, 16)
        assert.strictEqual(waiting(world, first!), 1)
      })
    )
  )

  it.effect("stay intended while the blob is still being received", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 15)
        const [first] = ownersOf(digest)
        const rest = yield* Deferred.make<void>()
        const slow = Stream.concat(
          Stream.succeed(bytes.slice(0, 10)),
          Stream.fromEffect(Effect.as(Deferred.await(rest), bytes.slice(10)))
        )
        const putting = yield* Effect.forkChild(send(world, "PUT", blobUrl(first!, digest), { body: slow }))
        yield* settle
        yield* TestClock.adjust("20 seconds")
        yield* settle
        assert.strictEqual(waiting(world, first!), 2)
        yield* Deferred.succeed(rest, undefined)
        assert.strictEqual((yield* Fiber.join(putting)).status, 201)
        assert.strictEqual(waiting(world, first!), 0)
        assert.lengthOf(holders(world, digest), 3)
      })
    )
  )

  it.effect("are refused when the metainfo in front is not the blob's", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 12)
        const at = (length: number | string) =>
          `${url("origin-a")}${formatBlobPath({ tag: "Copy", digest })}?metainfo=${length}`
        const wrong = encodeMetainfo({
          digest: nothing,
          length: bytes.byteLength,
          pieceLength: 262_144,
          root: new Uint8Array(32)
        })
        for (const [length, reason, ...body] of [
          [wrong.byteLength, /of sha256:000/, wrong, bytes],
          [7, /malformed/, wrong, bytes],
          ["x", /must be the bytes/, wrong, bytes],
          [10_000_000, /must be the bytes/, wrong, bytes],
          [150, /ended within/, wrong]
        ] as const) {
          const got = yield* send(world, "PUT", at(length), { body: Stream.fromArray(body) })
          assert.strictEqual(got.status, 400)
          assert.match(got.text, reason)
        }
        assert.deepStrictEqual(holders(world, digest), [])
      })
    )
  )

  it.effect("are refused when the root is not that of the bytes", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 16)
        const length = bytes.byteLength
        const wrong = encodeMetainfo({ digest, length, pieceLength: 262_144, root: new Uint8Array(32) })
        const copy = `${url("origin-a")}${formatBlobPath({ tag: "Copy", digest })}?metainfo=${wrong.byteLength}`
        const got = yield* send(world, "PUT", copy, { body: Stream.fromArray([wrong, bytes]) })
        assert.strictEqual(got.status, 400)
        assert.match(got.text, /has the root [0-9a-f]{64}, its metainfo says 0{64}/)
      })
    )
  )

  it.effect("of which an owner has no metainfo get it when another owner asks", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 17)
        // As in stores of version 1, whose metainfo counts as absent.
        for (const owner of ownersOf(digest)) world.blobs(owner).blobs.set(digest, bytes)
        const [first, second, third] = ownersOf(digest)
        const got = yield* send(world, "GET", metainfoUrl(first, digest))
        assert.strictEqual(got.status, 200)
        yield* settle
        for (const other of [second, third]) {
          const own = yield* send(world, "GET", url(other) + formatBlobPath({ tag: "OwnMetainfo", digest }))
          assert.deepStrictEqual(own.bytes, got.bytes)
        }
      })
    )
  )

  it.effect("repair an owner that lost the blob when its metainfo is requested", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 13)
        const [first, second] = ownersOf(digest)
        yield* send(world, "PUT", blobUrl(first!, digest), { body: bytes })
        yield* world.blobs(second!).remove(digest)
        const expected = yield* send(world, "GET", metainfoUrl(first!, digest))
        const got = yield* send(world, "GET", metainfoUrl(second!, digest))
        assert.strictEqual(got.status, 200)
        assert.deepStrictEqual(got.bytes, expected.bytes)
        yield* settle
        assert.isTrue(world.blobs(second!).blobs.has(digest))
        const kept = yield* send(world, "GET", url(second!) + formatBlobPath({ tag: "OwnMetainfo", digest }))
        assert.deepStrictEqual(kept.bytes, expected.bytes)
      })
    )
  )

  it.effect("are not made at an origin that does not own the blob", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 14)
        yield* send(world, "PUT", blobUrl(ownersOf(digest)[0], digest), { body: bytes })
        const nonOwner = nonOwnerOf(digest)
        assert.strictEqual((yield* send(world, "GET", metainfoUrl(nonOwner, digest))).status, 200)
        yield* settle
        assert.notInclude(holders(world, digest), nonOwner)
      })
    )
  )
})
