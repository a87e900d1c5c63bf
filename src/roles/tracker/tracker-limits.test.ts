// The limits of a tracker, each reached with an entry or two: bytes of what it is told, metainfo that it keeps, and the
// questions that one announce makes it ask.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { makeDigest } from "../../protocol/wire/digest.ts"
import { encodeMetainfo } from "../../protocol/wire/metainfo.ts"
import { formatBlobPath } from "../client/blob-path.ts"
import { AskLimits } from "../client/limits.ts"
import type { HttpApp } from "../http/http-app.ts"
import { trackerConfig } from "./config.ts"
import { TrackerLimits } from "./limits.ts"
import { tracker } from "./tracker.ts"

const digestOf = (number: number) => makeDigest("sha256", createHash("sha256").update(`${number}`).digest())

/** A tracker whose only origin serves `app`. */
const withTracker = (app: HttpApp, limits: Partial<TrackerLimits>, asking: Partial<AskLimits> = {}) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    yield* world.start(
      Effect.succeed({ listeners: [{ name: "origin", listen: { host: "origin", port: 1 }, app }] })
    )
    const program = tracker(
      trackerConfig({ http: { host: "tracker", port: 1 }, origins: ["http://origin:1"] })
    )
    const limited = withLimits(withLimits(program, TrackerLimits, limits), AskLimits, asking)
    yield* Effect.acquireRelease(world.start(limited), ({ stop }) => stop)
    return world
  })

const announced = (number: number) => ({
  swarm: number.toString(16).padStart(64, "0"),
  digest: digestOf(number),
  namespace: "demo/app",
  ...{ event: "downloading", neighbours: 0, have: 0 }
})
const batch = (...numbers: ReadonlyArray<number>) => ({
  peer: { peerId: "1".padStart(40, "0"), address: "agent:2" },
  swarms: numbers.map(announced)
})

describe("a tracker", () => {
  it.effect("takes announces of maxAnnounceBytes and registrations of maxRegistrationBytes", () =>
    Effect.gen(function* () {
      const away = Effect.succeed(HttpServerResponse.empty({ status: 503 }))
      const limits = { maxAnnounceBytes: 400, maxRegistrationBytes: 40 }
      const world = yield* withTracker(away, limits, { upstreamRounds: 1 })
      for (const [path, body, most] of [
        ["announce", batch(1), 400],
        ["agents", { url: "http://agent:1" }, 40]
      ] as const) {
        const post = (what: object) =>
          send(world, "POST", `http://tracker:1/${path}`, { body: JSON.stringify(what) })
        const taken = yield* post(body)
        assert.isBelow(taken.status, 300, taken.text)
        const refused = yield* post({ ...body, filler: "x".repeat(most) })
        assert.strictEqual(errorCode(refused), "SIZE_INVALID")
        assert.include(refused.text, `it has more than ${most} bytes`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("keeps metainfo of maxMetainfoCached blobs for metainfoLifetime", () =>
    Effect.gen(function* () {
      let asked = 0
      let askedForPeer = 0
      const app: HttpApp = Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        if (url.includes("/internal/peer")) {
          askedForPeer++
          return HttpServerResponse.empty({ status: 503 })
        }
        asked++
        const number = [1, 2, 3].find((each) => url.includes(digestOf(each)))!
        const metainfo = { digest: digestOf(number), length: 1, pieceLength: 1, root: new Uint8Array(32) }
        return HttpServerResponse.uint8Array(encodeMetainfo(metainfo))
      })
      const limits = { maxMetainfoCached: 2, metainfoLifetime: seconds(60) }
      const world = yield* withTracker(app, limits)
      const asks = (number: number) =>
        Effect.gen(function* () {
          const before = asked
          const path = formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest: digestOf(number) })
          const answer = yield* send(world, "GET", `http://tracker:1${path}`)
          assert.strictEqual(answer.status, 200, answer.text)
          return asked - before
        })
      assert.deepStrictEqual(yield* Effect.forEach([1, 2, 1, 2, 3, 3, 1], asks), [1, 1, 0, 0, 1, 0, 1])
      // Already for the announce that follows.
      assert.isAbove(askedForPeer, 0)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* asks(1), 0)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* asks(1), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("keeps no arrival: it is another one, or metainfo, soon", () =>
    Effect.gen(function* () {
      let asked = 0
      const app: HttpApp = Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        if (!url.endsWith("/metainfo")) return HttpServerResponse.empty({ status: 503 })
        asked++
        const arrival = {
          digest: digestOf(1),
          length: 1,
          pieceLength: 1,
          key: new Uint8Array(32).fill(asked)
        }
        return HttpServerResponse.uint8Array(encodeMetainfo(arrival))
      })
      const world = yield* withTracker(app, { metainfoLifetime: seconds(60) })
      const path = formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest: digestOf(1) })
      for (const times of [1, 2]) {
        const answer = yield* send(world, "GET", `http://tracker:1${path}`)
        assert.deepStrictEqual([answer.status, answer.bytes.at(-1), asked], [200, times, times])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("asks the origins about maxParallelAsks swarms of an announce at once", () =>
    Effect.gen(function* () {
      const asking = {
        maxParallelAsks: 2,
        healthTimeout: seconds(1),
        originPeerFailureLifetime: 0,
        upstreamCooldown: 0
      }
      const world = yield* withTracker(Effect.never, {}, asking)
      const body = JSON.stringify(batch(1, 2, 3, 4))
      const announcing = yield* Effect.forkChild(send(world, "POST", "http://tracker:1/announce", { body }))
      let waited = 0
      while (announcing.pollUnsafe() === undefined && waited < 10) {
        yield* settle
        yield* TestClock.adjust("1 seconds")
        yield* settle
        waited++
      }
      assert.strictEqual((yield* Fiber.join(announcing)).status, 200)
      // Two swarms wait a second for the same origin, which does not answer, and then the other two.
      assert.strictEqual(waited, 2)
    }).pipe(Effect.scoped)
  )
})
