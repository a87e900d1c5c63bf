// A cluster of origins fetches a blob of an upstream once, whichever is asked, and another origin takes over when the
// one that should fetch it is down.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Exchange, send } from "../../../testing/roles/exchange.ts"
import { type FakeUpstreamState, fakeUpstream, publishImage } from "../../../testing/roles/fake-upstream.ts"
import { logged } from "../../../testing/roles/logged.ts"
import { type MemoryWorld, makeMemoryWorld, type RunningRole } from "../../../testing/roles/memory-world.ts"
import { metricAt } from "../../../testing/roles/metrics.ts"
import {
  holders,
  names,
  nonOwnerOf,
  ownersOf,
  startOrigin,
  url,
  urls
} from "../../../testing/roles/origin-cluster.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { settle } from "../../../testing/roles/settle.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { decodeMetainfo } from "../../protocol/wire/metainfo.ts"
import { formatBlobPath } from "../client/blob-path.ts"

interface Cluster {
  readonly world: MemoryWorld
  readonly state: FakeUpstreamState
  readonly running: ReadonlyMap<string, RunningRole<unknown>>
  readonly layer: Uint8Array
  readonly digest: Digest
}

const inMirroringCluster = <A, E>(test: (cluster: Cluster) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const listen = { host: "hub.example", port: 1 }
    const registry = yield* world.start(
      fakeUpstream({
        registry: listen,
        tokens: { host: "hub.example", port: 2 },
        blobs: { host: "hub.example", port: 3 },
        tokensUrl: "https://hub.example:2",
        blobsUrl: "https://hub.example:3"
      })
    )
    const { state } = registry.role
    const upstreams = [{ name: "hub.example", url: "https://hub.example:1" }]
    const running = new Map<string, RunningRole<unknown>>()
    for (const name of names) running.set(name, yield* startOrigin(world, name, urls, upstreams))
    const layer = someBytes(1, 30_000)
    const digest = publishImage(state, "a/b", "1", [layer]).layers[0]
    yield* Effect.ensuring(
      test({ world, state, running, layer, digest }),
      Effect.suspend(() => Effect.forEach([...running.values(), registry], ({ stop }) => stop))
    )
  })

const askMetainfo = ({ world }: Cluster, name: string, digest: Digest, namespace = "hub.example/a/b") =>
  send(world, "GET", url(name) + formatBlobPath({ tag: "Metainfo", namespace, digest }))

const blobRequests = ({ state }: Cluster) => state.seen.filter(({ url }) => url.includes("/blobs/"))

const isMetainfoOf = (answer: Exchange, digest: Digest): boolean => {
  const metainfo = answer.status === 200 ? decodeMetainfo(answer.bytes) : undefined
  return metainfo !== undefined && !("tag" in metainfo) && metainfo.digest === digest
}

describe("origins that mirror an upstream", () => {
  it.effect("fetch a blob once, whichever of them are asked at once", () =>
    inMirroringCluster((cluster) =>
      Effect.gen(function* () {
        const { world, state, digest, layer } = cluster
        const held = yield* Deferred.make<void>()
        state.hold = Deferred.await(held)
        const asked = yield* Effect.forkChild(
          Effect.forEach([...names, ...names], (name) => askMetainfo(cluster, name, digest), {
            concurrency: "unbounded"
          })
        )
        yield* TestClock.adjust("10 seconds")
        // Nobody waits longer than a moment, and the fetch continues without them.
        assert.deepStrictEqual(
          (yield* Fiber.join(asked)).map(({ status }) => status),
          [...names, ...names].map(() => 202)
        )
        assert.strictEqual(blobRequests(cluster).length, 1)
        const counted = (name: string, labels?: Record<string, string>) =>
          Effect.map(
            Effect.forEach(names, (each) => metricAt(world, url(each), name, labels)),
            (counts) => counts.reduce((sum, count) => sum + count)
          )
        assert.strictEqual(yield* counted("shoal_upstream_fetches_underway"), 1)
        yield* Deferred.succeed(held, undefined)
        yield* settle
        for (const name of names)
          assert.isTrue(isMetainfoOf(yield* askMetainfo(cluster, name, digest), digest))
        assert.strictEqual(blobRequests(cluster).length, 1)
        assert.deepStrictEqual(holders(world, digest), [...ownersOf(digest)].sort())
        for (const name of ownersOf(digest))
          assert.deepStrictEqual(world.blobs(name).blobs.get(digest), layer)
        assert.strictEqual(yield* counted("shoal_upstream_fetches_underway"), 0)
        assert.strictEqual(yield* counted("shoal_upstream_fetches_total", { result: "done" }), 1)
        assert.strictEqual(yield* counted("shoal_upstream_fetches_total", { result: "failed" }), 0)
        assert.strictEqual(yield* counted("shoal_upstream_bytes_received_total"), layer.byteLength)
      })
    )
  )

  it.effect("log what a fetched blob is, and how long it took", () => {
    const lines: string[] = []
    const fetched = inMirroringCluster((cluster) =>
      Effect.gen(function* () {
        const { state, digest } = cluster
        const held = yield* Deferred.make<void>()
        state.hold = Deferred.await(held)
        yield* Effect.forkChild(askMetainfo(cluster, nonOwnerOf(digest), digest))
        yield* settle
        yield* TestClock.adjust("1500 millis")
        yield* Deferred.succeed(held, undefined)
        yield* settle
        assert.deepStrictEqual(
          lines.filter((line) => line.includes("fetched")),
          [
            `Info fetched a blob from its upstream digest=${digest} upstream=hub.example bytes=30000 seconds=1.5`
          ]
        )
      })
    )
    return logged(fetched, lines)
  })

  it.effect("stand in for the owner that should fetch", () =>
    inMirroringCluster((cluster) =>
      Effect.gen(function* () {
        const { running, digest } = cluster
        const [first, second] = ownersOf(digest)
        yield* running.get(first)!.stop
        const nonOwner = nonOwnerOf(digest)
        assert.isTrue(isMetainfoOf(yield* askMetainfo(cluster, nonOwner, digest), digest))
        yield* settle
        assert.strictEqual(blobRequests(cluster).length, 1)
        assert.isTrue(cluster.world.blobs(second).blobs.has(digest))
      })
    )
  )

  it.effect("fetch nothing for a repository of their own, or of an unlisted registry", () =>
    inMirroringCluster((cluster) =>
      Effect.gen(function* () {
        for (const namespace of ["a/b", "other.example/a/b", "hub.example"]) {
          for (const name of names) {
            const answer = yield* askMetainfo(cluster, name, cluster.digest, namespace)
            assert.strictEqual(answer.status, 404)
          }
        }
        assert.deepStrictEqual(cluster.state.seen, [])
      })
    )
  )

  it.effect("also fetch a manifest, when only its bytes were lost", () =>
    inMirroringCluster((cluster) =>
      Effect.gen(function* () {
        const manifest = publishImage(cluster.state, "a/b", "2", [])
        const [first] = ownersOf(manifest.digest)
        assert.isTrue(isMetainfoOf(yield* askMetainfo(cluster, first!, manifest.digest), manifest.digest))
        assert.deepStrictEqual(cluster.world.blobs(first!).blobs.get(manifest.digest), manifest.bytes)
      })
    )
  )
})
