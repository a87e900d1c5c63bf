// The limits of preheats, each reached with an entry or two: agents asked at once, contents and indexes of an image,
// bytes of requests, jobs under way, and how long an agent may take.

import { assert, it } from "@effect/vitest"
import { type Context, Deferred, Effect, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl } from "../../../testing/roles/herd.ts"
import { pushImage } from "../../../testing/roles/push.ts"
import { inPreheatingHerd, type PreheatingHerd } from "../../../testing/roles/scripted-agents.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { AskLimits } from "../client/limits.ts"
import { mediaTypes } from "../oci/manifest.ts"
import { ProxyLimits } from "./limits.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const line = (changes: object = {}) =>
  encode(`${JSON.stringify({ done: 0, failed: 0, bytes: 0, fetched: 0, ended: false, ...changes })}\n`)

const inHerd = <Limits extends object, E>(
  reference: Context.Reference<Limits>,
  limits: Partial<Limits>,
  test: (herd: PreheatingHerd) => Effect.Effect<void, E, Scope.Scope>
) => withLimits(inPreheatingHerd(test), reference, limits)

const begin = (herd: PreheatingHerd, order: object) => herd.post("/preheat", order)
const stateOf = (herd: PreheatingHerd, answer: { readonly text: string }) =>
  Effect.map(herd.get(`/preheat/${JSON.parse(answer.text).id}`), ({ json }) => json)

describe("a proxy that preheats", () => {
  it.effect("asks maxPreheatAsks agents at once", () =>
    inHerd(ProxyLimits, { maxPreheatAsks: 2 }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const go = yield* Deferred.make<void>()
        let asked = 0
        const answer = ({ contents }: { readonly contents: ReadonlyArray<unknown> }) => {
          asked++
          const last = Effect.as(Deferred.await(go), line({ done: contents.length, ended: true }))
          return HttpServerResponse.stream(Stream.concat(Stream.succeed(line()), Stream.fromEffect(last)))
        }
        for (const name of ["a", "b", "c"]) yield* herd.agent(name, answer)
        const first = yield* begin(herd, { image: "demo/app:1" })
        // Another job shares the places.
        yield* begin(herd, { image: "demo/app:1", platforms: ["linux/amd64"] })
        yield* settle
        assert.strictEqual(asked, 2)
        yield* Deferred.succeed(go, undefined)
        yield* settle
        assert.strictEqual(asked, 6)
        assert.strictEqual((yield* stateOf(herd, first)).state, "done")
      })
    )
  )

  it.effect("lists maxDragonflyTasks agents that are done in Dragonfly's form", () =>
    inHerd(ProxyLimits, { maxDragonflyTasks: 2 }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        for (const name of ["a", "b", "c"]) {
          yield* herd.agent(name, ({ contents }) =>
            HttpServerResponse.uint8Array(line({ done: contents.length, ended: true }))
          )
        }
        const url = `${proxyUrl}/v2/demo/app/manifests/1`
        const args = { type: "image", url }
        const answer = yield* herd.post("/oapi/v1/jobs", { type: "preheat", args })
        yield* settle
        const { json } = yield* herd.get(`/oapi/v1/jobs/${JSON.parse(answer.text).id}`)
        assert.strictEqual(json.state, "SUCCESS")
        const [{ results }] = json.result.job_states
        assert.lengthOf(results[0].success_tasks, 2)
      })
    )
  )

  it.effect("gives up an agent that goes on reporting for preheatPatience", () =>
    inHerd(ProxyLimits, { preheatPatience: seconds(60) }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const reports = Stream.fromEffectRepeat(Effect.delay(Effect.succeed(line({ done: 1 })), "2 seconds"))
        yield* herd.agent("slow", () =>
          HttpServerResponse.stream(Stream.concat(Stream.succeed(line()), reports))
        )
        const answer = yield* begin(herd, { image: "demo/app:1" })
        const states: string[] = []
        for (const pause of ["58 seconds", "10 seconds", "58 seconds"] as const) {
          yield* settle
          yield* TestClock.adjust(pause)
          yield* settle
          const { perAgent } = yield* stateOf(herd, answer)
          states.push(`${perAgent[0].state} ${perAgent[0].attempts}`)
        }
        // It is asked a second and last time.
        assert.deepStrictEqual(states, ["running 1", "running 2", "failed 2"])
        const { perAgent } = yield* stateOf(herd, answer)
        assert.include(perAgent[0].message, "60 s")
      })
    )
  )

  it.effect("refuses an image of more than maxPreheatContents contents", () =>
    inHerd(AskLimits, { maxPreheatContents: 2 }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const refused = yield* begin(herd, { image: "demo/app:1" })
        assert.strictEqual(refused.status, 422)
        assert.include(refused.text, "more than 2 contents")
      })
    )
  )

  it.effect("follows maxPreheatDepth indexes within indexes, and refuses an image that is deeper", () =>
    inHerd(ProxyLimits, { maxPreheatDepth: 2 }, (herd) =>
      Effect.gen(function* () {
        const { world } = herd
        const image = yield* pushImage(world, proxyUrl, "demo/app", "image", 1)
        yield* herd.agent("a", ({ contents }) =>
          HttpServerResponse.uint8Array(line({ done: contents.length, ended: true }))
        )
        let child = {
          mediaType: mediaTypes.ociManifest as string,
          digest: image.digest as string,
          size: image.manifest.byteLength
        }
        const statuses: number[] = []
        for (const depth of [1, 2, 3]) {
          const index = encode(
            JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [child] })
          )
          const put = yield* send(world, "PUT", `${proxyUrl}/v2/demo/app/manifests/depth-${depth}`, {
            body: index,
            headers: { "content-type": mediaTypes.ociIndex }
          })
          assert.strictEqual(put.status, 201, put.text)
          child = {
            mediaType: mediaTypes.ociIndex,
            digest: put.headers["docker-content-digest"]!,
            size: index.byteLength
          }
          statuses.push((yield* begin(herd, { image: `demo/app:depth-${depth}` })).status)
        }
        assert.deepStrictEqual(statuses, [202, 202, 422])
      })
    )
  )

  it.effect("takes requests of maxPreheatRequestBytes and notifications of maxNotificationBytes", () =>
    inHerd(ProxyLimits, { maxPreheatRequestBytes: 50, maxNotificationBytes: 30 }, (herd) =>
      Effect.gen(function* () {
        for (const [path, body, most] of [
          ["/preheat", { image: "demo/app:1" }, 50],
          ["/registry/notifications", { events: [] }, 30]
        ] as const) {
          assert.notStrictEqual(errorCode(yield* orErrors(herd.post(path, body))), "SIZE_INVALID")
          const refused = yield* herd.post(path, { ...body, filler: "x".repeat(most) })
          assert.strictEqual(errorCode(refused), "SIZE_INVALID")
          assert.include(refused.text, `it has more than ${most} bytes`)
        }
      })
    )
  )

  it.effect("refuses a job more than maxPreheatJobs, and says when to come back", () =>
    inHerd(ProxyLimits, { maxPreheatJobs: 1 }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        yield* herd.agent("a", () =>
          HttpServerResponse.stream(Stream.concat(Stream.succeed(line()), Stream.never))
        )
        assert.strictEqual((yield* begin(herd, { image: "demo/app:1" })).status, 202)
        const refused = yield* begin(herd, { image: "demo/app:1", platforms: ["linux/amd64"] })
        assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "20"])
      })
    )
  )

  it.effect("refuses a job for more agents than maxPreheatRecords", () =>
    inHerd(ProxyLimits, { maxPreheatRecords: 1 }, (herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        for (const name of ["a", "b"]) yield* herd.agent(name, () => HttpServerResponse.empty())
        const refused = yield* begin(herd, { image: "demo/app:1" })
        assert.deepStrictEqual([refused.status, errorCode(refused)], [429, "TOOMANYREQUESTS"])
      })
    )
  )
})

/** An answer that may be no error: then one without a code. */
const orErrors = <E>(asked: Effect.Effect<{ readonly status: number; readonly text: string }, E>) =>
  Effect.map(asked, (answer) => ({
    ...answer,
    headers: {},
    bytes: new Uint8Array(),
    text: answer.status < 400 ? '{"errors":[]}' : answer.text
  }))
