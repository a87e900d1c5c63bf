// Scenario suite: scripted scenarios over whole roles, which must hold in every world. Each starts its own cluster,
// acts as a client, breaks something, and fails with the expectation that did not hold. It knows no socket and no
// virtual clock; it waits by bounded polls of visible conditions.

import { Effect, Fiber } from "effect"
import { HttpBody, HttpClientRequest } from "effect/http"
import { arrivingScenarios } from "./arriving-scenarios.ts"
import { startClusterApart, startHerdCluster } from "./cluster.ts"
import { diskBudgetScenarios } from "./disk-budget-scenarios.ts"
import { mirrorScenarios } from "./mirror-scenarios.ts"
import { preheatScenarios } from "./preheat-scenarios.ts"
import { rangedReads } from "./ranged-reads.ts"
import {
  bodyBytes,
  expectThat,
  metric,
  pullBlob,
  pullImage,
  pushImage,
  request,
  ScenarioFailed
} from "./registry-script.ts"
import { agents, largest, MiB, received, type Scenario, storedPieces, until } from "./scenario.ts"
import { tagScenarios } from "./tag-scenarios.ts"
import type { ScenarioFaults } from "./world.ts"

const pushThenPullEverywhere: Scenario = {
  name: "push, then pull everywhere",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const hosts = yield* agents(cluster, ["agent-1", "agent-2", "agent-3", "agent-4"])
      const image = yield* pushImage(world, cluster.proxy, "demo/app", "1", [6 * MiB, 3 * MiB + 17, 1])
      yield* Effect.forEach(hosts, (host) => pullImage(world, host.url, image), {
        concurrency: "unbounded",
        discard: true
      })
      yield* pullImage(world, cluster.proxy, image)
      const total = image.layers.reduce((sum, layer) => sum + layer.bytes.byteLength, 0)
      for (const host of hosts) {
        const bytes =
          (yield* received(world, host.url, "agent")) + (yield* received(world, host.url, "origin"))
        yield* expectThat(bytes >= total, `${host.url} received ${bytes} piece bytes, fewer than ${total}`)
      }
    })
}

const joinsLate: Scenario = {
  name: "an agent that joins late gets pieces from other agents",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, {
        egress: 8 * MiB,
        burst: 256 * 1024
      })
      const first = yield* agents(cluster, ["agent-1", "agent-2", "agent-3"])
      const image = yield* pushImage(world, cluster.proxy, "demo/late", "1", [8 * MiB])
      yield* Effect.forEach(first, (host) => pullImage(world, host.url, image), {
        concurrency: "unbounded",
        discard: true
      })
      const late = yield* cluster.startAgent("agent-late")
      yield* pullImage(world, late.url, image)
      const fromAgents = yield* received(world, late.url, "agent")
      yield* expectThat(fromAgents > 0, "the late agent got nothing from the agents that had everything")
    })
}

const killedAndResumes: Scenario = {
  name: "an agent that is killed during a download resumes it after a restart",
  run: (world) =>
    Effect.gen(function* () {
      const rates = { egress: 4 * MiB, burst: 256 * 1024 }
      const cluster = yield* startHerdCluster(world, rates)
      const image = yield* pushImage(world, cluster.proxy, "demo/resume", "1", [8 * MiB])
      const victim = yield* cluster.startAgent("agent-1")
      const pull = yield* Effect.forkScoped(
        Effect.exit(pullBlob(world, victim.url, image.repository, largest(image).digest))
      )
      yield* until(
        "eight pieces stored",
        Effect.map(storedPieces(world, victim.url), (stored) => stored >= 8)
      )
      yield* victim.kill
      yield* Fiber.join(pull)
      const again = yield* cluster.startAgent("agent-1")
      yield* pullBlob(world, again.url, image.repository, largest(image).digest)
      const bytes =
        (yield* received(world, again.url, "origin")) + (yield* received(world, again.url, "agent"))
      const whole = largest(image).bytes.byteLength
      yield* expectThat(bytes < whole, `after the restart ${bytes} of ${whole} bytes were fetched again`)
    })
}

const originStopped: Scenario = {
  name: "the origin stops while agents have every piece",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      const [first] = yield* agents(cluster, ["agent-1"])
      const image = yield* pushImage(world, cluster.proxy, "demo/orphan", "1", [4 * MiB])
      yield* pullImage(world, first!.url, image)
      const second = yield* cluster.startAgent("agent-2")
      // The tracker has the metainfo since the first pull, so this pull needs only a peer.
      yield* cluster.origin.stop
      yield* pullBlob(world, second.url, image.repository, largest(image).digest)
      const fromOrigins = yield* received(world, second.url, "origin")
      yield* expectThat(fromOrigins === 0, `${fromOrigins} bytes came from an origin that was stopped`)
    })
}

const lyingPeer = (faults: ScenarioFaults, what: string): Scenario => ({
  name: `a peer that sends wrong ${what} is banned, and its bytes are not stored`,
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, {
        egress: 8 * MiB,
        burst: 256 * 1024
      })
      const liar = yield* cluster.startAgent("agent-liar", { faults })
      const image = yield* pushImage(world, cluster.proxy, "demo/lie", "1", [8 * MiB])
      yield* liar.role
        .pull(image.repository, largest(image).digest)
        .pipe(
          Effect.mapError(
            (error) => new ScenarioFailed({ message: `the liar could not download: ${error.message}` })
          )
        )
      const honest = yield* agents(cluster, ["agent-1", "agent-2"])
      yield* Effect.forEach(honest, (host) => pullImage(world, host.url, image), {
        concurrency: "unbounded",
        discard: true
      })
      let banned = 0
      for (const host of honest) banned += yield* metric(world, host.url, "shoal_peers_banned_total")
      yield* expectThat(banned >= 1, `nobody banned the peer that sent wrong ${what}`)
    })
})

const unknownBlob: Scenario = {
  name: "an unknown blob or tag is a 404 in the OCI error form",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const host = yield* cluster.startAgent("agent-1")
      const digest = world.digests.digest("sha256", world.bytes("nobody has this", 100))
      for (const [path, code] of [
        [`/v2/demo/none/blobs/${digest}`, "BLOB_UNKNOWN"],
        [`/v2/demo/none/manifests/${digest}`, "MANIFEST_UNKNOWN"],
        ["/v2/demo/none/manifests/latest", "MANIFEST_UNKNOWN"]
      ] as const) {
        for (const registry of [host.url, cluster.proxy]) {
          const response = yield* request(world.client, HttpClientRequest.get(`${registry}${path}`))
          const body = new TextDecoder().decode(yield* bodyBytes(response))
          yield* expectThat(
            response.status === 404,
            `${registry}${path}: ${response.status}, not 404: ${body}`
          )
          yield* expectThat(body.includes(`"${code}"`), `${registry}${path}: no ${code} in ${body}`)
        }
      }
    })
}

const trackerAwayThenBack: Scenario = {
  name: "a pull succeeds although the tracker is away at its start",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startClusterApart(world)
      const host = yield* cluster.startAgent("agent-1")
      const image = yield* pushImage(world, cluster.proxy, "demo/wait", "1", [2 * MiB])
      yield* cluster.tracker.kill
      const pull = yield* Effect.forkScoped(pullImage(world, host.url, image))
      yield* until(
        "the agent noticed that the tracker is away",
        Effect.map(metric(world, host.url, "shoal_tracker_failures_total"), (failures) => failures >= 1)
      )
      yield* cluster.startTracker
      yield* Fiber.join(pull)
    })
}

const diskFull: Scenario = {
  name: "a full disk fails the pull with a reason, and blobs stored before are still served",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const small = yield* pushImage(world, cluster.proxy, "demo/small", "1", [1 * MiB])
      const large = yield* pushImage(world, cluster.proxy, "demo/large", "1", [8 * MiB])
      const tight = yield* cluster.startAgent("agent-1", { faults: { diskRoom: 4 * MiB } })
      yield* pullImage(world, tight.url, small)
      const why = yield* Effect.flip(tight.role.pull(large.repository, largest(large).digest)).pipe(
        Effect.mapError(() => new ScenarioFailed({ message: "8 MiB fitted on a disk with room for 4" }))
      )
      yield* expectThat(
        why.message.includes("full") || why.message.includes("space"),
        `no reason: ${why.message}`
      )
      yield* pullImage(world, tight.url, small)
      yield* tight.stop
      const roomy = yield* cluster.startAgent("agent-1")
      yield* pullImage(world, roomy.url, large)
    })
}

const pushedToAnAgent: Scenario = {
  name: "an image pushed to one agent is pulled at another",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world)
      const forwards = yield* cluster.startAgent("agent-1", {
        config: ({ proxy }) => ({ push: "forward", proxy })
      })
      const other = yield* cluster.startAgent("agent-2")
      const large = new Uint8Array(5 * MiB)
      const refused = yield* request(
        world.client,
        HttpClientRequest.put(`${forwards.url}/v2/demo/fwd/manifests/1`).pipe(
          HttpClientRequest.setBody(HttpBody.uint8Array(large, "application/json"))
        )
      )
      yield* expectThat(refused.status === 413, `a manifest of 5 MiB was answered ${refused.status}, not 413`)
      yield* bodyBytes(refused)
      for (const layers of [[3 * MiB + 5], [2 * MiB, 100_000]]) {
        const image = yield* pushImage(world, forwards.url, "demo/fwd", "1", layers)
        yield* pullImage(world, forwards.url, image)
        // The agent that forwarded the push asks again; another agent may serve its cached tag within its freshness.
        yield* until(
          "the other agent serves what was pushed",
          Effect.as(pullImage(world, other.url, image), true)
        )
      }
    })
}

export const scenarios: ReadonlyArray<Scenario> = [
  ...preheatScenarios,
  ...diskBudgetScenarios,
  ...mirrorScenarios,
  ...arrivingScenarios,
  ...tagScenarios,
  pushedToAnAgent,
  pushThenPullEverywhere,
  joinsLate,
  killedAndResumes,
  originStopped,
  lyingPeer({ corruptPieces: true }, "bytes"),
  lyingPeer({ corruptProofs: true }, "proofs"),
  ...rangedReads,
  diskFull,
  unknownBlob,
  trackerAwayThenBack
]
