// Preheating where time matters: the agents that a tracker knows after restarts, and the number of preheats of one
// agent at once.

import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import { expect, it } from "vitest"
import { agent } from "../roles/agent/agent.ts"
import { agentConfig } from "../roles/agent/config.ts"
import { agentLimits } from "../roles/agent/limits.ts"
import { askLimits } from "../roles/client/limits.ts"
import { trackerConfig } from "../roles/tracker/config.ts"
import { registrationLifetime } from "../roles/tracker/registered-agents.ts"
import { tracker } from "../roles/tracker/tracker.ts"
import { makeSimulation } from "./simulation.ts"

const startAgent = (simulation: ReturnType<typeof makeSimulation>, name: string) =>
  simulation.startHost(
    name,
    agent(
      agentConfig({
        data: "agent",
        peer: { host: name, port: 2 },
        registry: { host: name, port: 1 },
        trackers: ["http://tracker:1"],
        buildIndexes: ["http://nobody:1"],
        register: { url: `http://${name}:1`, zone: "a" }
      })
    )
  )

const startTracker = (simulation: ReturnType<typeof makeSimulation>) =>
  simulation.startHost(
    "tracker",
    tracker(trackerConfig({ http: { host: "tracker", port: 1 }, origins: ["http://nobody:1"] }))
  )

it("a tracker knows an agent soon after either starts, and forgets it when it has been silent", () => {
  const simulation = makeSimulation({ seed: "registration" })
  const client = simulation.httpClient("client")
  const known = Effect.gen(function* () {
    const answer = (yield* (yield* client.get("http://tracker:1/agents")).json) as {
      readonly agents: ReadonlyArray<{ readonly url: string; readonly zone?: string }>
    }
    return answer.agents.map(({ url, zone }) => `${url} ${zone}`)
  })
  const both = ["http://agent-1:1 a", "http://agent-2:1 a"]
  const micros = (count: number) => `${count} micros` as const
  simulation.run(
    Effect.gen(function* () {
      yield* startAgent(simulation, "agent-1")
      const second = yield* startAgent(simulation, "agent-2")
      yield* Effect.sleep("10 millis")
      const first = yield* startTracker(simulation)
      yield* Effect.sleep(micros(askLimits.minRegistrationBackoff))
      expect(yield* known).toEqual(both)
      yield* first.kill
      yield* startTracker(simulation)
      expect(yield* known).toEqual([])
      yield* Effect.sleep(micros(askLimits.registrationPeriod))
      expect(yield* known).toEqual(both)
      yield* second.kill
      yield* Effect.sleep(micros(registrationLifetime(askLimits) - askLimits.registrationPeriod))
      expect(yield* known).toEqual(both)
      yield* Effect.sleep(micros(askLimits.registrationPeriod))
      expect(yield* known).toEqual(both.slice(0, 1))
    })
  )
})

it("an agent limits its preheats at once and refuses more until some have ended", () => {
  const simulation = makeSimulation({ seed: "preheats" })
  const client = simulation.httpClient("proxy")
  // Nobody can resolve this image, so the pull lasts until its patience ends.
  const ask = HttpClientRequest.post("http://agent:1/preheat").pipe(
    HttpClientRequest.bodyJsonUnsafe({
      repository: "demo/app",
      contents: [{ digest: `sha256:${"0".repeat(64)}`, size: 1 }]
    })
  )
  simulation.run(
    Effect.gen(function* () {
      yield* startAgent(simulation, "agent")
      const asked = Array.from({ length: agentLimits.maxPreheatsPerAgent + 1 }, () =>
        Effect.gen(function* () {
          const response = yield* client.execute(ask)
          if (response.status === 429) expect(response.headers["retry-after"]).toBe("2")
          return [response.status, (yield* response.text).trimEnd().split("\n").at(-1)!] as const
        })
      )
      const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
      const refused = answers.filter(([status]) => status !== 200)
      expect(refused).toEqual([[429, expect.stringContaining("TOOMANYREQUESTS")]])
      for (const [status, last] of answers) {
        if (status === 200) expect(JSON.parse(last)).toMatchObject({ done: 0, failed: 1, ended: true })
      }
      expect((yield* asked[0]!)[0]).toBe(200)
    })
  )
})
