// Checks origins as a cluster in memory: taking blobs in, copies that wait and arrive, repair, and a client's failover.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Digest, makeDigest } from "../protocol/digest.ts"
import { ringOwners } from "../protocol/hash-ring.ts"
import { decodeMetainfo, encodeMetainfo } from "../protocol/metainfo.ts"
import { formatBlobPath } from "./blob-path.ts"
import { origin } from "./origin.ts"
import { makeOriginClient } from "./origin-client.ts"
import { errorCode, send } from "./testing/exchange.ts"
import { type MemoryWorld, makeMemoryWorld, type RunningRole } from "./testing/memory-world.ts"
import { someBytes } from "./testing/push.ts"
import { settle } from "./testing/settle.ts"

const makeWorld = () =>
  makeMemoryWorld((algorithm, bytes) => makeDigest(algorithm, createHash(algorithm).update(bytes).digest()))

const url = (name: string) => `http://${name}:1`
const names = ["origin-a", "origin-b", "origin-c", "origin-d"]
const urls = names.map(url)
const nothing = `sha256:${"0".repeat(64)}` as Digest

const startOrigin = (world: MemoryWorld, name: string, origins: ReadonlyArray<string> = urls) =>
  world.start(
    origin({
      data: name,
      log: { level: "silent", format: "json" },
      peer: { host: name, port: 2 },
      rates: {},
      http: { host: name, port: 1 },
      origins: [origins[0]!, ...origins.slice(1)],
      self: url(name)
    })
  )

/** Runs a test over a cluster of origins, which it may stop and start. */
const inCluster = <A, E>(
  test: (world: MemoryWorld, running: Map<string, RunningRole<unknown>>) => Effect.Effect<A, E>,
  started: ReadonlyArray<string> = names
) =>
  Effect.gen(function* () {
    const world = makeWorld()
    const running = new Map<string, RunningRole<unknown>>()
    for (const name of started) running.set(name, yield* startOrigin(world, name))
    yield* Effect.ensuring(
      test(world, running),
      Effect.suspend(() => Effect.forEach(running.values(), ({ stop }) => stop))
    )
  })

const clientOf = (world: MemoryWorld) => Effect.provide(makeOriginClient(urls), world.services)

const blobUrl = (name: string, digest: Digest) =>
  url(name) + formatBlobPath({ tag: "Blob", namespace: "demo/app", digest })
const metainfoUrl = (name: string, digest: Digest) =>
  url(name) + formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest })

const nameOf = (member: string) => names[urls.indexOf(member)]!
const ownersOf = (digest: Digest) => ringOwners(digest, urls, 3).map(nameOf)
const strangerTo = (digest: Digest) => nameOf(ringOwners(digest, urls, 4)[3]!)

const holders = (world: MemoryWorld, digest: Digest) =>
  names.filter((name) => world.blobs(name).blobs.has(digest))

const waiting = (world: MemoryWorld, name: string) => world.tables(name).rows("replication").length

const blob = (world: MemoryWorld, seed: number, length = 10_000) => {
  const bytes = someBytes(seed, length)
  return { bytes, digest: world.digests.digest("sha256", bytes) }
}

describe("an origin", () => {
  it.effect("takes a blob, checks it, makes its metainfo and copies it to the other owners", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 1)
        const owners = ownersOf(digest)
        const put = yield* send(world, "PUT", blobUrl(owners[0]!, digest), { body: bytes })
        assert.strictEqual(put.status, 201)
        assert.deepStrictEqual(holders(world, digest), [...owners].sort())
        const metainfos = yield* Effect.forEach(owners, (name) =>
          send(world, "GET", metainfoUrl(name, digest))
        )
        for (const metainfo of metainfos) assert.deepStrictEqual(metainfo.bytes, metainfos[0]!.bytes)
        const decoded = decodeMetainfo(metainfos[0]!.bytes)
        assert.isFalse("tag" in decoded)
        assert.include(decoded, { digest, length: bytes.byteLength })
        for (const name of names) assert.strictEqual(waiting(world, name), 0)
        assert.strictEqual(world.blobs(owners[0]!).uploads.size, 0)
      })
    )
  )

  it.effect("refuses content that is not what its digest says, and keeps nothing of it", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const put = yield* send(world, "PUT", blobUrl("origin-a", nothing), { body: someBytes(2, 100) })
        assert.strictEqual(put.status, 400)
        assert.strictEqual(errorCode(put), "DIGEST_INVALID")
        assert.deepStrictEqual(holders(world, nothing), [])
        assert.strictEqual(waiting(world, "origin-a"), 0)
        assert.strictEqual(world.blobs("origin-a").uploads.size, 0)
        assert.deepStrictEqual(world.tables("origin-a").rows("transient-uploads"), [])
      })
    )
  )

  it.effect("keeps nothing of an upload that broke off, nor of one that a crash cut", () =>
    inCluster((world, running) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 3)
        const broken = yield* send(world, "PUT", blobUrl("origin-a", digest), {
          body: Stream.concat(Stream.succeed(bytes.slice(0, 100)), Stream.fail("reset"))
        })
        assert.strictEqual(broken.status, 400)
        assert.strictEqual(world.blobs("origin-a").uploads.size, 0)
        assert.strictEqual(waiting(world, "origin-a"), 0)

        const left = yield* world.blobs("origin-a").createUpload
        yield* world
          .tables("origin-a")
          .write([{ tag: "Put", table: "transient-uploads", key: left, value: "" }])
        yield* running.get("origin-a")!.stop
        running.set("origin-a", yield* startOrigin(world, "origin-a"))
        assert.strictEqual(world.blobs("origin-a").uploads.size, 0)
      })
    )
  )

  it.effect("answers a blob that it has already without taking it again", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 4)
        const name = ownersOf(digest)[0]!
        yield* send(world, "PUT", blobUrl(name, digest), { body: bytes })
        const again = yield* send(world, "PUT", blobUrl(name, digest), {
          body: Stream.die("must not be read")
        })
        assert.strictEqual(again.status, 200)
      })
    )
  )

  it.effect("serves ranges, and says in OCI's form what it lacks or does not understand", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 5)
        const name = ownersOf(digest)[0]!
        yield* send(world, "PUT", blobUrl(name, digest), { body: bytes })
        const part = yield* send(world, "GET", blobUrl(name, digest), { headers: { range: "bytes=10-19" } })
        assert.strictEqual(part.status, 206)
        assert.deepStrictEqual(part.bytes, bytes.slice(10, 20))
        const cases = [
          [blobUrl(name, nothing), 404, "BLOB_UNKNOWN"],
          [metainfoUrl(name, nothing), 404, "BLOB_UNKNOWN"],
          [`${url(name)}/namespace/demo/blobs/sha256:bad`, 400, "DIGEST_INVALID"],
          [`${url(name)}/namespace//blobs/${digest}`, 400, "NAME_INVALID"],
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

  it.effect("tells its peer address, which stays the same over restarts", () =>
    inCluster((world, running) =>
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
    inCluster((world) =>
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
      const world = makeWorld()
      const error = yield* Effect.flip(startOrigin(world, "origin-a", [url("origin-b")]))
      assert.strictEqual(error._tag, "RoleMisconfigured")
      assert.include(error.message, "http://origin-a:1")
    })
  )
})

describe("copies to other owners", () => {
  it.effect("wait durably for an owner that is away, and reach it when it is back", () =>
    inCluster((world, running) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 10)
        const [first, second, third] = ownersOf(digest)
        yield* running.get(third!)!.stop
        const put = yield* send(world, "PUT", blobUrl(first!, digest), { body: bytes })
        assert.strictEqual(put.status, 201)
        assert.sameMembers(holders(world, digest), [first!, second!])
        assert.strictEqual(waiting(world, first!), 1)

        // The queue outlives the origin.
        yield* running.get(first!)!.stop
        running.set(first!, yield* startOrigin(world, first!))
        running.set(third!, yield* startOrigin(world, third!))
        yield* TestClock.adjust("30 seconds")
        assert.sameMembers(holders(world, digest), [first!, second!, third!])
        assert.strictEqual(waiting(world, first!), 0)
      })
    )
  )

  it.effect("are tried with growing pauses, not all the time", () =>
    inCluster((world, running) =>
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

  it.effect("stay intended while the blob is still being taken in", () =>
    inCluster((world) =>
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
    inCluster((world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 12)
        const at = (length: number | string) =>
          `${url("origin-a")}${formatBlobPath({ tag: "Copy", digest })}?metainfo=${length}`
        const wrong = encodeMetainfo({
          digest: nothing,
          length: bytes.byteLength,
          pieceLength: 262_144,
          pieceHashes: new Uint8Array(32)
        })
        const body = Stream.fromArray([wrong, bytes])
        for (const [length, reason] of [
          [wrong.byteLength, /of sha256:000/],
          [7, /malformed/],
          ["x", /must be the bytes/],
          [10_000_000, /ended within/]
        ] as const) {
          const got = yield* send(world, "PUT", at(length), { body })
          assert.strictEqual(got.status, 400)
          assert.match(got.text, reason)
        }
        assert.deepStrictEqual(holders(world, digest), [])
      })
    )
  )

  it.effect("repair an owner that lost the blob when someone asks it for metainfo", () =>
    inCluster((world) =>
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
    inCluster((world) =>
      Effect.gen(function* () {
        const { bytes, digest } = blob(world, 14)
        yield* send(world, "PUT", blobUrl(ownersOf(digest)[0]!, digest), { body: bytes })
        const stranger = strangerTo(digest)
        assert.strictEqual((yield* send(world, "GET", metainfoUrl(stranger, digest))).status, 200)
        yield* settle
        assert.notInclude(holders(world, digest), stranger)
      })
    )
  )
})

describe("the client of origins", () => {
  const outgoing = (bytes: Uint8Array) => ({ length: bytes.byteLength, bytes: Stream.succeed(bytes) })

  it.effect("puts to the first owner, and to the next one when that is away", () =>
    inCluster((world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 20)
        const [first] = ownersOf(digest)
        yield* running.get(first!)!.stop
        yield* client.put("demo/app", digest, outgoing(bytes))
        assert.notInclude(holders(world, digest), first!)
        assert.isAtLeast(holders(world, digest).length, 2)
        const stat = yield* client.stat("demo/app", digest)
        assert.strictEqual(stat.length, bytes.byteLength)
      })
    )
  )

  it.effect("does not send what is there, and does not retry what is wrong", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 21)
        yield* client.put("demo/app", digest, outgoing(bytes))
        yield* client.put("demo/app", digest, { length: 1, bytes: Stream.die("must not be sent") })
        world.requests.length = 0
        const error = yield* Effect.flip(client.put("demo/app", nothing, outgoing(bytes)))
        assert.strictEqual(error._tag, "BlobRejected")
        assert.strictEqual(world.requests.filter((line) => line.startsWith("PUT")).length, 1)
      })
    )
  )

  it.effect("goes on at another origin where one broke off", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 22, 50_000)
        yield* client.put("demo/app", digest, outgoing(bytes))
        let breaks = 2
        world.spoil = (request, response) => {
          const { body } = response
          if (request.method !== "GET" || body._tag !== "Stream" || breaks-- <= 0) return response
          const cut = Stream.concat(Stream.take(body.stream, 5), Stream.fail("reset"))
          return HttpServerResponse.stream(cut, { status: response.status, headers: response.headers })
        }
        const got = yield* Stream.mkUint8Array(client.read("demo/app", digest, 1000, 49_000))
        assert.deepStrictEqual(got, bytes.slice(1000, 49_000))
        assert.isAtMost(breaks, 0)
      })
    )
  )

  it.effect("notices a body that ends early, and one that stands still", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 23, 20_000)
        yield* client.put("demo/app", digest, outgoing(bytes))
        let spoilt = 0
        world.spoil = (request, response) => {
          const { body } = response
          if (request.method !== "GET" || body._tag !== "Stream" || spoilt >= 2) return response
          const short = Stream.take(body.stream, 3)
          const tail = spoilt++ === 0 ? Stream.empty : Stream.never
          return HttpServerResponse.stream(Stream.concat(short, tail), {
            status: response.status,
            headers: response.headers
          })
        }
        const reading = yield* Effect.forkChild(
          Stream.mkUint8Array(client.read("demo/app", digest, 0, bytes.byteLength))
        )
        yield* settle
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* Fiber.join(reading), bytes)
        assert.strictEqual(spoilt, 2)
      })
    )
  )

  it.effect("tells unknown from unreachable", () =>
    inCluster((world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const certain = yield* Effect.flip(client.stat("demo/app", nothing))
        assert.strictEqual(certain._tag, "BlobUnknown")
        assert.deepStrictEqual(certain._tag === "BlobUnknown" ? certain.unreachable : undefined, [])

        yield* running.get("origin-a")!.stop
        const uncertain = yield* Effect.flip(client.stat("demo/app", nothing))
        assert.strictEqual(uncertain._tag, "BlobUnknown")
        assert.strictEqual(uncertain._tag === "BlobUnknown" ? uncertain.unreachable.length : 0, 1)

        // One that just failed is not waited for again while others answer.
        const again = yield* Effect.flip(client.stat("demo/app", nothing))
        assert.include(again._tag === "BlobUnknown" ? again.unreachable[0] : "", "was not asked again")

        for (const name of names) world.unreachable.add(`${name}:1`)
        const asking = yield* Effect.forkChild(Effect.flip(client.metainfo("demo/app", nothing)))
        yield* TestClock.adjust("5 seconds")
        const nobody = yield* Fiber.join(asking)
        assert.strictEqual(nobody._tag, "OriginUnavailable")
        const reading = yield* Effect.flip(Stream.runDrain(client.read("demo/app", nothing, 0, 10)))
        assert.strictEqual(reading._tag, "OriginUnavailable")
      })
    )
  )

  it.effect("names the owners as seeds, and stand-ins for those that are away", () =>
    inCluster((world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const owners = ownersOf(nothing)
        const addresses = (peers: ReadonlyArray<{ readonly address: string }>) =>
          peers.map(({ address }) => address)
        yield* running.get(owners[0]!)!.stop
        const seeds = yield* client.seeds(nothing)
        assert.sameMembers(
          addresses(seeds),
          [owners[1]!, owners[2]!, strangerTo(nothing)].map((name) => `${name}:2`)
        )
        running.set(owners[0]!, yield* startOrigin(world, owners[0]!))
        yield* TestClock.adjust("11 seconds")
        assert.sameMembers(
          addresses(yield* client.seeds(nothing)),
          owners.map((name) => `${name}:2`)
        )
      })
    )
  )

  it.effect("gives up an origin that takes bytes and then stands still", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 24)
        const stuck = {
          length: bytes.byteLength,
          bytes: Stream.concat(Stream.succeed(bytes.slice(0, 10)), Stream.never)
        }
        const putting = yield* Effect.forkChild(Effect.flip(client.put("demo/app", digest, stuck)))
        yield* TestClock.adjust("15 minutes")
        const error = yield* Fiber.join(putting)
        assert.strictEqual(error._tag, "OriginUnavailable")
        assert.include(error.message, "stood still")
        assert.deepStrictEqual(
          names.map((name) => world.blobs(name).uploads.size),
          [0, 0, 0, 0]
        )
      })
    )
  )
})
