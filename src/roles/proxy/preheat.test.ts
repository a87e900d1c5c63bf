// A proxy that preheats, over a herd in memory and agents with scripted answers. preheat-agent.test.ts covers the
// agents.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { metricAt } from "../../../testing/roles/metrics.ts"
import { pushBlob, pushImage } from "../../../testing/roles/push.ts"
import { inPreheatingHerd, type PreheatingHerd, trackerUrl } from "../../../testing/roles/scripted-agents.ts"
import { settle } from "../../../testing/roles/settle.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { agent } from "../agent/agent.ts"
import { agentConfig } from "../agent/config.ts"
import { askLimits } from "../client/limits.ts"
import type { PreheatAsk } from "../client/preheat-wire.ts"
import { type ProxySettings, proxyConfig } from "./config.ts"
import { proxyLimits } from "./limits.ts"
import { isAskedFor } from "./preheat-contents.ts"
import { proxy } from "./proxy.ts"

const silence = askLimits.preheatSilence / 1000
const retry = askLimits.preheatRetryDelay / 1000

const line = (changes: object = {}) =>
  `${JSON.stringify({ done: 0, failed: 0, bytes: 0, fetched: 0, ended: false, ...changes })}\n`
const encode = (text: string) => new TextEncoder().encode(text)
const lines = (...texts: ReadonlyArray<string>) =>
  HttpServerResponse.stream(Stream.fromIterable(texts.map(encode)))
/** The answer of an agent that has all requested contents. */
const hasAll = ({ contents }: PreheatAsk) => lines(line(), line({ done: contents.length, ended: true }))

const inHerd = <E>(
  test: (running: PreheatingHerd) => Effect.Effect<void, E, Scope.Scope>,
  rules?: Parameters<typeof inPreheatingHerd>[1]
) => inPreheatingHerd(test, rules)

const ended = (herd: PreheatingHerd, id: string) =>
  Effect.gen(function* () {
    yield* settle
    const { json } = yield* herd.get(`/preheat/${id}`)
    return json
  })

const begun = (herd: PreheatingHerd, body: object) =>
  Effect.map(herd.post("/preheat", body), (answer) => {
    assert.strictEqual(answer.status, 202, answer.text)
    const { id } = JSON.parse(answer.text)
    assert.strictEqual(answer.headers.location, `/preheat/${id}`)
    return id as string
  })

describe("a preheat", () => {
  it.effect("asks the agents of its scope for the manifest, the config and the layers", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        const image = yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const a = yield* herd.agent("a", hasAll, "east")
        const b = yield* herd.agent("b", hasAll, "west")
        const id = yield* begun(herd, { image: "demo/app:1", scope: { kind: "zone", zone: "west" } })
        const status = yield* ended(herd, id)
        assert.deepStrictEqual(
          b.asks.map(({ repository, contents }) => [repository, contents.map(({ digest }) => digest)]),
          [["demo/app", [image.digest, image.config, image.layer]]]
        )
        assert.deepStrictEqual(a.asks, [])
        assert.include(status, { id, state: "done", image: "demo/app:1", digest: image.digest, contents: 3 })
        assert.deepStrictEqual(status.agents, {
          total: 1,
          pending: 0,
          running: 0,
          done: 1,
          failed: 0,
          cancelled: 0
        })
        assert.include(status.perAgent[0], { url: "http://b:1", zone: "west", state: "done", done: 3 })
        const list = yield* herd.get("/preheat")
        assert.deepStrictEqual(
          list.json.preheats.map((each: { id: string }) => each.id),
          [id]
        )
        assert.deepStrictEqual((yield* herd.get(`/preheat/${id}?agents=failed`)).json.perAgent, [])
        assert.strictEqual((yield* herd.get(`/preheat/${id}?agents=lost`)).status, 400)
      })
    )
  )

  it.effect("asks a failed agent once more, and then reports why it failed", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const failing = {
          busy: () => HttpServerResponse.text("busy", { status: 429 }),
          broken: () => lines(line({ done: 1 })),
          garbled: () => lines("no progress\n"),
          endless: () => lines("x".repeat(proxyLimits.maxPreheatLineBytes + 1)),
          lacking: () => lines(line({ done: 1, failed: 2, ended: true, message: "no room" })),
          silent: () => HttpServerResponse.stream(Stream.concat(Stream.succeed(encode(line())), Stream.never))
        }
        for (const [name, answer] of Object.entries(failing)) yield* herd.agent(name, answer)
        yield* herd.agent("recovers", (ask, attempt) => (attempt === 1 ? failing.busy() : hasAll(ask)))
        const id = yield* begun(herd, { image: "demo/app:1" })
        yield* settle
        assert.strictEqual((yield* herd.get(`/preheat/${id}`)).json.state, "running")
        yield* TestClock.adjust(`${retry} millis`)
        yield* settle
        assert.strictEqual((yield* herd.get(`/preheat/${id}`)).json.agents.running, 1, "the silent one")
        const counted = (name: string, labels?: Record<string, string>) =>
          metricAt(herd.world, proxyUrl, name, labels)
        assert.strictEqual(yield* counted("shoal_preheats_underway"), 1)
        yield* TestClock.adjust(`${silence} millis`)
        yield* settle
        yield* TestClock.adjust(`${retry + silence} millis`)
        const status = yield* ended(herd, id)
        assert.strictEqual(status.state, "failed")
        assert.strictEqual(yield* counted("shoal_preheats_underway"), 0)
        assert.strictEqual(yield* counted("shoal_preheated_agents_total", { outcome: "failed" }), 6)
        assert.strictEqual(yield* counted("shoal_preheated_agents_total", { outcome: "done" }), 1)
        assert.strictEqual(yield* metricAt(herd.world, trackerUrl, "shoal_tracker_agents"), 7)
        assert.match(status.message, /^6 of 7 agents failed; http:\/\/broken:1: it broke off/)
        const why = new Map(
          status.perAgent.map((each: { url: string; state: string; attempts: number; message?: string }) => {
            assert.strictEqual(each.attempts, 2)
            return [each.url.slice("http://".length, -":1".length), `${each.state}: ${each.message}`]
          })
        )
        const expected = {
          busy: /failed: it answered 429: busy/,
          broken: /failed: it broke off/,
          garbled: /failed: it sent no progress, which is no progress/,
          endless: /failed: it sent something other/,
          lacking: /failed: it lacks 2 of 3: no room/,
          silent: /failed: it reported nothing for 20 s/,
          recovers: /done: undefined/
        }
        for (const [name, pattern] of Object.entries(expected)) assert.match(String(why.get(name)), pattern)
      })
    )
  )

  it.effect("is refused when its image or its agents are absent", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const refused = (body: unknown) =>
          Effect.map(herd.post("/preheat", body), (answer) => [answer.status, errorCode(answer)])
        assert.deepStrictEqual(yield* refused({ image: "demo/app:2" }), [404, "MANIFEST_UNKNOWN"])
        assert.deepStrictEqual(yield* refused({ image: "demo/app:1" }), [409, "UNAVAILABLE"])
        yield* herd.agent("a", hasAll, "east")
        const nowhere = { image: "demo/app:1", scope: { kind: "zone", zone: "north" } }
        assert.deepStrictEqual(yield* refused(nowhere), [409, "UNAVAILABLE"])
        assert.deepStrictEqual(yield* refused("{"), [400, "REQUEST_INVALID"])
        const large = JSON.stringify({ image: "x".repeat(proxyLimits.maxPreheatRequestBytes) })
        assert.strictEqual((yield* herd.post("/preheat", large)).status, 400)
        assert.strictEqual((yield* herd.get("/preheat/7")).status, 404)
        herd.world.unreachable.add("herd:15003")
        assert.deepStrictEqual(yield* refused({ image: "demo/app:1" }), [503, "UNAVAILABLE"])
      })
    )
  )

  it.effect("equal to a running one joins it; of more agents than there are it asks all, and says so", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        const go = yield* Deferred.make<void>()
        const waits = (ask: PreheatAsk) =>
          HttpServerResponse.stream(
            Stream.concat(
              Stream.succeed(encode(line())),
              Stream.fromEffect(
                Effect.as(Deferred.await(go), encode(line({ done: ask.contents.length, ended: true })))
              )
            )
          )
        const { asks } = yield* herd.agent("a", waits)
        const order = { image: "demo/app:1", scope: { kind: "count", count: 3 } }
        const id = yield* begun(herd, order)
        assert.strictEqual(yield* begun(herd, order), id)
        assert.notStrictEqual(yield* begun(herd, { ...order, platforms: ["linux/amd64"] }), id)
        yield* settle
        assert.strictEqual(asks.length, 2)
        yield* Deferred.succeed(go, undefined)
        const status = yield* ended(herd, id)
        assert.include(status, { state: "done", message: "3 agents were asked for, 1 are registered" })
        assert.notStrictEqual(yield* begun(herd, order), id)
      })
    )
  )

  it.effect("of an index asks for the requested platforms", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        const { world } = herd
        const child = (tag: string, seed: number) => pushImage(world, proxyUrl, "demo/multi", tag, seed)
        const [amd, arm, proof] = [yield* child("amd", 1), yield* child("arm", 2), yield* child("proof", 3)]
        const type = "application/vnd.oci.image.manifest.v1+json"
        const named = (image: { digest: Digest; manifest: Uint8Array }, platform: object) => ({
          mediaType: type,
          digest: image.digest,
          size: image.manifest.byteLength,
          platform
        })
        const cache = yield* pushBlob(world, proxyUrl, "demo/multi", encode("a layer of a build cache"))
        const index = JSON.stringify({
          schemaVersion: 2,
          manifests: [
            named(amd, { os: "linux", architecture: "amd64" }),
            named(arm, { os: "linux", architecture: "arm64", variant: "v8" }),
            named(proof, { os: "unknown", architecture: "unknown" }),
            { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: cache.digest, size: 24 }
          ]
        })
        const put = yield* send(world, "PUT", `${proxyUrl}/v2/demo/multi/manifests/1`, {
          body: index,
          headers: { "content-type": "application/vnd.oci.image.index.v1+json" }
        })
        assert.strictEqual(put.status, 201, put.text)
        const { asks } = yield* herd.agent("a", hasAll)
        const asked = (platforms?: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const id = yield* begun(herd, { image: "demo/multi:1", ...(platforms && { platforms }) })
            assert.strictEqual((yield* ended(herd, id)).state, "done")
            return new Set(asks.at(-1)!.contents.map(({ digest }) => digest))
          })
        const of = ({ digest, config, layer }: typeof amd) => [digest, config, layer]
        const root = put.headers["docker-content-digest"] as Digest
        assert.deepStrictEqual(
          yield* asked(),
          new Set([root, cache.digest, ...of(amd), ...of(arm), ...of(proof)])
        )
        assert.deepStrictEqual(yield* asked(["linux/arm64"]), new Set([root, cache.digest, ...of(arm)]))
        assert.deepStrictEqual(yield* asked(["linux/arm64/v7"]), new Set([root, cache.digest]))
      })
    )
  )

  it.effect("begun by a notification waits a while for its image", () =>
    inHerd(
      (herd) =>
        Effect.gen(function* () {
          const { asks } = yield* herd.agent("a", hasAll)
          const target = { repository: "demo/app", tag: "1", mediaType: "", digest: "" }
          const answer = yield* herd.post("/registry/notifications", {
            Events: [
              { Action: "push", Target: target },
              { Action: "pull", Target: target }
            ]
          })
          assert.strictEqual(answer.status, 202, answer.text)
          const { preheats, ignored } = JSON.parse(answer.text)
          assert.deepStrictEqual([preheats.length, ignored], [1, 1])
          yield* settle
          assert.strictEqual((yield* herd.get(`/preheat/${preheats[0]}`)).json.state, "resolving")
          yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
          yield* TestClock.adjust(`${proxyLimits.notifiedLookupDelay / 1000} millis`)
          yield* settle
          assert.strictEqual((yield* ended(herd, preheats[0])).state, "done")
          // The push to this proxy joined it, because the rule matches both.
          assert.strictEqual(asks.length, 1)
          const unknown = { ...target, tag: "never" }
          const second = yield* herd.post("/registry/notifications", {
            Events: [{ Action: "push", Target: unknown }]
          })
          yield* settle
          yield* TestClock.adjust("1 minute")
          const failed = yield* ended(herd, JSON.parse(second.text).preheats[0])
          assert.strictEqual(failed.state, "failed")
          assert.match(failed.message, /never/)
        }),
      { onPush: ["demo/*"], scope: { kind: "all" } }
    )
  )

  it.effect("is requested and reported in the forms of Harbor's providers", () =>
    inHerd((herd) =>
      Effect.gen(function* () {
        yield* pushImage(herd.world, proxyUrl, "demo/app", "1", 1)
        for (const path of ["/health", "/healthy", "/_ping"]) {
          assert.strictEqual((yield* send(herd.world, "GET", proxyUrl + path)).status, 200)
        }
        yield* herd.agent("a", hasAll)
        yield* herd.agent("b", () => lines(line({ failed: 3, ended: true, message: "no room" })))
        const args = { type: "image", url: "http://harbor/v2/demo/app/manifests/1", scope: "all_peers" }
        const posted = yield* herd.post("/oapi/v1/jobs", {
          type: "preheat",
          args,
          scheduler_cluster_ids: null
        })
        assert.strictEqual(posted.status, 200, posted.text)
        const job = JSON.parse(posted.text)
        assert.isTrue(Number.isSafeInteger(job.id))
        assert.strictEqual(job.state, "PENDING")
        assert.match(job.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
        yield* settle
        yield* TestClock.adjust(`${retry} millis`)
        yield* settle
        const { json } = yield* herd.get(`/oapi/v1/jobs/${job.id}`)
        assert.strictEqual(json.state, "FAILURE")
        const [{ error, results }] = json.result.job_states
        assert.match(error, /1 of 2 agents failed/)
        assert.deepStrictEqual(results[0].success_tasks, [{ url: "demo/app:1", hostname: "a:1", ip: "a" }])
        assert.include(results[0].failure_tasks[0], {
          hostname: "b:1",
          description: "it lacks 3 of 3: no room"
        })

        const first = yield* herd.post("/preheats", {
          type: "image",
          url: args.url,
          headers: { Authorization: "Bearer x" },
          image: "demo/app",
          tag: "1",
          digest: "",
          scope: "all_seed_peers"
        })
        assert.strictEqual(first.status, 200)
        yield* settle
        const older = yield* herd.get(`/preheats/${JSON.parse(first.text).ID}`)
        assert.include(older.json, { Status: "SUCCESS", errorMsg: "" })
      })
    )
  )
})

describe("an agent that registers", () => {
  it.effect("listens to proxies at its configured address, and nowhere else", () =>
    inHerd(({ world, post }) =>
      Effect.gen(function* () {
        const config = agentConfig({
          data: "agent",
          peer: { host: "agent", port: 2 },
          registry: { host: "localhost", port: 1 },
          trackers: [trackerUrl],
          buildIndexes: ["http://herd:15004"],
          register: { url: "http://agent:3", zone: "a", listen: { host: "agent", port: 3 } }
        })
        yield* Effect.acquireRelease(world.start(agent(config)), ({ stop }) => stop)
        yield* settle
        const known = yield* send(world, "GET", `${trackerUrl}/agents`)
        assert.deepStrictEqual(JSON.parse(known.text), { agents: [{ url: "http://agent:3", zone: "a" }] })
        assert.strictEqual((yield* post("http://agent:3/preheat", "{}")).status, 400)
        assert.strictEqual((yield* post("http://localhost:1/preheat", "{}")).status, 404)
        assert.strictEqual((yield* send(world, "GET", "http://agent:3/v2/")).status, 404)
      })
    )
  )
})

describe("a proxy", () => {
  const settings: ProxySettings = {
    data: "proxy",
    registry: { host: "proxy", port: 1 },
    origins: ["http://origin:1"],
    buildIndexes: ["http://index:1"]
  }
  const makeWorld = () => makeMemoryWorld(() => "sha256:0" as Digest)

  it.effect("without trackers does not preheat", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      yield* world.start(proxy(proxyConfig(settings)))
      assert.strictEqual((yield* send(world, "GET", "http://proxy:1/preheat")).status, 404)
      for (const preheat of [{ onPush: ["**"] }, { scope: { kind: "count", count: 2 } as const }]) {
        const error = yield* Effect.flip(makeWorld().start(proxy(proxyConfig({ ...settings, preheat }))))
        assert.match(error.message, /preheat is given, but trackers are not/)
      }
    })
  )
})

describe("a platform", () => {
  it.effect("is matched by system and architecture, and by variant if one is named", () =>
    Effect.sync(() => {
      const arm = { os: "linux", architecture: "arm64", variant: "v8" }
      assert.isTrue(isAskedFor(arm, []))
      assert.isTrue(isAskedFor(arm, ["windows/amd64", "linux/arm64"]))
      assert.isTrue(isAskedFor(arm, ["linux/arm64/v8"]))
      assert.isFalse(isAskedFor(arm, ["linux/arm64/v7"]))
      assert.isFalse(isAskedFor(arm, ["linux/arm"]))
      assert.isTrue(isAskedFor(undefined, ["linux/arm"]), "a child without a platform")
    })
  )
})
