// The client of origins over a cluster in memory: failover, broken bodies, and the difference of unknown and
// unreachable.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { HttpClient, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import {
  blob,
  clientOf,
  holders,
  inCluster,
  names,
  nonOwnerOf,
  nothing,
  ownersOf,
  startOrigin,
  urls
} from "../../../testing/roles/origin-cluster.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { makeOriginClient } from "./origin-client.ts"

describe("the client of origins", () => {
  const outgoing = (bytes: Uint8Array) => ({ length: bytes.byteLength, bytes: Stream.succeed(bytes) })

  it.effect("puts to the first owner, and to the next one when that is down", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 20)
        const [first] = ownersOf(digest)
        yield* running.get(first!)!.stop
        yield* client.put("demo/app", digest, outgoing(bytes), Effect.void)
        assert.notInclude(holders(world, digest), first!)
        assert.isAtLeast(holders(world, digest).length, 2)
        const stat = yield* client.stat("demo/app", digest)
        assert.strictEqual(stat.length, bytes.byteLength)
      })
    )
  )

  it.effect("does not send an existing blob, and does not retry a wrong one", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 21)
        yield* client.put("demo/app", digest, outgoing(bytes), Effect.void)
        yield* client.put(
          "demo/app",
          digest,
          { length: 1, bytes: Stream.die("must not be sent") },
          Effect.void
        )
        world.requests.length = 0
        const error = yield* Effect.flip(client.put("demo/app", nothing, outgoing(bytes), Effect.void))
        assert.strictEqual(error._tag, "BlobRejected")
        assert.strictEqual(world.requests.filter((line) => line.startsWith("PUT")).length, 1)
      })
    )
  )

  it.effect("continues at another origin where one broke off", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 22, 50_000)
        yield* client.put("demo/app", digest, outgoing(bytes), Effect.void)
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

  it.effect("notices a body that ends early, and one that stalls", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 23, 20_000)
        yield* client.put("demo/app", digest, outgoing(bytes), Effect.void)
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

  it.effect("distinguishes unknown from unreachable", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const certain = yield* Effect.flip(client.stat("demo/app", nothing))
        assert.strictEqual(certain._tag, "BlobUnknown")
        assert.deepStrictEqual(certain._tag === "BlobUnknown" ? certain.unreachable : undefined, [])
        assert.strictEqual(certain.message, `no origin has ${nothing}`)

        yield* running.get("origin-a")!.stop
        const uncertain = yield* Effect.flip(client.stat("demo/app", nothing))
        assert.strictEqual(uncertain._tag, "BlobUnknown")
        assert.strictEqual(uncertain._tag === "BlobUnknown" ? uncertain.unreachable.length : 0, 1)
        assert.match(uncertain.message, /not answered: .*origin-a/)

        // An origin that just failed is not waited for again while others answer.
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

  it.effect("names the owners as seeds, and stand-ins for those that are down", () =>
    inCluster(makeMemoryWorld(), (world, running) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const owners = ownersOf(nothing)
        const addresses = (peers: ReadonlyArray<{ readonly address: string }>) =>
          peers.map(({ address }) => address)
        yield* running.get(owners[0])!.stop
        const seeds = yield* client.seeds(nothing)
        assert.sameMembers(
          addresses(seeds),
          [owners[1], owners[2], nonOwnerOf(nothing)].map((name) => `${name}:2`)
        )
        running.set(owners[0], yield* startOrigin(world, owners[0]))
        yield* TestClock.adjust("11 seconds")
        assert.sameMembers(
          addresses(yield* client.seeds(nothing)),
          owners.map((name) => `${name}:2`)
        )
      })
    )
  )

  it.effect("asks all owners for their peer addresses at once", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const slow = HttpClient.transform(world.client, (answer) => Effect.delay(answer, "1 second"))
        const client = yield* makeOriginClient(urls).pipe(
          Effect.provideService(HttpClient.HttpClient, slow),
          Effect.provide(world.services)
        )
        const asking = yield* Effect.forkChild(client.seeds(nothing))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.isDefined(asking.pollUnsafe(), "it took more than a second")
        assert.lengthOf(yield* Fiber.join(asking), 3)
      })
    )
  )

  it.effect("gives up an origin that reads bytes and then stalls", () =>
    inCluster(makeMemoryWorld(), (world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const { bytes, digest } = blob(world, 24)
        const stuck = {
          length: bytes.byteLength,
          bytes: Stream.concat(Stream.succeed(bytes.slice(0, 10)), Stream.never)
        }
        const putting = yield* Effect.forkChild(
          Effect.flip(client.put("demo/app", digest, stuck, Effect.void))
        )
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
