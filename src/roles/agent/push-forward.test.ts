// Tests of push forwarding, over a herd in memory and over a proxy that records the requests that it gets.

import { assert, it } from "@effect/vitest"
import { Effect, Ref, type Scope, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { describe } from "vitest"
import { type Exchange, errorCode, send } from "../../../testing/roles/exchange.ts"
import { proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob, pushImage, someBytes } from "../../../testing/roles/push.ts"
import { parseDigest } from "../../protocol/wire/digest.ts"
import type { HostProgramError } from "../host-program.ts"
import { agent } from "./agent.ts"
import { type AgentSettings, agentConfig } from "./config.ts"
import { agentLimits } from "./limits.ts"
import { makePushForward } from "./push-forward.ts"

const agentUrl = "http://agent:1"
const settings: AgentSettings = {
  data: "agent",
  peer: { host: "agent", port: 2 },
  registry: { host: "agent", port: 1 },
  trackers: ["http://herd:15003"],
  buildIndexes: ["http://herd:15004"],
  proxy: proxyUrl,
  push: "forward"
}

const startAgent = (
  world: MemoryWorld,
  changes: Partial<AgentSettings> = {}
): Effect.Effect<void, HostProgramError, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(world.start(agent(agentConfig({ ...settings, ...changes }))), ({ stop }) => stop)
  )

const inHerd = <A, E>(test: (world: MemoryWorld) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    yield* startHerd(world)
    yield* startAgent(world)
    yield* test(world)
  }).pipe(Effect.scoped)

interface Told {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** A proxy that records its requests and gives the answers of the test. */
const startToldProxy = (
  world: MemoryWorld,
  answer: HttpServerResponse.HttpServerResponse | (() => HttpServerResponse.HttpServerResponse)
) =>
  Effect.gen(function* () {
    const told: Told[] = []
    const app = Effect.gen(function* () {
      const { method, url, headers, text } = yield* HttpServerRequest.HttpServerRequest
      told.push({ method, url, headers, body: yield* Effect.orDie(text) })
      return typeof answer === "function" ? answer() : answer
    })
    yield* world.start(
      Effect.succeed({ listeners: [{ name: "proxy", listen: { host: "told", port: 1 }, app }] })
    )
    yield* startAgent(world, { proxy: "http://told:1/" })
    return told
  })

describe("a push to an agent that forwards", () => {
  it.effect("lands in the cluster, and the agent serves its tag at once", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        for (const seed of [1, 2]) {
          const image = yield* pushImage(world, agentUrl, "demo/app", "1", seed)
          assert.strictEqual(image.put.status, 201)
          assert.strictEqual(
            image.put.headers.location,
            `/v2/demo/app/manifests/${image.digest}`,
            "a Location of this host"
          )
          for (const registry of [agentUrl, proxyUrl]) {
            const head = yield* send(world, "HEAD", `${registry}/v2/demo/app/manifests/1`)
            assert.strictEqual(head.headers["docker-content-digest"], image.digest)
          }
          const layer = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/blobs/${image.layer}`)
          assert.deepStrictEqual(layer.bytes, someBytes(seed, 5000))
        }
      })
    )
  )

  it.effect("goes chunk by chunk, reports its offset, and can be cancelled", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const begun = yield* send(world, "POST", `${agentUrl}/v2/demo/app/blobs/uploads/`)
        assert.strictEqual(begun.status, 202)
        const location = begun.headers.location!
        assert.isTrue(location.startsWith("/v2/demo/app/blobs/uploads/"))
        const chunk = yield* send(world, "PATCH", agentUrl + location, {
          body: someBytes(3, 700),
          headers: { "content-range": "0-699" }
        })
        assert.strictEqual(chunk.status, 202)
        const wrong = yield* send(world, "PATCH", agentUrl + location, {
          body: someBytes(3, 700),
          headers: { "content-range": "100-799" }
        })
        assert.strictEqual(wrong.status, 416)
        const stands = yield* send(world, "GET", agentUrl + location)
        assert.strictEqual(stands.status, 204)
        assert.strictEqual(stands.headers.range, "0-699")
        assert.strictEqual((yield* send(world, "DELETE", agentUrl + location)).status, 204)
        const gone = yield* send(world, "GET", agentUrl + location)
        assert.deepStrictEqual([gone.status, errorCode(gone)], [404, "BLOB_UPLOAD_UNKNOWN"])
      })
    )
  )

  it.effect("gets the proxy's own errors", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const begun = yield* send(world, "POST", `${agentUrl}/v2/demo/app/blobs/uploads/`)
        const wrong = `sha256:${"0".repeat(64)}`
        const put = yield* send(world, "PUT", `${agentUrl}${begun.headers.location}?digest=${wrong}`, {
          body: someBytes(4, 10)
        })
        assert.deepStrictEqual([put.status, errorCode(put)], [400, "DIGEST_INVALID"])
        const manifest = yield* send(world, "PUT", `${agentUrl}/v2/demo/app/manifests/1`, { body: "{" })
        assert.deepStrictEqual([manifest.status, errorCode(manifest)], [400, "MANIFEST_INVALID"])
        const before = world.requests.length
        const name = yield* send(world, "POST", `${agentUrl}/v2/Demo/app/blobs/uploads/`)
        assert.deepStrictEqual([name.status, errorCode(name)], [400, "NAME_INVALID"])
        assert.strictEqual(world.requests.length, before + 1, "a malformed path reached the proxy")
      })
    )
  )

  it.effect("is 503 UNAVAILABLE while the proxy is away, and reads still work", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest } = yield* pushBlob(world, agentUrl, "demo/app", someBytes(5, 100))
        const blob = `${agentUrl}/v2/demo/app/blobs/${digest}`
        assert.strictEqual((yield* send(world, "HEAD", blob)).headers["content-length"], "100")
        assert.strictEqual(world.requests.at(-1), `HEAD /namespace/demo%2Fapp/blobs/${digest}`)
        world.spoil = (request, response) =>
          request.url.startsWith(proxyUrl) ? HttpServerResponse.empty({ status: 503 }) : response
        assert.strictEqual((yield* send(world, "HEAD", blob)).status, 200, "a proxy that cannot say")
        world.unreachable.add("herd:15000")
        const refused = yield* send(world, "POST", `${agentUrl}/v2/demo/app/blobs/uploads/`)
        assert.deepStrictEqual([refused.status, errorCode(refused)], [503, "UNAVAILABLE"])
        assert.match(refused.text, /http:\/\/herd:15000.*does not answer/)
        assert.strictEqual(refused.headers["retry-after"], "1")
        const own = yield* send(world, "HEAD", blob)
        assert.deepStrictEqual([own.status, own.headers["content-length"]], [200, "100"])
      })
    )
  )

  it.effect("forwards the query, the body and the end-to-end headers, not the connection's", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const told = yield* startToldProxy(
        world,
        HttpServerResponse.empty({
          status: 201,
          headers: { location: "http://told:1/v2/a/b?x=1", "oci-tag": "2", connection: "x-hop", "x-hop": "1" }
        })
      )
      const answer = yield* send(world, "PUT", `${agentUrl}/v2/a/manifests/1?tag=2&tag=3`, {
        body: "document",
        headers: {
          "content-type": "application/x; y=z",
          authorization: "Basic abc",
          connection: "keep-alive, x-mine",
          "x-mine": "1",
          expect: "100-continue",
          "user-agent": "client/1"
        }
      })
      const [{ method, url, headers, body }] = told as [Told]
      assert.deepStrictEqual(
        [method, url.replace("http://told:1", ""), body],
        ["PUT", "/v2/a/manifests/1?tag=2&tag=3", "document"]
      )
      assert.include(headers, {
        "content-type": "application/x; y=z",
        authorization: "Basic abc",
        "user-agent": "client/1",
        "content-length": "8"
      })
      for (const name of ["connection", "x-mine", "expect"]) assert.isUndefined(headers[name], name)
      assert.strictEqual(answer.status, 201)
      assert.include(answer.headers, { location: "/v2/a/b?x=1", "oci-tag": "2" })
      assert.isUndefined(answer.headers["x-hop"])
    }).pipe(Effect.scoped)
  )

  it.effect("drops every header of one connection, in both directions", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const hopByHop = [
        ...["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
        ...["te", "trailer", "transfer-encoding", "upgrade", "x-mine", "x-other"]
      ]
      const headers = {
        ...Object.fromEntries(hopByHop.map((name) => [name, "1"])),
        connection: "X-Mine , x-other",
        "x-kept": "1"
      }
      const told = yield* startToldProxy(world, HttpServerResponse.empty({ status: 202, headers }))
      const answer = yield* send(world, "DELETE", `${agentUrl}/v2/a/manifests/1`, { headers })
      assert.strictEqual(told[0]!.headers["x-kept"], "1")
      assert.strictEqual(answer.headers["x-kept"], "1")
      for (const name of ["connection", ...hopByHop]) {
        assert.isUndefined(told[0]!.headers[name], `${name} reached the proxy`)
        assert.isUndefined(answer.headers[name], `${name} reached the client`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("forwards the whole query but ns, and none if nothing is left", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const told = yield* startToldProxy(world, HttpServerResponse.empty({ status: 202 }))
      const queries = ["", "?ns=a.io", "?a=1&ns=a.io&b=%2F", "?nsx=1", "?a=ns=1"]
      const headers = { host: "a.io" }
      for (const query of queries) {
        yield* send(world, "DELETE", `${agentUrl}/v2/a/manifests/1${query}`, { headers })
      }
      assert.deepStrictEqual(
        told.map(({ url }) => /\?.*/.exec(url)?.[0] ?? ""),
        ["", "", "?a=1&b=%2F", "?nsx=1", "?a=ns=1"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("streams a body of unknown length, and sends none where there is none", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const told = yield* startToldProxy(world, HttpServerResponse.empty({ status: 202 }))
      const upload = `${agentUrl}/v2/a/blobs/uploads/u`
      yield* send(world, "PATCH", upload, { body: Stream.make(someBytes(1, 3), someBytes(2, 4)) })
      yield* send(world, "POST", `${agentUrl}/v2/a/blobs/uploads/`)
      yield* send(world, "DELETE", upload, { headers: { "content-length": "9" } })
      yield* send(world, "GET", upload)
      assert.deepStrictEqual(
        told.map(({ method, body, headers }) => [method, body.length > 0, headers["content-length"]]),
        [
          ["PATCH", true, undefined],
          ["POST", false, undefined],
          ["DELETE", false, undefined],
          ["GET", false, undefined]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("gives the proxy's documents and lengths back as they are", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const proxyAnswers = [
        HttpServerResponse.text("broken", { status: 400, contentType: "application/x" }),
        HttpServerResponse.uint8Array(new Uint8Array([1, 2]), { status: 400 }).pipe(
          HttpServerResponse.removeHeader("content-type")
        ),
        HttpServerResponse.empty({ status: 202, headers: { "content-length": "0" } }),
        HttpServerResponse.empty({
          status: 307,
          headers: { location: "HTTPS://told:1", "content-length": "12" }
        })
      ]
      const answers: Array<Exchange> = []
      yield* startToldProxy(world, () => proxyAnswers.shift()!)
      for (const _ of [...proxyAnswers]) {
        answers.push(yield* send(world, "DELETE", `${agentUrl}/v2/a/manifests/1`))
      }
      assert.deepStrictEqual(
        answers.map(({ status, text }) => [status, text]),
        [
          [400, "broken"],
          [400, "\u0001\u0002"],
          [202, ""],
          [307, ""]
        ]
      )
      assert.deepStrictEqual(
        answers.map(({ headers }) => [headers["content-type"], headers["content-length"], headers.location]),
        [
          ["application/x", "6", undefined],
          ["application/octet-stream", "2", undefined],
          [undefined, "0", undefined],
          [undefined, undefined, ""]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("answers HEAD of a blob by the proxy unless it fails with 500 or more", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const statuses = [200, 404, 499, 500]
      yield* startToldProxy(world, () =>
        HttpServerResponse.empty({ status: statuses.shift()!, headers: { "content-length": "77" } })
      )
      const forward = makePushForward({
        maxAnswerBytes: 1,
        client: world.client,
        proxy: "http://told:1",
        written: () => Effect.die("nothing is written")
      })
      const digest = parseDigest(`sha256:${"0".repeat(64)}`)!
      const own = Effect.succeed(HttpServerResponse.empty({ status: 299 }))
      const head = Effect.provideService(
        forward.headBlob({ tag: "Blob", repository: "a", digest }, own),
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromWeb(new Request("http://agent/v2/x", { method: "HEAD" }))
      ).pipe(Effect.provideService(HttpServerRequest.ParsedSearchParams, {}))
      const heads = yield* Effect.replicateEffect(head, statuses.length)
      assert.deepStrictEqual(
        heads.map(({ status, headers }) => [status, headers["content-length"]]),
        [
          [200, "77"],
          [404, "77"],
          [499, "77"],
          [299, undefined]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("fails if the proxy's answer is longer than the limit", () =>
    Effect.gen(function* () {
      for (const [bytes, status] of [
        [agentLimits.maxForwardedAnswerBytes, 400],
        [agentLimits.maxForwardedAnswerBytes + 1, 503]
      ] as const) {
        const world = makeMemoryWorld()
        yield* startToldProxy(world, HttpServerResponse.uint8Array(new Uint8Array(bytes), { status: 400 }))
        const answer = yield* send(world, "DELETE", `${agentUrl}/v2/a/manifests/1`)
        assert.strictEqual(answer.status, status)
        if (status === 503) assert.strictEqual(errorCode(answer), "UNAVAILABLE")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("reports a successful write before the client gets the answer, and no other", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      let status = 299
      const told = yield* startToldProxy(world, () => HttpServerResponse.empty({ status }))
      const written = yield* Ref.make<ReadonlyArray<string>>([])
      const forward = makePushForward({
        maxAnswerBytes: agentLimits.maxForwardedAnswerBytes,
        client: world.client,
        proxy: "http://told:1",
        written: (repository) => Ref.update(written, (all) => [...all, repository])
      })
      const write = (method: "GET" | "HEAD" | "DELETE", repository: string) =>
        Effect.provideService(
          forward.write(method, { tag: "Upload", repository, upload: "u" }),
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(new Request("http://agent/v2/x", { method }))
        ).pipe(Effect.provideService(HttpServerRequest.ParsedSearchParams, {}))
      yield* write("GET", "demo/read")
      yield* write("HEAD", "demo/read")
      yield* write("DELETE", "demo/app")
      status = 300
      yield* write("DELETE", "demo/elsewhere")
      assert.strictEqual(told.length, 4)
      assert.deepStrictEqual(yield* Ref.get(written), ["demo/app"])
    }).pipe(Effect.scoped)
  )
})

describe("an agent's configuration", () => {
  it.effect("with push forward and no proxy is refused", () =>
    Effect.gen(function* () {
      const { proxy: _, ...rest } = settings
      const error = yield* Effect.flip(makeMemoryWorld().start(agent(agentConfig(rest))))
      assert.match(error.message, /push is forward, but proxy is not set/)
    })
  )

  it.effect("without push refuses pushes and names the proxy", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const { push: _, ...rest } = settings
      yield* world.start(agent(agentConfig(rest)))
      const refused = yield* send(world, "POST", `${agentUrl}/v2/demo/app/blobs/uploads/`)
      assert.deepStrictEqual([refused.status, errorCode(refused)], [405, "UNSUPPORTED"])
      assert.include(refused.text, `push to ${proxyUrl}`)
    })
  )
})
