// Scenarios of agents with a disk budget: the least recently used blob is evicted, announced as gone, and downloaded
// again on request; a blob that cannot fit is refused with a reason; blobs that do not fit together take turns.

import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import {
  type Cluster,
  type Rates,
  type RunningAgent,
  startClusterApart,
  startHerdCluster
} from "./cluster.ts"
import {
  bodyBytes,
  expectThat,
  metric,
  type PushedImage,
  pullBlob,
  pushImage,
  request,
  type ScenarioFailed
} from "./registry-script.ts"
import { MiB, type Scenario, until } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

const budgetBytes = 10 * MiB
const disk = { budget: budgetBytes, highWatermark: 0.9, lowWatermark: 0.7 }
const repository = "demo/small-disk"

const startBounded = (cluster: Cluster, rates: Rates = {}) =>
  cluster.startAgent("agent-bounded", { rates, config: () => ({ disk }) })

const pushLayer = (world: ScenarioWorld, cluster: Cluster, tag: string, length: number) =>
  pushImage(world, cluster.proxy, repository, tag, [length])

const pull = (world: ScenarioWorld, agent: RunningAgent, image: PushedImage<[number]>) =>
  pullBlob(world, agent.url, repository, image.layers[0].digest)

const received = (world: ScenarioWorld, agent: RunningAgent, from: Readonly<Record<string, string>> = {}) =>
  metric(world, agent.url, "shoal_piece_bytes_received_total", from)

const used = (world: ScenarioWorld, agent: RunningAgent) => metric(world, agent.url, "shoal_disk_used_bytes")

const evictions = (world: ScenarioWorld, agent: RunningAgent) =>
  metric(world, agent.url, "shoal_disk_evictions_total")

/** Bytes received from peers during a pull of the layer. */
const fetchedFor = (
  world: ScenarioWorld,
  agent: RunningAgent,
  image: PushedImage<[number]>
): Effect.Effect<number, ScenarioFailed> =>
  Effect.gen(function* () {
    const before = yield* received(world, agent)
    yield* pull(world, agent, image)
    return (yield* received(world, agent)) - before
  })

const oldestGoes: Scenario = {
  name: "a full disk budget evicts the least recently used blob, which is announced as gone and downloaded again on request",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      const bounded = yield* startBounded(cluster)
      const [first, second, third] = [
        yield* pushLayer(world, cluster, "1", 3 * MiB),
        yield* pushLayer(world, cluster, "2", 3 * MiB),
        yield* pushLayer(world, cluster, "3", 3 * MiB)
      ]
      yield* pull(world, bounded, first)
      yield* pull(world, bounded, second)
      // After this read the second layer is the least recently used one.
      yield* expectThat((yield* fetchedFor(world, bounded, first)) === 0, "a layer was fetched twice")
      yield* pull(world, bounded, third)
      yield* until(
        "something was evicted",
        Effect.map(evictions(world, bounded), (count) => count === 1)
      )
      yield* until(
        "no more is kept than 0.7 of the budget",
        Effect.map(used(world, bounded), (bytes) => bytes <= 0.7 * budgetBytes)
      )
      const tracker = `http://${world.hostName("tracker")}:${world.port("tracker", "http")}`
      yield* until(
        "the tracker knows of two layers here",
        Effect.map(metric(world, tracker, "shoal_tracker_peers"), (peers) => peers === 2)
      )

      const other = yield* cluster.startAgent("agent-other")
      yield* pull(world, other, second)
      const fromAgents = yield* received(world, other, { source: "agent" })
      yield* expectThat(fromAgents === 0, `${fromAgents} bytes of an evicted layer came from an agent`)
      const calls = yield* metric(world, bounded.url, "shoal_peer_connections_total", { direction: "in" })
      yield* expectThat(calls === 0, "an agent was handed out for a layer that it had evicted")

      yield* expectThat((yield* fetchedFor(world, bounded, first)) === 0, "what was used last was evicted")
      const back = yield* fetchedFor(world, bounded, second)
      yield* expectThat(back >= 3 * MiB, `${back} bytes were fetched for a layer that had been evicted`)
      yield* until(
        "the third layer made room for the second",
        Effect.map(evictions(world, bounded), (count) => count === 2)
      )

      yield* bounded.kill
      const again = yield* startBounded(cluster)
      const measured = yield* used(world, again)
      yield* expectThat(
        measured >= 6 * MiB && measured <= 0.7 * budgetBytes,
        `two layers of 3 MiB are measured as ${measured} bytes after a kill`
      )
      for (const kept of [first, second]) {
        yield* expectThat((yield* fetchedFor(world, again, kept)) === 0, "a layer was lost with the kill")
      }
    })
}

const tooLarge: Scenario = {
  name: "a blob larger than the disk budget is refused with a reason, but a range of it is served",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const bounded = yield* startBounded(cluster)
      const small = yield* pushLayer(world, cluster, "small", 1 * MiB)
      const large = yield* pushLayer(world, cluster, "large", 12 * MiB)
      const { digest, bytes } = large.layers[0]
      yield* pull(world, bounded, small)
      const blob = HttpClientRequest.get(`${bounded.url}/v2/${repository}/blobs/${digest}`)
      const refused = yield* request(world.client, blob)
      const why = new TextDecoder().decode(yield* bodyBytes(refused))
      yield* expectThat(
        refused.status === 507 && why.includes('"UNAVAILABLE"') && why.includes("disk.budget"),
        `12 MiB within a budget of 10 were answered ${refused.status}: ${why}`
      )
      const [start, end] = [5 * MiB + 7, 5 * MiB + 1007]
      const ranged = yield* request(
        world.client,
        HttpClientRequest.setHeader(blob, "range", `bytes=${start}-${end - 1}`)
      )
      const part = yield* bodyBytes(ranged)
      yield* expectThat(
        ranged.status === 206 &&
          world.digests.digest("sha256", part) === world.digests.digest("sha256", bytes.slice(start, end)),
        `a range of a blob larger than the budget was answered ${ranged.status}`
      )
      yield* expectThat((yield* fetchedFor(world, bounded, small)) === 0, "the small layer was evicted")
      const head = yield* request(world.client, HttpClientRequest.head(blob.url))
      yield* expectThat(head.status === 200, `its HEAD was answered ${head.status}`)
    })
}

const takeTurns: Scenario = {
  name: "blobs that do not fit the disk budget together take turns",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const bounded = yield* startBounded(cluster)
      const images = [
        yield* pushLayer(world, cluster, "1", 6 * MiB),
        yield* pushLayer(world, cluster, "2", 6 * MiB),
        yield* pushLayer(world, cluster, "3", 6 * MiB)
      ]
      yield* Effect.forEach(images, (image) => pull(world, bounded, image), {
        concurrency: "unbounded",
        discard: true
      })
      yield* until(
        "one layer is left",
        Effect.map(used(world, bounded), (bytes) => bytes > 6 * MiB && bytes <= 0.7 * budgetBytes)
      )
      const refusals = yield* metric(world, bounded.url, "shoal_disk_refusals_total")
      yield* expectThat(refusals === 0, `${refusals} downloads were refused`)
    })
}

const servedStays: Scenario = {
  name: "a blob that is being sent to a peer is not evicted, although it is the least recently used and the budget is exceeded",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      // The rate is so low that the layer is still being sent at the end of the scenario, even on a busy machine.
      const bounded = yield* startBounded(cluster, { egress: 64 * 1024, burst: 64 * 1024 })
      const helper = yield* cluster.startAgent("agent-helper")
      const served = yield* pushLayer(world, cluster, "served", 8 * MiB)
      const pressing = yield* pushLayer(world, cluster, "pressing", 3 * MiB)
      yield* pull(world, bounded, served)
      yield* pull(world, helper, pressing)
      // From now on only agents have the layers.
      yield* cluster.origin.stop
      const other = yield* cluster.startAgent("agent-other")
      yield* Effect.forkScoped(Effect.exit(pull(world, other, served)))
      yield* until(
        "the other agent has its first piece",
        Effect.map(
          metric(world, other.url, "shoal_pieces_total", { outcome: "stored" }),
          (count) => count >= 1
        )
      )
      yield* pull(world, bounded, pressing)
      yield* until(
        "something was evicted",
        Effect.map(evictions(world, bounded), (count) => count >= 1)
      )
      const sent = yield* metric(world, other.url, "shoal_pieces_total", { outcome: "stored" })
      yield* expectThat(sent < 32, "the layer was sent whole before anything was evicted")
      const gone = yield* metric(world, bounded.url, "shoal_disk_evicted_bytes_total")
      yield* expectThat(
        gone < 4 * MiB,
        `${gone} bytes were evicted: not the idle layer but the one being sent`
      )
      yield* expectThat((yield* fetchedFor(world, bounded, served)) === 0, "what was being sent was evicted")
    })
}

export const diskBudgetScenarios: ReadonlyArray<Scenario> = [oldestGoes, tooLarge, takeTurns, servedStays]
