// Scenarios of tags that move and of deletions: agents see both within their freshness, never go back to an older
// state, and serve the last known state with its age while the build-index is away.

import { Clock, Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { type RunningAgent, startClusterApart, startHerdCluster } from "./cluster.ts"
import {
  bodyBytes,
  expectThat,
  type PushedImage,
  pullBlob,
  pullImage,
  pushImage,
  request,
  type ScenarioFailed
} from "./registry-script.ts"
import { type Scenario, until } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

interface Answer {
  readonly status: number
  readonly digest: string | undefined
  /** Seconds that the answer is old. */
  readonly age: number
}

const head = (world: ScenarioWorld, url: string): Effect.Effect<Answer, ScenarioFailed> =>
  Effect.gen(function* () {
    const response = yield* request(world.client, HttpClientRequest.head(url))
    yield* bodyBytes(response)
    const { age, "docker-content-digest": digest } = response.headers
    return { status: response.status, digest, age: Number(age ?? "0") }
  })

const manifestUrl = (registry: string, { repository }: PushedImage, reference: string) =>
  `${registry}/v2/${repository}/manifests/${reference}`

const blobUrl = (registry: string, { repository }: PushedImage, digest: Digest) =>
  `${registry}/v2/${repository}/blobs/${digest}`

const remove = (world: ScenarioWorld, url: string) =>
  Effect.gen(function* () {
    const response = yield* request(world.client, HttpClientRequest.delete(url))
    yield* bodyBytes(response)
    yield* expectThat(response.status === 202, `DELETE ${url} was answered ${response.status}, not 202`)
  })

/** Seconds; short, so that the scenario is short in real time. */
const freshness = 1

const movedTag: Scenario = {
  name: "every agent sees a moved tag within its freshness, and no agent goes back",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const hosts: Array<{ readonly host: RunningAgent; readonly bound: number }> = []
      for (const [name, bound] of [
        ["agent-1", freshness],
        ["agent-2", 2 * freshness],
        ["agent-always", 0]
      ] as const) {
        hosts.push({ host: yield* cluster.startAgent(name, { config: () => ({ freshness: bound }) }), bound })
      }
      const first = yield* pushImage(world, cluster.proxy, "demo/moving", "latest", [1000])
      for (const { host } of hosts) yield* pullImage(world, host.url, first)
      const second = yield* pushImage(world, cluster.proxy, "demo/moving", "latest", [2000])
      const acknowledged = yield* Clock.currentTimeMillis
      // A poll retries any failure, so a state that must never occur is recorded and reported at the end.
      const watch = (host: RunningAgent, bound: number) =>
        Effect.gen(function* () {
          let moved = false
          let wrong: string | undefined
          yield* until(
            `${host.url} serves what the tag names now`,
            Effect.gen(function* () {
              const asked = yield* Clock.currentTimeMillis
              const { digest, age } = yield* head(world, manifestUrl(host.url, second, "latest"))
              const isNew = digest === second.manifest
              const late = asked - acknowledged - bound * 1000
              if (!isNew && digest !== first.manifest) wrong = `the tag names ${digest}`
              if (!isNew && moved) wrong = "the tag went back"
              if (!isNew && late >= 0) wrong = `the tag was not seen ${late} ms after its bound`
              if (age > bound) wrong = `an answer is ${age} s old, the bound is ${bound}`
              const settled = isNew && moved
              moved ||= isNew
              return settled || wrong !== undefined
            })
          )
          yield* expectThat(wrong === undefined, `${host.url}: ${wrong}`)
        })
      yield* Effect.forEach(hosts, ({ host, bound }) => watch(host, bound), {
        concurrency: "unbounded",
        discard: true
      })
      for (const { host } of hosts) yield* pullImage(world, host.url, second)
    })
}

const deletion: Scenario = {
  name: "agents see a deletion within their freshness, and the deleted content never returns",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      const options = { config: () => ({ freshness }) }
      const host = yield* cluster.startAgent("agent-1", options)
      const image = yield* pushImage(world, cluster.proxy, "demo/deleted", "1", [1000, 2000])
      yield* pullImage(world, host.url, image)
      const layer = image.layers[0].digest
      const steps = [
        [manifestUrl, "1"],
        [manifestUrl, image.manifest],
        [blobUrl, layer]
      ] as const
      const url = (registry: string, [kind, name]: (typeof steps)[number]) =>
        kind(registry, image, name as Digest)
      for (const [index, step] of steps.entries()) {
        yield* remove(world, url(cluster.proxy, step))
        const atProxy = yield* head(world, url(cluster.proxy, step))
        yield* expectThat(atProxy.status === 404, `the proxy still answers ${atProxy.status}`)
        yield* until(
          `the agent answers 404 to ${url(host.url, step)}`,
          Effect.map(head(world, url(host.url, step)), ({ status }) => status === 404)
        )
        for (const later of steps.slice(index + 1)) {
          const { status } = yield* head(world, url(host.url, later))
          yield* expectThat(status === 200, `${url(host.url, later)} is ${status}, though nobody deleted it`)
        }
      }
      // Neither a restart nor an absent build-index brings back content that is still on the agent's disk.
      yield* cluster.buildIndex.kill
      yield* host.kill
      const again = yield* cluster.startAgent("agent-1", options)
      for (const step of steps) {
        const { status } = yield* head(world, url(again.url, step))
        yield* expectThat(status === 404 || status === 503, `after a restart: ${status} to ${url("", step)}`)
      }
      yield* cluster.startBuildIndex
      yield* until(
        "the other layer is served",
        Effect.as(pullBlob(world, again.url, image.repository, image.layers[1].digest), true)
      )
      for (const step of steps) {
        const { status } = yield* head(world, url(again.url, step))
        yield* expectThat(status === 404, `with the build-index back: ${status} to ${url("", step)}`)
      }
    })
}

const buildIndexAway: Scenario = {
  name: "a tag is served with its age while its build-index is away, also after a restart, and never an older one",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      const options = { config: () => ({ freshness: 0 }) }
      const host = yield* cluster.startAgent("agent-1", options)
      const strict = yield* cluster.startAgent("agent-strict", {
        config: () => ({ freshness: 0, serveStale: false })
      })
      const first = yield* pushImage(world, cluster.proxy, "demo/away", "latest", [1000])
      yield* pullImage(world, host.url, first)
      const second = yield* pushImage(world, cluster.proxy, "demo/away", "latest", [2000])
      yield* pullImage(world, host.url, second)
      yield* pullImage(world, strict.url, second)
      yield* cluster.buildIndex.kill
      yield* pullImage(world, host.url, second)
      const refused = yield* head(world, manifestUrl(strict.url, second, "latest"))
      yield* expectThat(refused.status === 503, `without serveStale the answer is ${refused.status}, not 503`)
      yield* host.kill
      const again = yield* cluster.startAgent("agent-1", options)
      yield* pullImage(world, again.url, second)
      yield* until(
        "an answer says how old it is",
        Effect.map(
          head(world, manifestUrl(again.url, second, "latest")),
          ({ status, age }) => status === 200 && age >= 1
        )
      )
      yield* cluster.startBuildIndex
      yield* until(
        "the agent asks again",
        Effect.map(head(world, manifestUrl(again.url, second, "latest")), ({ age }) => age === 0)
      )
      const third = yield* pushImage(world, cluster.proxy, "demo/away", "latest", [3000])
      yield* until("the next move is seen", Effect.as(pullImage(world, again.url, third), true))
    })
}

export const tagScenarios: ReadonlyArray<Scenario> = [movedTag, deletion, buildIndexAway]
