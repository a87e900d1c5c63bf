// The limits of a registry's clients, over a herd in memory: requests per second, uploads, bytes of uploads per
// second and bytes of a manifest; and defaults that do not hinder ordinary use.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { metricAt } from "../../../testing/roles/metrics.ts"
import { pushImage, someBytes } from "../../../testing/roles/push.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { ClientLimits } from "../config/client-limits.ts"

const withLimits = <A, E>(
  allowed: typeof ClientLimits.Encoded,
  test: (world: MemoryWorld) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    world.clientAddress = "192.0.2.1"
    yield* startHerd(world, { limits: allowed })
    yield* test(world)
  }).pipe(Effect.scoped)

const uploads = `${proxyUrl}/v2/demo/app/blobs/uploads/`

describe("requests per second", () => {
  const ping = (world: MemoryWorld, path = "/v2/") => send(world, "GET", proxyUrl + path)

  it.effect("beyond burst and rate get 429 with Retry-After, for that client alone", () =>
    withLimits({ requestsPerSecond: 2, requestBurst: 3 }, (world) =>
      Effect.gen(function* () {
        for (let index = 0; index < 3; index++) assert.strictEqual((yield* ping(world)).status, 200)
        const refused = yield* ping(world)
        assert.strictEqual(refused.status, 429)
        assert.strictEqual(errorCode(refused), "TOOMANYREQUESTS")
        assert.strictEqual(refused.headers["retry-after"], "1")
        // Its probes have their own count, and the other listeners have none.
        assert.strictEqual((yield* ping(world, "/health")).status, 200)
        world.clientAddress = "192.0.2.2"
        assert.strictEqual((yield* ping(world)).status, 200)
        world.clientAddress = "192.0.2.1"
        yield* TestClock.adjust("500 millis")
        assert.strictEqual((yield* ping(world)).status, 200)
        assert.strictEqual((yield* ping(world)).status, 429)
        yield* TestClock.adjust("1 hour")
        for (let index = 0; index < 3; index++) assert.strictEqual((yield* ping(world)).status, 200)
        assert.strictEqual((yield* ping(world)).status, 429)
        world.clientAddress = "192.0.2.3"
        assert.strictEqual(yield* metricAt(world, proxyUrl, "shoal_requests_refused_total"), 3)
        // The three addresses, and the probes of the first.
        assert.strictEqual(yield* metricAt(world, proxyUrl, "shoal_clients"), 4)
      })
    )
  )

  it.effect("count an IPv6 /64 as one client", () =>
    withLimits({ requestsPerSecond: 1, requestBurst: 1 }, (world) =>
      Effect.gen(function* () {
        world.clientAddress = "2001:db8::1"
        assert.strictEqual((yield* ping(world)).status, 200)
        world.clientAddress = "2001:db8::ffff:2"
        assert.strictEqual((yield* ping(world)).status, 429)
        world.clientAddress = "2001:db8:0:1::1"
        assert.strictEqual((yield* ping(world)).status, 200)
      })
    )
  )

  it.effect("have no limit when the limit is 0", () =>
    withLimits({ requestsPerSecond: 0, requestBurst: 1 }, (world) =>
      Effect.gen(function* () {
        for (let index = 0; index < 50; index++) assert.strictEqual((yield* ping(world)).status, 200)
      })
    )
  )
})

describe("uploads", () => {
  it.effect("have a limit for all clients and for one client; a finished upload makes room", () =>
    withLimits({ uploads: 3, uploadsPerClient: 2 }, (world) =>
      Effect.gen(function* () {
        const begin = send(world, "POST", uploads)
        const first = yield* begin
        yield* begin
        const own = yield* begin
        assert.strictEqual(own.status, 429)
        assert.include(own.text, "you have 2 uploads open")
        world.clientAddress = "192.0.2.2"
        const others = yield* begin
        assert.strictEqual(others.status, 202)
        const all = yield* begin
        assert.strictEqual(all.status, 429)
        assert.include(all.text, "the limit of this registry")
        assert.isDefined(all.headers["retry-after"])
        assert.strictEqual(world.blobs("herd/origin").uploads.size, 3)
        yield* send(world, "DELETE", proxyUrl + first.headers.location!)
        world.clientAddress = "192.0.2.1"
        assert.strictEqual((yield* begin).status, 202)
        // A push in one request counts for as long as it lasts.
        yield* send(world, "DELETE", proxyUrl + others.headers.location!)
        world.clientAddress = "192.0.2.3"
        for (let index = 0; index < 5; index++) {
          const bytes = someBytes(index, 10)
          const digest = world.digests.digest("sha256", bytes)
          assert.strictEqual(
            (yield* send(world, "POST", `${uploads}?digest=${digest}`, { body: bytes })).status,
            201
          )
        }
      })
    )
  )

  it.effect("beyond the rate are slowed, not refused, and share it", () =>
    withLimits({ uploadRate: 1000 }, (world) =>
      Effect.gen(function* () {
        let taken = 0
        const body = (count: number) =>
          Stream.fromIterable(Array.from({ length: count }, (_, index) => index)).pipe(
            Stream.rechunk(1),
            Stream.map(() => {
              taken += 100
              return new Uint8Array(100)
            })
          )
        const push = Effect.gen(function* () {
          const { headers } = yield* send(world, "POST", uploads)
          return yield* send(world, "PATCH", proxyUrl + headers.location!, { body: body(20) })
        })
        const both = yield* Effect.forkChild(Effect.all([push, push], { concurrency: 2 }))
        yield* settle
        // A second's worth at once, one waiting chunk of each upload, and no more.
        assert.isAtLeast(taken, 1000)
        assert.isAtMost(taken, 1400)
        const before = taken
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.isAtLeast(taken - before, 900)
        assert.isAtMost(taken - before, 1100)
        yield* TestClock.adjust("2 seconds")
        for (const { status, headers } of yield* Fiber.join(both)) {
          assert.strictEqual(status, 202)
          assert.strictEqual(headers.range, "0-1999")
        }
      })
    )
  )
})

describe("a manifest", () => {
  const put = (
    world: MemoryWorld,
    size: number,
    body: (bytes: Uint8Array) => Uint8Array | Stream.Stream<Uint8Array>
  ) => {
    const empty = `{"schemaVersion":2,"manifests":[],"annotations":{"filler":""}}`
    const text = empty.replace('""', `"${"x".repeat(size - empty.length)}"`)
    return send(world, "PUT", `${proxyUrl}/v2/demo/app/manifests/1`, {
      body: body(new TextEncoder().encode(text)),
      headers: { "content-type": "application/vnd.oci.image.index.v1+json" }
    })
  }
  const chunks = (bytes: Uint8Array) => Stream.fromArray([bytes.slice(0, 10), bytes.slice(10)])

  it.effect("may be as long as configured; a longer one gets 413, with and without a Content-Length", () =>
    withLimits({ manifestSize: 200 }, (world) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* put(world, 200, (bytes) => bytes)).status, 201)
        assert.strictEqual((yield* put(world, 200, chunks)).status, 201)
        for (const body of [(bytes: Uint8Array) => bytes, chunks]) {
          const refused = yield* put(world, 201, body)
          assert.strictEqual(refused.status, 413)
          assert.strictEqual(errorCode(refused), "SIZE_INVALID")
        }
      })
    )
  )

  it.effect("may have 4 MiB by default, and more when configured", () =>
    Effect.gen(function* () {
      const most = 4 * 1024 * 1024
      yield* withLimits({}, (world) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* put(world, most, (bytes) => bytes)).status, 201)
          assert.strictEqual((yield* put(world, most + 1, (bytes) => bytes)).status, 413)
        })
      )
      yield* withLimits({ manifestSize: 2 * most }, (world) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* put(world, most + 1, (bytes) => bytes)).status, 201)
          const got = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/1`)
          assert.strictEqual(got.bytes.byteLength, most + 1)
        })
      )
    })
  )
})

it.effect("the defaults do not hinder ordinary use", () =>
  withLimits({}, (world) =>
    Effect.gen(function* () {
      for (let image = 0; image < 30; image++)
        yield* pushImage(world, proxyUrl, "demo/app", String(image), image)
    })
  )
)

it("a value that makes no sense is refused", () => {
  const decode = Schema.decodeUnknownSync(ClientLimits)
  for (const bad of [{ requestsPerSecond: -1 }, { requestBurst: 0 }, { manifestSize: 0 }, { uploads: 0.5 }]) {
    assert.throws(() => decode(bad))
  }
})
