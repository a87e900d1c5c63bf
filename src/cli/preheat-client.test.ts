// `shoal preheat` at a URL that is not a proxy's: it says which role answers there, and what to name instead.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpClient } from "effect/http"
import { inHerd, proxyUrl } from "../../testing/roles/herd.ts"
import { agent } from "../roles/agent/agent.ts"
import { agentConfig } from "../roles/agent/config.ts"
import { orderPreheat } from "./preheat-client.ts"

it.effect("names the role that answers in place of a proxy", () =>
  inHerd((world) =>
    Effect.gen(function* () {
      const running = yield* world.start(
        agent(
          agentConfig({
            data: "agent",
            registry: { host: "agent", port: 16000 },
            peer: { host: "agent", port: 16001 },
            trackers: ["http://herd:15003"],
            buildIndexes: ["http://herd:15004"]
          })
        )
      )
      const why = (url: string) =>
        orderPreheat(url, { image: "demo/app:1" }, false).pipe(
          Effect.provideService(HttpClient.HttpClient, world.client),
          Effect.flip,
          Effect.map(({ message }) => message)
        )
      const instead = "not a proxy: name the proxy's address, where images are pushed, by --proxy"
      assert.strictEqual(
        yield* why("http://agent:16000"),
        `http://agent:16000: an agent answers there, ${instead}`
      )
      assert.strictEqual(
        yield* why("http://herd:15003"),
        `http://herd:15003: a tracker answers there, ${instead}`
      )
      assert.match(yield* why(proxyUrl), /^http:\/\/herd:15000: there is no tag 1 in demo\/app/)
      yield* running.stop
    })
  )
)
