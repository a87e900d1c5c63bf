// A push through an agent on simulated links: the agent takes as much from the client as the proxy takes from the
// agent.

import { Effect, Fiber, Stream } from "effect"
import { HttpBody, HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { expect, it } from "vitest"
import { agent } from "../roles/agent/agent.ts"
import { agentConfig } from "../roles/agent/config.ts"
import { makeHttpApp } from "../roles/http/http-app.ts"
import { makeRoleMetrics } from "../roles/services/metrics.ts"
import { makeSimulation } from "./simulation.ts"

const chunkBytes = 100_000

it("a body waits for a proxy that does not read, continues when it reads, and breaks with the client", () => {
  const simulation = makeSimulation({ seed: "push-forward" })
  const client = simulation.httpClient("client")
  const seen = { given: 0, taken: 0, ended: "" }
  const slowProxy = Effect.gen(function* () {
    const handler = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      yield* Effect.sleep("20 seconds")
      yield* Stream.runForEach(request.stream, (chunk) =>
        Effect.sync(() => {
          seen.taken += chunk.byteLength
        })
      )
      return HttpServerResponse.empty({ status: 202 })
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          seen.ended = exit._tag
        })
      ),
      Effect.orDie
    )
    const app = yield* makeHttpApp([{ method: "PATCH", path: "/v2/*", handler }], {
      metrics: makeRoleMetrics("proxy"),
      notReady: Effect.succeed([])
    })
    return { listeners: [{ name: "registry", listen: { host: "proxy", port: 80 }, app }] }
  })
  const endless = Stream.fromEffectRepeat(
    Effect.sync(() => {
      seen.given++
      return new Uint8Array(chunkBytes)
    })
  )
  simulation.run(
    Effect.gen(function* () {
      yield* simulation.startHost("proxy", slowProxy)
      yield* simulation.startHost(
        "agent",
        agent(
          agentConfig({
            data: "agent",
            peer: { host: "agent", port: 2 },
            registry: { host: "agent", port: 1 },
            trackers: ["http://nobody:1"],
            buildIndexes: ["http://nobody:1"],
            proxy: "http://proxy:80",
            push: "forward"
          })
        )
      )
      const push = yield* Effect.forkChild(
        client.execute(
          HttpClientRequest.patch("http://agent:1/v2/demo/app/blobs/uploads/u").pipe(
            HttpClientRequest.setBody(HttpBody.stream(endless))
          )
        )
      )
      yield* Effect.sleep("10 seconds")
      const held = seen.given
      expect(held).toBeGreaterThan(0)
      expect(held).toBeLessThan(60)
      yield* Effect.sleep("5 seconds")
      expect(seen.given, "the agent took more than it could forward").toBe(held)
      yield* Effect.sleep("10 seconds")
      expect(seen.taken).toBeGreaterThan(100 * chunkBytes)
      yield* Fiber.interrupt(push)
      yield* Effect.sleep("5 seconds")
      expect(seen.ended).toBe("Failure")
    })
  )
})
