// How long a crowd takes to download a cold blob of an upstream that its origin is still receiving, against the time
// that the upstream takes to send it, and when the first client has its first byte.

import { createHash } from "node:crypto"
import { Effect, Fiber, Stream } from "effect"
import { HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { expect, it } from "vitest"
import type { Micros } from "../protocol/kit/time.ts"
import { makeDigest } from "../protocol/wire/digest.ts"
import { agent } from "../roles/agent/agent.ts"
import { agentConfig } from "../roles/agent/config.ts"
import { buildIndex } from "../roles/build-index/build-index.ts"
import { buildIndexConfig } from "../roles/build-index/config.ts"
import type { HostProgram } from "../roles/host-program.ts"
import { originConfig } from "../roles/origin/config.ts"
import { origin } from "../roles/origin/origin.ts"
import { trackerConfig } from "../roles/tracker/config.ts"
import { tracker } from "../roles/tracker/tracker.ts"
import { makeSimulation } from "./simulation.ts"

const MiB = 1024 * 1024
const length = 96 * MiB
const chunk = 64 * 1024
const crowd = 30
/** The upstream's rate, less than that of all other hosts. */
const rate = 50_000_000

const content = Uint8Array.from(
  { length },
  (_, index) => Math.imul(index >>> 2, 0x9e3779b1) >>> (8 * (index & 3))
)
const digest = makeDigest("sha256", createHash("sha256").update(content).digest())
const path = `/v2/library/big/blobs/${digest}`
const upstreams = [{ name: "docker.io", url: "https://upstream:443", freshness: 0 }]
const listen = (host: string, port: number) => ({ host, port })

it("30 agents have it within 1.15 of the upstream's time, and a client its first byte within a second", () => {
  const simulation = makeSimulation({ seed: "arriving", linkModel: "fair" })
  const { kernel } = simulation
  let firstSent: Micros | undefined
  let firstRead: Micros | undefined
  const upstream: HostProgram = Effect.succeed({
    listeners: [
      {
        name: "registry",
        listen: listen("upstream", 443),
        app: Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          if (request.url !== path) return HttpServerResponse.empty({ status: 404 })
          const headers = { "content-length": String(length) }
          if (request.method === "HEAD") return HttpServerResponse.empty({ status: 200, headers })
          const bytes = Stream.unfold(0, (at) =>
            Effect.sync(() => {
              firstSent ??= kernel.now
              return at < length ? ([content.subarray(at, at + chunk), at + chunk] as const) : undefined
            })
          )
          return HttpServerResponse.stream(bytes, { contentLength: length })
        })
      }
    ]
  })
  const origins = ["http://origin:2"] as const
  const startAgent = (index: number) => {
    const name = `agent-${index}`
    const config = agentConfig({
      data: "data",
      peer: listen(name, 1),
      registry: listen(name, 2),
      trackers: ["http://tracker:2"],
      buildIndexes: ["http://build-index:2"],
      mirrors: upstreams
    })
    return simulation.startHost(name, agent(config))
  }
  const ended = simulation.run(
    Effect.gen(function* () {
      yield* simulation.startHost("upstream", upstream, { rates: { uplink: rate, downlink: rate } })
      const http = listen("origin", 2)
      const peer = listen("origin", 1)
      const [self] = origins
      yield* simulation.startHost(
        "origin",
        origin(originConfig({ data: "data", peer, http, origins, self, upstreams }))
      )
      yield* simulation.startHost("tracker", tracker(trackerConfig({ http: listen("tracker", 2), origins })))
      const index = { data: "data", http: listen("build-index", 2), origins, upstreams }
      yield* simulation.startHost("build-index", buildIndex(buildIndexConfig(index)))
      const agents = yield* Effect.forEach(Array.from({ length: crowd }).keys(), startAgent)
      const began = kernel.now
      const pulls = yield* Effect.forEach(agents, ({ role }) =>
        Effect.forkChild(Effect.map(role.pull("docker.io/library/big", digest), () => kernel.now - began))
      )
      const asked = HttpClientRequest.get(`http://agent-0:2/v2/docker.io/library/big/blobs/${digest}`)
      const response = yield* simulation.httpClient("client").execute(asked)
      yield* Stream.runForEachWhile(response.stream, () =>
        Effect.sync(() => {
          firstRead = kernel.now
          return false
        })
      )
      return yield* Effect.forEach(pulls, (pull) => Fiber.join(pull))
    })
  )
  const upstreamTime = (length / rate) * 1e6
  expect(Math.max(...ended)).toBeLessThan(1.15 * upstreamTime)
  expect(firstRead! - firstSent!).toBeLessThan(1_000_000)
})
