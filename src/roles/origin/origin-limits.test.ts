// The limits of an origin's copies, repairs and fetches, each reached with an entry or two over members that are away
// or never answer.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Option, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { send } from "../../../testing/roles/exchange.ts"
import { makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { sumOf } from "../../../testing/roles/metrics.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { silentApp } from "../../../testing/roles/requests-at-once.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { encodeMetainfo, type Metainfo } from "../../protocol/wire/metainfo.ts"
import { AskLimits } from "../client/limits.ts"
import { makeUpstreams } from "../client/upstreams.ts"
import { type HttpApp, makeHttpApp } from "../http/http-app.ts"
import { HttpLimits } from "../http/limits.ts"
import { type BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts"
import { originConfig } from "./config.ts"
import { OriginLimits } from "./limits.ts"
import { makeOriginCollect } from "./origin-collect.ts"
import { makeOriginMirror } from "./origin-mirror.ts"
import { makeOriginRepair } from "./origin-repair.ts"
import { makeOriginReplication, type OriginReplication } from "./origin-replication.ts"

const self = "http://self:1"
const membersOf = (count: number) => [
  self,
  ...Array.from({ length: count }, (_, index) => `http://other-${index}:1`)
]

const hash = (bytes: Uint8Array): Digest => makeDigest("sha256", createHash("sha256").update(bytes).digest())

/** Lets other fibers run until they wait for the clock. */
const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

/** Calls `look` after each of so many seconds of the test clock, the present one first. */
const eachSecond = (count: number, look: (second: number) => void) =>
  Effect.gen(function* () {
    for (let second = 0; second <= count; second++) {
      yield* turns
      look(second)
      yield* TestClock.adjust("1 seconds")
    }
  })

/** An origin's parts in a world whose other members serve `app`; without one they are away. */
const stage = (options: {
  readonly members: number
  readonly app?: HttpApp
  readonly asking?: Partial<AskLimits>
}) =>
  Effect.gen(function* () {
    const world: MemoryWorld = makeMemoryWorld((_, bytes) => hash(bytes))
    const members = membersOf(options.members)
    for (const member of members.slice(1)) {
      const listen = { host: new URL(member).hostname, port: 1 }
      const { app } = options
      if (app !== undefined)
        yield* world.start(Effect.succeed({ listeners: [{ name: "origin", listen, app }] }))
    }
    const asking = { originReplicas: 99, askTimeout: seconds(5), upstreamCooldown: 0, ...options.asking }
    const upstreams = yield* Effect.provideContext(
      withLimits(makeUpstreams, AskLimits, asking),
      world.services
    )
    const blobs = makeMemoryBlobs(world.digests)
    const tables = makeMemoryTables()
    const put = (seed: number) =>
      Effect.gen(function* () {
        const bytes = someBytes(seed, 1000)
        blobs.blobs.set(hash(bytes), bytes)
        return yield* Effect.map(blobs.makeMetainfo(hash(bytes), 1000), ({ metainfo }) => metainfo)
      })
    return { world, members, upstreams, blobs, tables, put, metrics: makeRoleMetrics("origin") }
  })

describe("copies of a blob to other origins", () => {
  const replicating = (limits: Partial<OriginLimits>, options: Parameters<typeof stage>[0]) =>
    Effect.gen(function* () {
      const staged = yield* stage(options)
      const scans: number[] = []
      const tables: typeof staged.tables = {
        ...staged.tables,
        scan: (table, page) => {
          scans.push(page.limit)
          return staged.tables.scan(table, page)
        }
      }
      const repair = { completed: () => Effect.die("the metainfo is here") }
      const replication = yield* withLimits(
        makeOriginReplication({ ...staged, tables, repair, self }),
        OriginLimits,
        {
          minReplicationDelay: seconds(5),
          maxReplicationDelay: seconds(20),
          replicationRetryPause: 0,
          ...limits
        }
      )
      const waiting = staged.tables.scan("replication", { prefix: "", limit: 99 })
      return { ...staged, replication, waiting, scans }
    })

  it.effect("are tried again after pauses that double from minReplicationDelay to maxReplicationDelay", () =>
    Effect.gen(function* () {
      const { replication, put, waiting } = yield* replicating({}, { members: 1 })
      const { digest } = yield* put(1)
      yield* replication.aroundCommit(digest, Effect.void)
      const delays: number[] = []
      for (let second = 0; second < 120; second++) {
        yield* turns
        const [row] = yield* waiting
        const { attempts, notBefore } = JSON.parse(row?.value ?? "")
        delays[attempts - 1] ??= Math.round(notBefore / 1000) - second
        yield* TestClock.adjust("1 seconds")
      }
      assert.deepStrictEqual(delays.slice(0, 5), [5, 10, 20, 20, 20])
    }).pipe(Effect.scoped)
  )

  it.effect("are at most maxQueuedReplications in the queue, which is read in pages of replicationPage", () =>
    Effect.gen(function* () {
      const limits = { maxQueuedReplications: 2, replicationPage: 1 }
      const { replication, put, waiting, scans, metrics } = yield* replicating(limits, { members: 3 })
      const { digest } = yield* put(1)
      yield* replication.aroundCommit(digest, Effect.void)
      assert.lengthOf(yield* waiting, 2)
      // Three members are away, and the copy for one of them had no place.
      assert.strictEqual(sumOf(metrics.text(), "shoal_origin_copies_total", { result: "failed" }), 4)
      assert.strictEqual(sumOf(metrics.text(), "shoal_origin_copies_queued"), 2)
      yield* eachSecond(20, () => {})
      assert.deepStrictEqual(new Set(scans), new Set([1]))
    }).pipe(Effect.scoped)
  )

  it.effect("go to maxParallelAsks members at once, each asked for askTimeout whether it has the blob", () =>
    Effect.gen(function* () {
      const { app, most } = silentApp()
      const asking = { maxParallelAsks: 2 }
      // The worker, which takes what was left, begins after the longest look at this.
      const limits = { minReplicationDelay: seconds(100), maxReplicationDelay: seconds(100) }
      const { replication, put } = yield* replicating(limits, { members: 4, app, asking })
      const { digest } = yield* put(1)
      const copying = yield* Effect.forkChild(replication.aroundCommit(digest, Effect.void))
      let ended: number | undefined
      yield* eachSecond(20, (second) => {
        if (copying.pollUnsafe() !== undefined) ended ??= second
      })
      assert.deepStrictEqual([most(), ended], [2, 10])
    }).pipe(Effect.scoped)
  )
})

describe("repairs of blobs that another owner has", () => {
  /** Members that give metainfo at once, and a blob when they are let. */
  const repairing = (limits: Partial<OriginLimits>) =>
    Effect.gen(function* () {
      const known = new Map<string, Metainfo>()
      const app: HttpApp = Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        const metainfo = [...known].find(([digest]) => url.includes(digest))?.[1]
        return metainfo === undefined
          ? HttpServerResponse.empty({ status: 404 })
          : HttpServerResponse.uint8Array(encodeMetainfo(metainfo))
      })
      const staged = yield* stage({ members: 1, app })
      const go = yield* Deferred.make<void>()
      const receiving: Digest[] = []
      const receive: BlobStore["receive"] = (digest) =>
        Effect.gen(function* () {
          receiving.push(digest)
          yield* Deferred.await(go)
          return { digest, length: 1000 }
        })
      const repair = yield* withLimits(makeOriginRepair({ ...staged, receive, self }), OriginLimits, limits)
      const digests: Digest[] = []
      for (const seed of [1, 2, 3]) {
        const metainfo = yield* staged.put(seed)
        yield* staged.blobs.remove(metainfo.digest)
        known.set(metainfo.digest, metainfo)
        digests.push(metainfo.digest)
      }
      for (const digest of digests) assert.isTrue(Option.isSome(yield* repair.metainfo("demo/app", digest)))
      yield* turns
      return { receiving, digests, go }
    })

  it.effect("are maxParallelRepairs at once", () =>
    Effect.gen(function* () {
      const { receiving, digests, go } = yield* repairing({ maxParallelRepairs: 2 })
      assert.deepStrictEqual(receiving, digests.slice(0, 2))
      yield* Deferred.succeed(go, undefined)
      yield* turns
      assert.deepStrictEqual(receiving, digests)
    }).pipe(Effect.scoped)
  )

  it.effect("are maxQueuedRepairs in all; one that finds no place waits until it is asked for again", () =>
    Effect.gen(function* () {
      const { receiving, digests, go } = yield* repairing({ maxParallelRepairs: 9, maxQueuedRepairs: 2 })
      assert.deepStrictEqual(receiving, digests.slice(0, 2))
      yield* Deferred.succeed(go, undefined)
      yield* turns
      assert.deepStrictEqual(receiving, digests.slice(0, 2))
    }).pipe(Effect.scoped)
  )

  it.effect("are looked for at another owner for askTimeout", () =>
    Effect.gen(function* () {
      const staged = yield* stage({ members: 1, app: Effect.never })
      const receive = () => Effect.die("nothing is found")
      const repair = yield* makeOriginRepair({ ...staged, receive, self })
      const asking = yield* Effect.forkChild(repair.metainfo("demo/app", hash(new Uint8Array())))
      let ended: number | undefined
      yield* eachSecond(10, (second) => {
        if (asking.pollUnsafe() !== undefined) ended ??= second
      })
      assert.strictEqual(ended, 5)
    }).pipe(Effect.scoped)
  )
})

describe("fetches from an upstream", () => {
  const mirroring = (limits: Partial<OriginLimits>, upstream: Partial<UpstreamLimits> = {}, members = 0) =>
    Effect.gen(function* () {
      const staged = yield* stage({ members, app: Effect.never })
      const fetching: Digest[] = []
      const state = { fails: false }
      const go = yield* Deferred.make<void>()
      const receive: BlobStore["receive"] = (digest) =>
        Effect.gen(function* () {
          fetching.push(digest)
          if (state.fails) return yield* new BlobStoreError({ reason: "io", message: "broken" })
          yield* Deferred.await(go)
          return { digest, length: 1000 }
        })
      const registry = {
        name: "hub.example",
        blob: () => Effect.succeed({ length: undefined, bytes: Stream.empty })
      } as Partial<UpstreamRegistry> as UpstreamRegistry
      const mirror = yield* withLimits(
        withLimits(
          makeOriginMirror({
            ...staged,
            registries: { of: () => ({ registry, remote: "a/b", freshness: 0 }) },
            receive,
            arrivals: {
              receive: () => Effect.die("a blob of unknown length is not served while it arrives")
            },
            repair: {
              completed: () => Effect.die("nothing is completed"),
              missed: () => Effect.void,
              metainfo: () => Effect.succeedNone
            },
            replication: {
              aroundCommit: (_, commit) => commit
            } as Partial<OriginReplication> as OriginReplication,
            self
          }),
          OriginLimits,
          { upstreamFetchWait: seconds(10), ...limits }
        ),
        UpstreamLimits,
        upstream
      )
      const ask = (seed: number) => Effect.exit(mirror.metainfo("hub.example/a/b", hash(someBytes(seed, 10))))
      return { ask, fetching, go, state }
    })

  it.effect("are maxUpstreamFetches at once, and maxQueuedUpstreamFetches with those that wait", () =>
    Effect.gen(function* () {
      const limits = { maxUpstreamFetches: 1, maxQueuedUpstreamFetches: 2 }
      const { ask, fetching } = yield* mirroring(limits)
      const asked = yield* Effect.forEach([1, 2, 3], (seed) => Effect.forkScoped(ask(seed)))
      yield* turns
      assert.lengthOf(fetching, 1)
      assert.deepStrictEqual(
        asked.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, false, true]
      )
      assert.deepStrictEqual(yield* Effect.flatten(Fiber.join(asked[2]!)), Option.none())
    }).pipe(Effect.scoped)
  )

  it.effect("that failed are remembered for maxUpstreamAnswers blobs", () =>
    Effect.gen(function* () {
      const { ask, fetching, state } = yield* mirroring({}, { maxUpstreamAnswers: 2 })
      state.fails = true
      for (const seed of [1, 2, 3, 2, 3]) yield* ask(seed)
      assert.lengthOf(fetching, 3)
      yield* ask(1)
      assert.lengthOf(fetching, 4)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "keep a request waiting for upstreamFetchWait, and askTimeout longer for another origin's fetch",
    () =>
      Effect.gen(function* () {
        const waitsOf = (members: number) =>
          Effect.gen(function* () {
            const { ask } = yield* mirroring({ upstreamFetchWait: seconds(7) }, {}, members)
            const asking = yield* Effect.forkScoped(ask(1))
            let ended: number | undefined
            yield* eachSecond(40, (second) => {
              if (asking.pollUnsafe() !== undefined) ended ??= second
            })
            return ended
          })
        assert.strictEqual(yield* waitsOf(0), 7)
        // One of two members stands before this one in ring order for that blob.
        assert.strictEqual(yield* waitsOf(1), 7 + 5 + 7)
      }).pipe(Effect.scoped)
  )
})

it("an origin keeps what nobody needs for a day unless it is configured", () => {
  const settings = {
    data: "x",
    peer: { host: "x", port: 2 },
    http: { host: "x", port: 1 },
    origins: [self],
    self
  } as const
  assert.strictEqual(Duration.toHours(originConfig(settings).collect.grace), 24)
})

describe("a collection at an origin", () => {
  it.effect("asks about maxReferencesAsked blobs at a time, and lists the first maxCollectListed", () =>
    Effect.gen(function* () {
      const staged = yield* stage({ members: 0 })
      const put = yield* Effect.forEach([1, 2, 3, 4, 5], (seed) => staged.put(seed))
      const asked: number[] = []
      const make = makeOriginCollect({
        ...staged,
        config: originConfig({
          data: "x",
          peer: { host: "x", port: 2 },
          http: { host: "x", port: 1 },
          origins: [self],
          self
        }).collect,
        touches: {
          isIdle: () => true,
          forget: () => {},
          touch: () => Effect.void,
          using: (_, use) => use,
          remove: (_, __, removal) => removal
        },
        engine: { retire: (_, removal) => Effect.as(removal, true) },
        replication: { forget: () => Effect.void },
        buildIndex: {
          referenced: (digests) => {
            asked.push(digests.length)
            return Effect.succeed(new Set<Digest>())
          }
        },
        counter: () => {}
      })
      const routes = yield* withLimits(withLimits(make, AskLimits, { maxReferencesAsked: 2 }), HttpLimits, {
        maxCollectListed: 3
      })
      const app = yield* makeHttpApp(routes, {
        metrics: staged.metrics,
        notReady: Effect.succeed([])
      })
      yield* staged.world.start(
        Effect.succeed({ listeners: [{ name: "origin", listen: { host: "self", port: 1 }, app }] })
      )
      const report = JSON.parse((yield* send(staged.world, "POST", `${self}/collect`)).text)
      assert.deepStrictEqual(asked, [2, 2, 1])
      assert.strictEqual(report.blobs, 5)
      assert.deepStrictEqual(
        report.gone,
        put.slice(0, 3).map(({ digest }) => `${digest} 1000 bytes`)
      )
    }).pipe(Effect.scoped)
  )
})
