// Scenarios of preheating: which agents a scope selects, that a later pull downloads nothing, the status of an agent
// that is away, what a cancellation stops, and what starts a preheat automatically.

import { Effect, type Scope } from "effect"
import { HttpClientRequest } from "effect/http"
import type { AgentSettings } from "../../src/roles/agent/config.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import { type Cluster, type RunningAgent, startHerdCluster } from "./cluster.ts"
import {
  bodyBytes,
  expectThat,
  metric,
  type PushedImage,
  pullImage,
  pushImage,
  request,
  type ScenarioFailed
} from "./registry-script.ts"
import { MiB, type Scenario, until } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

interface Status {
  readonly id: string
  readonly state: string
  readonly message?: string
  readonly contents: number
  readonly bytes: number
  readonly agents: Readonly<Record<string, number>>
  readonly perAgent: ReadonlyArray<{
    readonly url: string
    readonly state: string
    readonly attempts: number
    readonly done: number
    readonly bytes: number
    readonly fetched: number
    readonly message?: string
  }>
}

const json = (world: ScenarioWorld, what: HttpClientRequest.HttpClientRequest, status: number) =>
  Effect.gen(function* () {
    const response = yield* request(world.client, what)
    const text = new TextDecoder().decode(yield* bodyBytes(response))
    yield* expectThat(response.status === status, `${what.method} ${what.url}: ${response.status}: ${text}`)
    return JSON.parse(text)
  })

const postJson = (world: ScenarioWorld, url: string, body: object) =>
  json(world, HttpClientRequest.post(url).pipe(HttpClientRequest.bodyJsonUnsafe(body)), 202)

const statusOf = (
  world: ScenarioWorld,
  cluster: Cluster,
  id: string
): Effect.Effect<Status, ScenarioFailed> =>
  json(world, HttpClientRequest.get(`${cluster.proxy}/preheat/${id}`), 200)

const ended = (world: ScenarioWorld, cluster: Cluster, id: string): Effect.Effect<Status, ScenarioFailed> =>
  Effect.gen(function* () {
    let status: Status | undefined
    yield* until(
      `preheat ${id} ended`,
      Effect.map(statusOf(world, cluster, id), (now) => {
        status = now
        return now.state !== "resolving" && now.state !== "running"
      })
    )
    return status!
  })

export const preheat = (
  world: ScenarioWorld,
  cluster: Cluster,
  body: object
): Effect.Effect<Status, ScenarioFailed> =>
  Effect.flatMap(postJson(world, `${cluster.proxy}/preheat`, body), ({ id }: Status) =>
    ended(world, cluster, id)
  )

/** Starts agents that register, and waits until the tracker knows all of them. */
export const registeredAgents = (
  world: ScenarioWorld,
  cluster: Cluster,
  zones: Readonly<Record<string, string>>,
  config: Partial<AgentSettings> = {}
): Effect.Effect<ReadonlyArray<RunningAgent>, ScenarioFailed | HostProgramError, Scope.Scope> =>
  Effect.gen(function* () {
    const agents = yield* Effect.forEach(
      Object.entries(zones),
      ([name, zone]) =>
        cluster.startAgent(name, { config: ({ self }) => ({ ...config, register: { url: self, zone } }) }),
      { concurrency: "unbounded" }
    )
    const known = json(world, HttpClientRequest.get(`${cluster.trackerUrl}/agents`), 200)
    yield* until(
      "the tracker knows every agent",
      Effect.map(
        known,
        (answer: { agents: ReadonlyArray<unknown> }) => answer.agents.length === agents.length
      )
    )
    return agents
  })

const receivedBytes = (world: ScenarioWorld, agent: RunningAgent) =>
  metric(world, agent.url, "shoal_piece_bytes_received_total")

/** Pulls at every agent; the bytes that each received for it. */
export const pulledBytes = (world: ScenarioWorld, agents: ReadonlyArray<RunningAgent>, image: PushedImage) =>
  Effect.forEach(agents, (agent) =>
    Effect.gen(function* () {
      const before = yield* receivedBytes(world, agent)
      yield* pullImage(world, agent.url, image)
      return (yield* receivedBytes(world, agent)) - before
    })
  )

const everyAgent: Scenario = {
  name: "an image that is preheated at all agents is pulled without a download",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const agents = yield* registeredAgents(world, cluster, { one: "a", two: "a", three: "b", four: "b" })
      const image = yield* pushImage(world, cluster.proxy, "demo/heat", "1", [5 * MiB, 2 * MiB + 17, 1])
      const first = yield* preheat(world, cluster, { image: "demo/heat:1", scope: { kind: "all" } })
      yield* expectThat(first.state === "done", `the preheat ended ${first.state}: ${first.message}`)
      // The manifest, the config and three layers.
      yield* expectThat(first.contents === 5, `the image has ${first.contents} contents, not 5`)
      for (const agent of agents) {
        const told = first.perAgent.find(({ url }) => url === agent.url)
        yield* expectThat(
          told?.state === "done" && told.done === 5 && told.fetched === first.bytes,
          `of ${agent.url} it is told ${JSON.stringify(told)}`
        )
      }
      const downloaded = yield* pulledBytes(world, agents, image)
      yield* expectThat(
        downloaded.every((bytes) => bytes === 0),
        `pulls after the preheat downloaded ${downloaded} bytes`
      )
      const again = yield* preheat(world, cluster, { image: `demo/heat@${image.manifest}` })
      yield* expectThat(
        again.perAgent.every(({ bytes, fetched }) => bytes === again.bytes && fetched === 0),
        `the second preheat fetched again: ${JSON.stringify(again.perAgent)}`
      )
    })
}

const scopes: Scenario = {
  name: "a preheat of two agents or of a zone does not involve the other agents",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const agents = yield* registeredAgents(world, cluster, { one: "a", two: "a", three: "b", four: "b" })
      yield* pushImage(world, cluster.proxy, "demo/few", "1", [MiB + 5])
      const few = yield* preheat(world, cluster, { image: "demo/few:1", scope: { kind: "count", count: 2 } })
      yield* expectThat(few.state === "done" && few.agents.total === 2, `of two: ${JSON.stringify(few)}`)
      const bytes = yield* Effect.forEach(agents, (agent) => receivedBytes(world, agent))
      yield* expectThat(
        bytes.filter((received) => received > 0).length === 2,
        `a preheat of two agents made the agents receive ${bytes} bytes`
      )
      yield* pushImage(world, cluster.proxy, "demo/zone", "1", [MiB + 5])
      const scope = { kind: "zone", zone: "b" }
      const zone = yield* preheat(world, cluster, { image: "demo/zone:1", scope })
      const asked = zone.perAgent.map(({ url }) => url).sort()
      const expected = agents
        .slice(2)
        .map(({ url }) => url)
        .sort()
      yield* expectThat(
        zone.state === "done" && String(asked) === String(expected),
        `of zone b: ${JSON.stringify(zone)}, not ${expected}`
      )
    })
}

const agentAway: Scenario = {
  name: "an agent that is away has the status failed, and the others are preheated",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const [one, two] = yield* registeredAgents(world, cluster, { one: "a", two: "a" })
      yield* pushImage(world, cluster.proxy, "demo/away", "1", [MiB])
      yield* two!.kill
      const status = yield* preheat(world, cluster, { image: "demo/away:1" })
      const told = (agent: RunningAgent) => status.perAgent.find(({ url }) => url === agent.url)
      yield* expectThat(
        status.state === "failed" && status.agents.done === 1 && status.agents.failed === 1,
        `one of two is away: ${JSON.stringify(status)}`
      )
      yield* expectThat(told(one!)?.state === "done", `the one that is there: ${JSON.stringify(told(one!))}`)
      yield* expectThat(
        told(two!)?.attempts === 2 && told(two!)!.message!.includes("does not answer"),
        `the one that is away: ${JSON.stringify(told(two!))}`
      )
    })
}

const cancelled: Scenario = {
  name: "a preheat that is cancelled stops its downloads",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, {
        egress: 2 * MiB,
        burst: 256 * 1024
      })
      const [agent] = yield* registeredAgents(world, cluster, { one: "a" })
      yield* pushImage(world, cluster.proxy, "demo/long", "1", [16 * MiB])
      const { id }: Status = yield* postJson(world, `${cluster.proxy}/preheat`, { image: "demo/long:1" })
      const underway = metric(world, agent!.url, "shoal_downloads_underway")
      yield* until(
        "the agent downloads",
        Effect.map(receivedBytes(world, agent!), (bytes) => bytes > 0)
      )
      const status: Status = yield* json(
        world,
        HttpClientRequest.delete(`${cluster.proxy}/preheat/${id}`),
        200
      )
      yield* expectThat(
        status.state === "cancelled" && status.agents.cancelled === 1,
        `after the cancel: ${JSON.stringify(status)}`
      )
      yield* until(
        "the agent stopped",
        Effect.map(underway, (downloads) => downloads === 0)
      )
      const bytes = yield* receivedBytes(world, agent!)
      yield* expectThat(bytes < 16 * MiB, "the agent downloaded everything in spite of the cancellation")
    })
}

const onPush: Scenario = {
  name: "a push that matches a rule is preheated, whether to the proxy or reported by another registry",
  run: (world) =>
    Effect.gen(function* () {
      const rules = { onPush: ["demo/*:v*"], scope: { kind: "all" } as const }
      const cluster = yield* startHerdCluster(world, {}, { preheat: rules })
      const [agent] = yield* registeredAgents(world, cluster, { one: "a" })
      const list = json(world, HttpClientRequest.get(`${cluster.proxy}/preheat`), 200)
      const images = Effect.map(
        list,
        ({ preheats }: { preheats: ReadonlyArray<{ id: string; image: string }> }) =>
          preheats.map(({ image }) => image)
      )
      yield* pushImage(world, cluster.proxy, "demo/rule", "1", [MiB])
      yield* expectThat((yield* images).length === 0, "a push that matches no rule began a preheat")
      const pushed = yield* pushImage(world, cluster.proxy, "demo/rule", "v1", [MiB])
      yield* expectThat(String(yield* images) === "demo/rule:v1", `preheats after the push: ${yield* images}`)
      const { preheats } = yield* list
      yield* expectThat(
        (yield* ended(world, cluster, preheats[0].id)).state === "done",
        "it did not end well"
      )
      const [downloaded] = yield* pulledBytes(world, [agent!], pushed)
      yield* expectThat(downloaded === 0, `the pull after the push downloaded ${downloaded} bytes`)

      const event = (tag: string, digest: string) => ({
        id: "e",
        action: "push",
        target: {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          repository: "demo/rule",
          digest,
          tag
        }
      })
      const told = yield* postJson(world, `${cluster.proxy}/registry/notifications`, {
        events: [event("latest", pushed.manifest), event("v2", pushed.manifest)]
      })
      yield* expectThat(
        told.preheats.length === 1 && told.ignored === 1,
        `the notification was answered ${JSON.stringify(told)}`
      )
      const status = yield* ended(world, cluster, told.preheats[0])
      yield* expectThat(status.state === "done", `the notified preheat: ${JSON.stringify(status)}`)
    })
}

export const preheatScenarios: ReadonlyArray<Scenario> = [everyAgent, scopes, agentAway, cancelled, onPush]
