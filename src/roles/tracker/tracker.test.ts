// Trackers in memory, with their client: introductions, metainfo that is passed on, refusals, and forgotten swarms.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { metricAt } from "../../../testing/roles/metrics.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import { limits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import { formatBlobPath } from "../client/blob-path.ts"
import { askLimits } from "../client/limits.ts"
import { makeTrackerClient } from "../client/tracker-client.ts"
import type { AnnounceBatch, SwarmAnnounce } from "../client/tracker-wire.ts"
import { originConfig } from "../origin/config.ts"
import { origin } from "../origin/origin.ts"
import { trackerConfig } from "./config.ts"
import { trackerLimits } from "./limits.ts"
import { tracker } from "./tracker.ts"
import { makeTrackerSwarms } from "./tracker-swarms.ts"

const originUrl = "http://origin:1"
const trackerNames = ["tracker-a", "tracker-b"]
const trackerUrls = trackerNames.map((name) => `http://${name}:1`)
const peerId = (number: number) => number.toString(16).padStart(40, "0") as PeerId
const swarmId = (number: number) => number.toString(16).padStart(64, "0") as SwarmId
const digestOf = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest

const inCluster = <A, E>(test: (world: MemoryWorld) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const started = [
      yield* world.start(
        origin(
          originConfig({
            data: "origin",
            peer: { host: "origin", port: 2 },
            http: { host: "origin", port: 1 },
            origins: [originUrl],
            self: originUrl
          })
        )
      ),
      ...(yield* Effect.forEach(trackerNames, (host) =>
        world.start(tracker(trackerConfig({ http: { host, port: 1 }, origins: [originUrl] })))
      ))
    ]
    yield* Effect.ensuring(
      test(world),
      Effect.suspend(() => Effect.forEach(started, ({ stop }) => stop))
    )
  })

const clientOf = (world: MemoryWorld) => Effect.provide(makeTrackerClient(trackerUrls), world.services)

const announced = (number: number, changes: Partial<SwarmAnnounce> = {}): SwarmAnnounce => ({
  swarm: swarmId(number),
  digest: digestOf(number),
  namespace: "demo/app",
  event: "downloading",
  neighbours: 0,
  have: 0,
  ...changes
})

const batch = (peer: number, ...swarms: ReadonlyArray<SwarmAnnounce>): AnnounceBatch => ({
  peer: { peerId: peerId(peer), address: `agent-${peer}:2` },
  swarms
})

describe("a tracker", () => {
  it.effect("introduces peers to each other and to the origins that seed", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const [alone] = yield* client.announce(batch(1, announced(7)))
        assert.deepStrictEqual(
          alone!.peers.map(({ address, kind }) => [address, kind]),
          [["origin:2", "origin"]]
        )
        assert.strictEqual(alone!.intervalMs, limits.announceInterval / 1000)
        const [second] = yield* client.announce(batch(2, announced(7)))
        assert.sameMembers(
          second!.peers.map(({ address }) => address),
          ["agent-1:2", "origin:2"]
        )
        const [complete] = yield* client.announce(batch(1, announced(7, { event: "complete", have: 9 })))
        assert.deepStrictEqual(complete!.peers, [])
        assert.strictEqual(complete!.intervalMs, limits.seedAnnounceInterval / 1000)
        yield* client.announce(batch(1, announced(7, { event: "stopped" })))
        const [third] = yield* client.announce(batch(3, announced(7)))
        assert.notInclude(
          third!.peers.map(({ address }) => address),
          "agent-1:2"
        )
        const [other] = yield* client.announce(batch(4, announced(8)))
        assert.lengthOf(other!.peers, 1)
        const counted = (name: string) =>
          Effect.map(
            Effect.forEach(trackerUrls, (url) => metricAt(world, url, name)),
            (counts) => counts.reduce((sum, count) => sum + count)
          )
        assert.deepStrictEqual(
          [yield* counted("shoal_tracker_swarms"), yield* counted("shoal_tracker_peers")],
          [2, 3]
        )
      })
    )
  )

  it.effect("is asked for metainfo by some hosts, and the other trackers by others", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const asked = new Map(trackerUrls.map((url) => [url, 0]))
        world.spoil = (request, response) => {
          const { origin, pathname } = new URL(request.url)
          if (pathname.endsWith("/metainfo") && asked.has(origin)) asked.set(origin, asked.get(origin)! + 1)
          return response
        }
        yield* Effect.forEach(Array.from({ length: 40 }), () =>
          Effect.gen(function* () {
            const client = yield* clientOf(world)
            yield* Effect.flip(client.metainfo("demo/app", digestOf(1)))
          })
        )
        for (const times of asked.values()) assert.isAtLeast(times, 5)
      })
    )
  )

  it.effect("asks each origin once for its peer address, however many announce", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        yield* Effect.forEach([1, 2, 3, 4, 5], (peer) => client.announce(batch(peer, announced(7))), {
          concurrency: "unbounded"
        })
        assert.lengthOf(
          world.requests.filter((line) => line.endsWith("/internal/peer")),
          1
        )
      })
    )
  )

  it.effect("continues to introduce agents while no origin answers", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        world.unreachable.add("origin:1")
        yield* client.announce(batch(1, announced(7)))
        const [second] = yield* client.announce(batch(2, announced(7)))
        assert.deepStrictEqual(
          second!.peers.map(({ address }) => address),
          ["agent-1:2"]
        )
      })
    )
  )

  it.effect("refuses an invalid announce as a whole", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const post = (body: unknown) =>
          send(world, "POST", "http://tracker-a:1/announce", {
            body: typeof body === "string" ? body : JSON.stringify(body)
          })
        const good = batch(1, announced(7))
        const bad = [
          "not json",
          {},
          { ...good, peer: { ...good.peer, peerId: "short" } },
          { ...good, peer: { ...good.peer, address: "no port" } },
          { ...good, peer: { ...good.peer, address: `${"h".repeat(300)}:1` } },
          { ...good, swarms: [announced(7, { digest: "sha256:bad" as Digest })] },
          { ...good, swarms: [announced(7, { neighbours: -1 })] },
          { ...good, swarms: Array.from({ length: askLimits.maxSwarmsPerAnnounce + 1 }, () => announced(7)) }
        ]
        for (const body of bad)
          assert.strictEqual((yield* post(body)).status, 400, JSON.stringify(body).slice(0, 80))
        assert.strictEqual((yield* post(good)).status, 200)
      })
    )
  )

  it.effect(
    "passes metainfo on, asks the origins once for a crowd, and distinguishes unknown from unreachable",
    () =>
      inCluster((world) =>
        Effect.gen(function* () {
          const bytes = someBytes(1, 4000)
          const digest = world.digests.digest("sha256", bytes)
          const path = formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest })
          const ask = send(world, "GET", `http://tracker-a:1${path}`)
          const unknown = yield* ask
          assert.strictEqual(unknown.status, 404)
          assert.strictEqual(errorCode(unknown), "BLOB_UNKNOWN")

          // A miss is not cached.
          yield* send(
            world,
            "PUT",
            originUrl + formatBlobPath({ tag: "Blob", namespace: "demo/app", digest }),
            {
              body: bytes
            }
          )
          world.requests.length = 0
          const crowd = yield* Effect.forEach([1, 2, 3, 4], () => ask, { concurrency: "unbounded" })
          for (const got of crowd) assert.strictEqual(got.status, 200)
          assert.lengthOf(
            world.requests.filter((line) => line === `GET ${path}`),
            crowd.length + 1
          )

          world.unreachable.add("origin:1")
          assert.strictEqual((yield* ask).status, 200)
          const other = path.replace(digest, digestOf(1))
          const asking = yield* Effect.forkChild(send(world, "GET", `http://tracker-a:1${other}`))
          yield* TestClock.adjust("5 seconds")
          const away = yield* Fiber.join(asking)
          assert.strictEqual(away.status, 503)
          const readiness = yield* send(world, "GET", "http://tracker-a:1/readiness")
          assert.strictEqual(readiness.status, 503)
          assert.include(readiness.text, "origin:1")
        })
      )
  )
})

describe("the client of trackers", () => {
  it.effect("sends each blob to its own tracker, and to the next when that is down", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const swarms = Array.from({ length: 20 }, (_, index) => announced(index + 1))
        const firstOf = (digest: Digest) => new URL(ringOwners(digest, trackerUrls, 1)[0]!).hostname
        assert.sameMembers([...new Set(swarms.map(({ digest }) => firstOf(digest)))], trackerNames)

        const all = yield* client.announce(batch(1, ...swarms))
        assert.sameMembers(
          all.map(({ swarm }) => swarm),
          swarms.map(({ swarm }) => swarm)
        )
        assert.lengthOf(
          world.requests.filter((line) => line === "POST /announce"),
          2
        )
        // Peers at the same tracker meet.
        const met = yield* client.announce(batch(2, ...swarms))
        for (const handOut of met) assert.include(JSON.stringify(handOut.peers), "agent-1:2")

        world.unreachable.add("tracker-a:1")
        const still = yield* client.announce(batch(3, ...swarms))
        assert.lengthOf(still, swarms.length)
        world.unreachable.add("tracker-b:1")
        const error = yield* Effect.flip(client.announce(batch(3, ...swarms)))
        assert.strictEqual(error._tag, "TrackerUnavailable")
        assert.include(error.message, "tracker-a:1")
        assert.include(error.message, "tracker-b:1")
        assert.deepStrictEqual(yield* client.announce(batch(3)), [])
      })
    )
  )

  it.effect("returns metainfo with the swarm's id, and accepts none of other content", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        const put = (seed: number) => {
          const bytes = someBytes(seed, 4000)
          const digest = world.digests.digest("sha256", bytes)
          const url = originUrl + formatBlobPath({ tag: "Blob", namespace: "demo/app", digest })
          return Effect.as(send(world, "PUT", url, { body: bytes }), digest)
        }
        const digest = yield* put(1)
        const other = yield* put(2)
        const torrent = yield* client.metainfo("demo/app", digest)
        assert.strictEqual(torrent.metainfo.digest, digest)
        assert.strictEqual(torrent.swarm, world.digests.swarmId(torrent.metainfo))

        const foreign = yield* world.client.get(
          originUrl + formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest: other })
        )
        const bytes = new Uint8Array(yield* foreign.arrayBuffer)
        for (const [lie, reason] of [
          [bytes, `the metainfo of ${other}`],
          [new Uint8Array(10), "bad metainfo"]
        ] as const) {
          world.spoil = (request, response) =>
            request.url.includes("tracker") ? HttpServerResponse.uint8Array(lie) : response
          const error = yield* Effect.flip(client.metainfo("demo/app", digest))
          assert.strictEqual(error._tag, "TrackerUnavailable")
          assert.include(error.message, reason)
        }
      })
    )
  )

  it.effect("distinguishes an unknown blob from trackers that do not answer", () =>
    inCluster((world) =>
      Effect.gen(function* () {
        const client = yield* clientOf(world)
        assert.strictEqual((yield* Effect.flip(client.metainfo("demo/app", digestOf(1))))._tag, "BlobUnknown")
        for (const name of trackerNames) world.unreachable.add(`${name}:1`)
        const error = yield* Effect.flip(client.metainfo("demo/app", digestOf(1)))
        assert.strictEqual(error._tag, "TrackerUnavailable")
        assert.isNotEmpty(yield* client.notReady)
      })
    )
  )
})

describe("the swarms that a tracker remembers", () => {
  const random = { nextInt: () => 0 }
  const few = { ...trackerLimits, maxSwarmsTracked: 3 }
  const peer = (number: number) =>
    ({ peerId: peerId(number), address: `agent-${number}:2`, kind: "agent" }) as const

  it("are at most maxSwarmsTracked; the one announced longest ago goes first", () => {
    const swarms = makeTrackerSwarms(random, few)
    for (let number = 1; number <= few.maxSwarmsTracked; number++) {
      swarms.announce(peer(1), announced(number), [], 0)
    }
    swarms.announce(peer(1), announced(1), [], 1)
    swarms.announce(peer(1), announced(few.maxSwarmsTracked + 1), [], 1)
    assert.strictEqual(swarms.swarms(), few.maxSwarmsTracked)
    assert.deepStrictEqual(swarms.announce(peer(2), announced(1), [], 2), [peer(1)])
    assert.deepStrictEqual(swarms.announce(peer(2), announced(2), [], 2), [])
  })

  it("are forgotten when their last peer has been silent for too long", () => {
    const swarms = makeTrackerSwarms(random, few)
    swarms.announce(peer(1), announced(1), [], 0)
    swarms.announce(peer(1), announced(2, { event: "complete" }), [], 0)
    assert.strictEqual(swarms.peers(), 2)
    swarms.sweep(limits.announceMisses * limits.announceInterval)
    assert.strictEqual(swarms.swarms(), 1)
    swarms.sweep(limits.announceMisses * limits.seedAnnounceInterval)
    assert.strictEqual(swarms.swarms(), 0)
  })

  it("are not created by a peer that leaves", () => {
    const swarms = makeTrackerSwarms(random, few)
    swarms.announce(peer(1), announced(1, { event: "stopped" }), [], 0)
    assert.strictEqual(swarms.swarms(), 0)
  })

  it("hand out no peers to a host with enough neighbours", () => {
    const swarms = makeTrackerSwarms(random, few)
    swarms.announce(peer(1), announced(1), [], 0)
    const full = announced(1, { neighbours: limits.targetNeighbours })
    assert.deepStrictEqual(swarms.announce(peer(2), full, [peer(9)], 0), [])
  })
})
