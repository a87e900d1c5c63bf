// Time limits of the questions that one role asks another, measured at members that take a request and never answer,
// and how many members are asked at once.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { record } from "../../../testing/roles/index-records.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { sumOf } from "../../../testing/roles/metrics.ts"
import { silentApp } from "../../../testing/roles/requests-at-once.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import type { HostServices } from "../host-program.ts"
import type { HttpApp } from "../http/http-app.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { sendBlob } from "./blob-send.ts"
import { makeBuildIndexClient } from "./build-index-client.ts"
import { AskLimits, askLimits } from "./limits.ts"
import { makeOriginClient } from "./origin-client.ts"
import { keepRegistered, makeAgentFinder } from "./registration-client.ts"
import { makeTrackerClient } from "./tracker-client.ts"
import { makeUpstreams, noneHealthy, whileFetched } from "./upstreams.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const urls = (count: number) => Array.from({ length: count }, (_, index) => `http://member-${index}:1`)

const makeWorld = (app: HttpApp, count = 1) =>
  Effect.gen(function* () {
    const world: MemoryWorld = makeMemoryWorld()
    for (let index = 0; index < count; index++) {
      const listen = { host: `member-${index}`, port: 1 }
      yield* world.start(Effect.succeed({ listeners: [{ name: "member", listen, app }] }))
    }
    return world
  })

const timeouts: Partial<AskLimits> = {
  healthTimeout: seconds(2),
  askTimeout: seconds(5),
  mirrorAskTimeout: seconds(11),
  httpTimeout: seconds(30),
  commitTimeoutPerMiB: seconds(7),
  upstreamRounds: 1
}

/** Lets other fibers run until they wait for the clock; fewer turns than `settle`, since each second takes them. */
const turns = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Seconds of the test clock until the effect ends; 100 when it does not. */
const secondsOf = (asked: Effect.Effect<unknown, unknown>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const asking = yield* Effect.forkChild(Effect.exit(asked))
    for (let second = 0; second < 100; second++) {
      yield* turns
      if (asking.pollUnsafe() !== undefined) return second
      yield* TestClock.adjust("1 seconds")
    }
    yield* Fiber.interrupt(asking)
    return 100
  })

type Made<A> = Effect.Effect<A, never, HostServices>

const measured = <A>(make: Made<A>, ask: (client: A) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const world = yield* makeWorld(Effect.never)
    const client = yield* Effect.provideContext(withLimits(make, AskLimits, timeouts), world.services)
    return yield* secondsOf(ask(client))
  })

describe("a question that is never answered ends", () => {
  const index = makeBuildIndexClient(urls(1), (repository) => repository.startsWith("docker.io/"))
  const origins = makeOriginClient(urls(1))
  const trackers = makeTrackerClient(urls(1))
  const peer = { peerId: "a".repeat(40) as PeerId, address: "a:1" }
  const swarm = {
    ...{ swarm: "1".repeat(64) as SwarmId, digest, namespace: "demo/app" },
    ...{ event: "downloading" as const, neighbours: 0, have: 0 }
  }

  it.effect("after askTimeout when the answer needs no disk", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* measured(index, ({ tag }) => tag("demo/app", "1")), 5)
      assert.strictEqual(yield* measured(index, ({ repositories }) => repositories({ limit: 1 })), 5)
      assert.strictEqual(yield* measured(origins, ({ stat }) => stat("demo/app", digest)), 5)
      assert.strictEqual(yield* measured(trackers, ({ announce }) => announce({ peer, swarms: [swarm] })), 5)
    })
  )

  it.effect("after httpTimeout when it is a write, or needs a disk", () =>
    Effect.gen(function* () {
      const put = measured(index, ({ putManifest }) => putManifest("demo/app", record("a"), [], "me"))
      assert.strictEqual(yield* put, 30)
      assert.strictEqual(yield* measured(index, ({ referenced }) => referenced([digest])), 30)
      assert.strictEqual(yield* measured(origins, ({ metainfo }) => metainfo("demo/app", digest)), 30)
      // Two rounds over the origins.
      const read = measured(origins, ({ read }) => Stream.runDrain(read("demo/app", digest, 0, 1)))
      assert.strictEqual(yield* read, 60)
      assert.strictEqual(yield* measured(trackers, ({ metainfo }) => metainfo("demo/app", digest)), 30)
      assert.strictEqual(yield* measured(makeAgentFinder(urls(1)), (find) => find), 30)
    })
  )

  it.effect("after mirrorAskTimeout when the build-index may have to ask an upstream", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* measured(index, ({ tag }) => tag("docker.io/library/app", "1")), 11)
    })
  )

  it.effect("after healthTimeout when it only asks who is there", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* measured(origins, ({ seeds }) => seeds(digest)), 2)
      assert.strictEqual(yield* measured(origins, ({ notReady }) => notReady), 2)
      assert.strictEqual(yield* measured(index, ({ notReady }) => notReady), 2)
      assert.strictEqual(yield* measured(makeUpstreams, (upstreams) => noneHealthy(upstreams, urls(1))), 2)
    })
  )
})

describe("an answer that lists more than the wire allows", () => {
  const answered = <A, E>(body: object, make: Made<() => Effect.Effect<A, E>>) =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        Effect.succeed(HttpServerResponse.text(JSON.stringify(body), { contentType: "application/json" }))
      )
      const ask = yield* Effect.provideContext(make, world.services)
      return yield* Effect.exit(ask())
    })
  const numbered = (count: number) => Array.from({ length: count }, (_, index) => index)

  it.effect("is no answer", () =>
    Effect.gen(function* () {
      const agents = (count: number) => ({
        agents: numbered(count).map((index) => ({ url: `http://a-${index}:1` }))
      })
      const find = Effect.map(makeAgentFinder(urls(1)), (found) => () => found)
      const most = askLimits.maxRegisteredAgents
      assert.strictEqual((yield* answered(agents(most), find))._tag, "Success")
      assert.strictEqual((yield* answered(agents(most + 1), find))._tag, "Failure")
      const handOuts = (count: number) => ({
        swarms: numbered(count).map((index) => ({
          swarm: `${index}`.padStart(64, "0"),
          intervalMs: 1,
          peers: []
        }))
      })
      const peer = { peerId: "a".repeat(40) as PeerId, address: "a:1" }
      const swarm = {
        ...{ swarm: "1".repeat(64) as SwarmId, digest, namespace: "demo/app" },
        ...{ event: "downloading" as const, neighbours: 0, have: 0 }
      }
      const announce = Effect.map(
        makeTrackerClient(urls(1)),
        (client) => () => client.announce({ peer, swarms: [swarm] })
      )
      const swarms = askLimits.maxSwarmsPerAnnounce
      assert.strictEqual((yield* answered(handOuts(swarms), announce))._tag, "Success")
      assert.strictEqual((yield* answered(handOuts(swarms + 1), announce))._tag, "Failure")
    })
  )
})

describe("a blob that is sent", () => {
  const MiB = 1024 * 1024
  const sent = (app: HttpApp, bytes: Stream.Stream<Uint8Array, unknown>) =>
    Effect.gen(function* () {
      const world = yield* makeWorld(app)
      const upstreams = yield* Effect.provideContext(
        withLimits(makeUpstreams, AskLimits, timeouts),
        world.services
      )
      const [url] = urls(1)
      return yield* secondsOf(
        sendBlob(
          upstreams,
          url!,
          HttpClientRequest.put(`${url}/blob`),
          { length: 3 * MiB, bytes },
          () => Effect.void
        )
      )
    })
  const chunks = Stream.fromIterable([1, 2, 3]).pipe(Stream.map(() => new Uint8Array(MiB)))

  it.effect("is given up httpTimeout after the last byte that moved, and later once all have moved", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* sent(Effect.never, chunks), 30)
      const stops = Stream.concat(Stream.take(chunks, 2), Stream.never)
      const takesAll: HttpApp = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        yield* Effect.ignore(Stream.runDrain(request.stream))
        return yield* Effect.never
      })
      assert.strictEqual(yield* sent(takesAll, stops), 30)
      assert.strictEqual(yield* sent(takesAll, chunks), 30 + 3 * 7)
      const slow = Stream.mapEffect(chunks, (chunk) => Effect.delay(Effect.succeed(chunk), "20 seconds"))
      const answers = Effect.as(
        Effect.ignore(
          Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ stream }) => Stream.runDrain(stream))
        ),
        HttpServerResponse.empty()
      )
      assert.strictEqual(yield* sent(answers, slow), 60, "bytes move, so it may take its time")
    })
  )
})

describe("members are asked at once", () => {
  /** The most requests at a time that members of a cluster of five got. */
  const mostAtOnce = <A>(make: Made<A>, ask: (client: A) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      const { app, most } = silentApp()
      const world = yield* makeWorld(app, 5)
      const limited = withLimits(make, AskLimits, { ...timeouts, maxParallelAsks: 2 })
      const client = yield* Effect.provideContext(limited, world.services)
      yield* secondsOf(ask(client))
      return most()
    })

  it.effect("maxParallelAsks of them", () =>
    Effect.gen(function* () {
      const index = makeBuildIndexClient(urls(5))
      assert.strictEqual(yield* mostAtOnce(index, ({ repositories }) => repositories({ limit: 1 })), 2)
      assert.strictEqual(yield* mostAtOnce(index, ({ referenced }) => referenced([digest])), 2)
      assert.strictEqual(yield* mostAtOnce(index, ({ notReady }) => notReady), 2)
      assert.strictEqual(yield* mostAtOnce(makeUpstreams, (upstreams) => noneHealthy(upstreams, urls(5))), 2)
      assert.strictEqual(yield* mostAtOnce(makeAgentFinder(urls(5)), (find) => find), 2)
      const peer = { peerId: "a".repeat(40) as PeerId, address: "a:1" }
      const swarms = Array.from({ length: 9 }, (_, number) => ({
        ...{ swarm: `${number}`.repeat(64) as SwarmId, digest: `sha256:${`${number}`.repeat(64)}` as Digest },
        ...{ namespace: "demo/app", event: "downloading" as const, neighbours: 0, have: 0 }
      }))
      assert.strictEqual(
        yield* mostAtOnce(makeTrackerClient(urls(5)), ({ announce }) => announce({ peer, swarms })),
        2
      )
    })
  )
})

describe("a registration", () => {
  it.effect("is sent every registrationPeriod at most, and again soon when a tracker did not take it", () =>
    Effect.gen(function* () {
      let takes = true
      const app: HttpApp = Effect.suspend(() =>
        takes ? Effect.succeed(HttpServerResponse.empty({ status: 204 })) : Effect.never
      )
      const world = yield* makeWorld(app)
      const limits: Partial<AskLimits> = {
        ...timeouts,
        registrationPeriod: seconds(40),
        minRegistrationBackoff: seconds(4)
      }
      const metrics = makeRoleMetrics("agent")
      const failures = () => sumOf(metrics.text(), "shoal_registration_failures_total")
      const register = keepRegistered({
        trackers: urls(1),
        registration: { url: "http://agent:1" },
        metrics
      })
      yield* withLimits(register, AskLimits, limits).pipe(Effect.provideContext(world.services))
      const times: Array<number> = []
      const run = (count: number) =>
        Effect.gen(function* () {
          times.length = 0
          for (let second = 0; second < count; second++) {
            yield* turns
            for (const _ of world.requests.splice(0)) times.push(second)
            yield* TestClock.adjust("1 seconds")
          }
          // Whatever was sent in the last second was answered as in this run.
          yield* turns
          world.requests.length = 0
          return times.slice(1).map((time, index) => time - times[index]!)
        })
      takes = false
      assert.isAtMost((yield* run(30))[0]!, 5 + 4 + 1, "the first pause is short")
      takes = true
      yield* run(60)
      const failed = failures()
      assert.isAtLeast(failed, 3)
      for (const pause of yield* run(250)) {
        assert.isAtLeast(pause, 30)
        assert.isAtMost(pause, 41)
      }
      assert.isAtLeast(times.length, 6)
      assert.strictEqual(failures(), failed)
      takes = false
      const pauses = yield* run(250)
      // Each attempt waits askTimeout for an answer before its pause begins.
      const waits = pauses.map((pause) => pause - 5)
      for (const [position, wait] of waits.entries()) {
        const longest = Math.min(4 * 2 ** position, 40)
        assert.isAtLeast(wait, 0.75 * longest - 1, `pause ${position}`)
        assert.isAtMost(wait, longest + 1, `pause ${position}`)
      }
      takes = true
      yield* run(60)
      takes = false
      const again = yield* run(60)
      assert.isAtMost(Math.min(...again), 10, "the pause is short again after a success")
    }).pipe(Effect.scoped)
  )
})

it.effect(
  "a blob that is being fetched is asked for every upstreamFetchPause, for upstreamFetchPatience",
  () =>
    Effect.gen(function* () {
      let times = 0
      const limits = { ...askLimits, upstreamFetchPause: seconds(1), upstreamFetchPatience: seconds(5) }
      const question = Effect.suspend(() => Effect.fail(++times))
      const asking = yield* Effect.forkChild(Effect.flip(Effect.retry(question, whileFetched(limits))))
      const seen: Array<number> = []
      for (let second = 0; second < 20; second++) {
        yield* turns
        seen.push(times)
        yield* TestClock.adjust("1 seconds")
      }
      yield* Fiber.join(asking)
      assert.deepStrictEqual(seen.slice(0, 5), [1, 2, 3, 4, 5])
      assert.isAtMost(times, 7)
    })
)
