// Scenarios of a blob that its origin is still receiving from an upstream: clients read it while it arrives; the whole
// digest decides in the end; and everything that can end an arrival early ends the responses, and nothing is kept.

import { Deferred, Effect, Fiber, type Scope } from "effect"
import { HttpClientRequest } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import type { FakeUpstreamState } from "../roles/fake-upstream.ts"
import { type Cluster, type RunningAgent, startHerdCluster } from "./cluster.ts"
import { publish, startUpstream } from "./mirror-scenarios.ts"
import { nothingUnderway, readRange, readSome } from "./ranged-reads.ts"
import {
  bodyBytes,
  expectThat,
  metric,
  type PushedImage,
  pullBlob,
  request,
  type ScenarioFailed
} from "./registry-script.ts"
import { largest, MiB, received, type Scenario, storedPieces, until } from "./scenario.ts"
import type { ScenarioFaults, ScenarioHost, ScenarioWorld } from "./world.ts"

const size = 8 * MiB + 5

/** Bytes after which the upstream stops until it is told to go on, and bytes that are sure to get through before. */
const halfway = 5 * MiB
const before = 3 * MiB

/** A place in every body of the upstream at which it stops. */
const makeGate = (state: FakeUpstreamState) =>
  Effect.map(Deferred.make<void>(), (gate) => {
    const from = state.sent
    state.hold = Effect.suspend(() => (state.sent - from < halfway ? Effect.void : Deferred.await(gate)))
    return { open: Deferred.succeed(gate, undefined) }
  })

interface ColdBlob {
  readonly repository: string
  readonly digest: Digest
}

interface Mirrored {
  readonly state: FakeUpstreamState
  readonly hosts: ReadonlyArray<RunningAgent>
  readonly startAgent: (name: string, faults?: ScenarioFaults) => ReturnType<Cluster["startAgent"]>
  readonly image: PushedImage
  readonly blob: ColdBlob
  /** The host of the origin and the tracker. */
  readonly herd: ScenarioHost
  readonly startHerd: Effect.Effect<unknown, HostProgramError, Scope.Scope>
}

/** A herd that mirrors, with agents that know an image whose layer nobody has yet. */
const mirrored = (world: ScenarioWorld, names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { state, upstream } = yield* startUpstream(world)
    const startHerd = startHerdCluster(world, {}, { upstreams: [upstream] })
    const cluster = yield* startHerd
    const startAgent = (name: string, faults: ScenarioFaults = {}) =>
      cluster.startAgent(name, { faults, config: () => ({ mirrors: [upstream] }) })
    const hosts = yield* Effect.forEach(names, (name) => startAgent(name), { concurrency: "unbounded" })
    const image = publish(world, state, "library/cold", [size])
    for (const host of hosts) yield* manifestOf(world, host, image)
    const blob = { repository: image.repository, digest: largest(image).digest }
    const { herd } = cluster
    const found: Mirrored = { state, hosts, startAgent, image, blob, herd, startHerd }
    return found
  })

const manifestOf = (world: ScenarioWorld, host: RunningAgent, image: PushedImage) =>
  Effect.flatMap(
    request(world.client, HttpClientRequest.get(`${host.url}/v2/${image.repository}/manifests/1`)),
    bodyBytes
  )

/** Bytes of a response that ended, and whether it ended as announced. */
const readToEnd = (world: ScenarioWorld, host: RunningAgent, { repository, digest }: ColdBlob) =>
  Effect.flatMap(
    request(world.client, HttpClientRequest.get(`${host.url}/v2/${repository}/blobs/${digest}`)),
    bodyBytes
  )

const whenStored = (world: ScenarioWorld, host: RunningAgent) =>
  until(
    "pieces of a blob that is not whole anywhere",
    Effect.map(storedPieces(world, host.url), (stored) => stored >= before / (256 * 1024))
  )

const isWrong = (read: Effect.Effect<Uint8Array, ScenarioFailed>) =>
  Effect.match(read, {
    onSuccess: (bytes) => bytes.byteLength < size,
    onFailure: () => true
  })

/** What an agent and the origin keep is right: the blob comes again, from an upstream that is honest now. */
const pulledAnew = (world: ScenarioWorld, { state, hosts, image }: Mirrored) =>
  Effect.gen(function* () {
    // A blob that could not be fetched is not asked for again for a moment.
    yield* until(
      "the blob is fetched again",
      Effect.as(pullBlob(world, hosts[0]!.url, image.repository, largest(image).digest), true)
    )
    state.failing = { status: 503 }
    yield* pullBlob(world, hosts[0]!.url, image.repository, largest(image).digest)
  })

const readWhileItArrives: Scenario = {
  name: "a cold mirrored blob is read by clients of several agents while it arrives, and once from the upstream",
  run: (world) =>
    Effect.gen(function* () {
      const all = yield* mirrored(world, ["agent-1", "agent-2", "agent-3"])
      const { state, hosts, image, blob, startAgent } = all
      const gate = yield* makeGate(state)
      const { bytes } = largest(image)
      const pulls = yield* Effect.forEach(hosts.slice(1), ({ url }) =>
        Effect.forkScoped(pullBlob(world, url, blob.repository, blob.digest))
      )
      const first = yield* readSome(world, hosts[0]!.url, blob, undefined, before)
      yield* expectThat(
        world.digests.digest("sha256", first.bytes) ===
          world.digests.digest("sha256", bytes.subarray(0, before)),
        "the bytes of a blob that arrives are not the blob's"
      )
      const part = yield* readRange(world, hosts[0]!.url, blob, MiB + 5, 2 * MiB)
      yield* expectThat(
        world.digests.digest("sha256", part.bytes) ===
          world.digests.digest("sha256", bytes.subarray(MiB + 5, 2 * MiB)),
        "a range of a blob that arrives is not the blob's"
      )
      yield* whenStored(world, hosts[1]!)
      // The client that hung up changes nothing for others.
      yield* nothingUnderway(world, hosts[0]!.url)
      yield* gate.open
      for (const pull of pulls) yield* Fiber.join(pull)
      yield* pullBlob(world, hosts[0]!.url, blob.repository, blob.digest)
      const sizes = image.layers.reduce((sum, layer) => sum + layer.bytes.byteLength, 0)
      yield* expectThat(state.sent === sizes, `the upstream sent ${state.sent} bytes of ${sizes}`)
      const late = yield* startAgent("agent-late")
      state.failing = { status: 503 }
      yield* pullBlob(world, late.url, blob.repository, blob.digest)
      for (const host of hosts) yield* pullBlob(world, host.url, blob.repository, blob.digest)
      const fromAgents = yield* received(world, late.url, "agent")
      yield* expectThat(fromAgents > 0, "agents that downloaded a blob while it arrived do not seed it")
    })
}

const wrongBytes: Scenario = {
  name: "a blob that arrives with wrong bytes breaks off before its end, and is kept nowhere",
  run: (world) =>
    Effect.gen(function* () {
      const all = yield* mirrored(world, ["agent-1", "agent-2"])
      const { state, hosts, blob } = all
      state.corrupt = true
      const gate = yield* makeGate(state)
      const reads = yield* Effect.forEach(hosts, (host) =>
        Effect.forkScoped(isWrong(readToEnd(world, host, blob)))
      )
      for (const host of hosts) yield* whenStored(world, host)
      yield* gate.open
      for (const read of reads) {
        yield* expectThat(yield* Fiber.join(read), "wrong bytes were served to the end")
      }
      for (const host of hosts) yield* nothingUnderway(world, host.url)
      state.corrupt = false
      yield* pulledAnew(world, all)
    })
}

const breaksOff: Scenario = {
  name: "a blob whose upstream breaks off for good ends the responses, and comes whole when it is back",
  run: (world) =>
    Effect.gen(function* () {
      const all = yield* mirrored(world, ["agent-1", "agent-2"])
      const { state, hosts, blob } = all
      const gate = yield* makeGate(state)
      state.breakOff = { after: halfway + MiB, times: 1 }
      const reads = yield* Effect.forEach(hosts, (host) =>
        Effect.forkScoped(isWrong(readToEnd(world, host, blob)))
      )
      for (const host of hosts) yield* whenStored(world, host)
      state.blobsFailing = { status: 404 }
      yield* gate.open
      for (const read of reads) {
        yield* expectThat(yield* Fiber.join(read), "a blob that never arrived was served to the end")
      }
      state.blobsFailing = undefined
      yield* pulledAnew(world, all)
    })
}

const originKilled: Scenario = {
  name: "an origin that is killed while a blob arrives ends the responses, and fetches it again",
  run: (world) =>
    Effect.gen(function* () {
      const all = yield* mirrored(world, ["agent-1", "agent-2"])
      const { state, hosts, blob, herd, startHerd } = all
      const gate = yield* makeGate(state)
      const reads = yield* Effect.forEach(hosts, (host) =>
        Effect.forkScoped(isWrong(readToEnd(world, host, blob)))
      )
      for (const host of hosts) yield* whenStored(world, host)
      yield* herd.kill
      yield* gate.open
      yield* startHerd
      for (const read of reads) {
        yield* expectThat(yield* Fiber.join(read), "a blob that never arrived was served to the end")
      }
      yield* pulledAnew(world, all)
    })
}

const lyingNeighbour: Scenario = {
  name: "a peer that sends wrong pieces of a blob that arrives is banned, and the others get the right ones",
  run: (world) =>
    Effect.gen(function* () {
      const all = yield* mirrored(world, ["agent-1", "agent-2"])
      const { state, hosts, startAgent, blob, image } = all
      const gate = yield* makeGate(state)
      const liar = yield* startAgent("agent-liar", { corruptPieces: true })
      yield* manifestOf(world, liar, image)
      const wanted = yield* Effect.forkScoped(Effect.ignore(liar.role.pull(blob.repository, blob.digest)))
      yield* whenStored(world, liar)
      const pulls = yield* Effect.forEach(hosts, ({ url }) =>
        Effect.forkScoped(pullBlob(world, url, blob.repository, blob.digest))
      )
      for (const host of hosts) yield* whenStored(world, host)
      yield* gate.open
      for (const pull of pulls) yield* Fiber.join(pull)
      yield* Fiber.join(wanted)
      let banned = 0
      for (const { url } of hosts) banned += yield* metric(world, url, "shoal_peers_banned_total")
      yield* expectThat(banned >= 1, "nobody banned the peer that sent wrong pieces")
    })
}

export const arrivingScenarios: ReadonlyArray<Scenario> = [
  readWhileItArrives,
  wrongBytes,
  breaksOff,
  originKilled,
  lyingNeighbour
]
