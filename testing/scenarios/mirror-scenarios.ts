// Scenarios of mirrors: a flash crowd of agents costs the upstream one fetch of each blob, under any form of the
// name; fetched content is served while the upstream is away, and other content fails soon; an image of an upstream
// can be preheated like one of the cluster.

import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { FakeUpstreamState } from "../roles/fake-upstream.ts"
import { fakeUpstream, publishImage } from "../roles/fake-upstream.ts"
import { startHerdCluster } from "./cluster.ts"
import { preheat, pulledBytes, registeredAgents } from "./preheat-scenarios.ts"
import { bodyBytes, expectThat, type PushedImage, pullImage, request } from "./registry-script.ts"
import { MiB, type Scenario } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

/** An upstream under the name docker.io that requires tokens and redirects to a blob store. */
export const startUpstream = (world: ScenarioWorld) =>
  Effect.gen(function* () {
    // Plain HTTP is allowed for loopback only; the simulator encrypts nothing in either case.
    const scheme = world.kind === "sim" ? "https" : "http"
    const host = world.hostName("upstream")
    const place = (part: string) => ({ host, port: world.port("upstream", part) })
    const url = (part: string) => `${scheme}://${host}:${place(part).port}`
    const { role } = yield* world.start(
      "upstream",
      fakeUpstream({
        registry: place("registry"),
        tokens: place("tokens"),
        blobs: place("blobs"),
        tokensUrl: url("tokens"),
        blobsUrl: url("blobs")
      })
    )
    role.state.auth = "bearer"
    role.state.redirectBlobs = true
    const names = { name: "docker.io", aliases: ["hub.example:5000"] }
    return { state: role.state, upstream: { ...names, url: url("registry"), freshness: 0 } }
  })

export const publish = (
  world: ScenarioWorld,
  state: FakeUpstreamState,
  repository: string,
  lengths: ReadonlyArray<number>
): PushedImage => {
  const layers = lengths.map((length, index) => world.bytes(`${repository}/${index}`, length))
  const image = publishImage(state, repository, "1", layers)
  return {
    repository: `docker.io/${repository}`,
    tag: "1",
    manifest: image.digest,
    layers: layers.map((bytes) => ({ bytes, digest: world.digests.digest("sha256", bytes) }))
  }
}

const status = (world: ScenarioWorld, url: string) =>
  Effect.gen(function* () {
    const response = yield* request(world.client, HttpClientRequest.get(url))
    yield* bodyBytes(response)
    return response.status
  })

const flashCrowdOfAMirror: Scenario = {
  name: "a flash crowd of pulls through mirrors fetches each blob of the upstream once",
  run: (world) =>
    Effect.gen(function* () {
      const { state, upstream } = yield* startUpstream(world)
      const cluster = yield* startHerdCluster(world, {}, { upstreams: [upstream] })
      const config = () => ({ mirrors: [upstream], defaultUpstream: "docker.io" })
      const start = (name: string) => cluster.startAgent(name, { config })
      const hosts = yield* Effect.all([start("agent-1"), start("agent-2"), start("agent-3")], {
        concurrency: "unbounded"
      })
      const [first, second] = hosts
      const image = publish(world, state, "library/app", [3 * MiB + 5, 100_000])
      yield* Effect.forEach(hosts, (host) => pullImage(world, host.url, image), {
        concurrency: "unbounded",
        discard: true
      })
      const size = image.layers.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
      yield* expectThat(state.sent === size, `the upstream sent ${state.sent} bytes for ${size} of layers`)

      const bare = { ...image, repository: "library/app" }
      yield* pullImage(world, first.url, bare)
      const byNs = `${second.url}/v2/library/app/manifests/1?ns=docker.io`
      yield* expectThat(
        (yield* status(world, byNs)) === 200,
        "an image that is cached was not found by its ns"
      )
      yield* pullImage(world, cluster.proxy, image)
      yield* expectThat(state.sent === size, "a blob that the cluster had was fetched again")

      state.failing = { status: 429, headers: { "retry-after": "600" } }
      const late = yield* cluster.startAgent("agent-late", { config })
      yield* pullImage(world, late.url, image)
      const cached = yield* request(
        world.client,
        HttpClientRequest.head(`${late.url}/v2/library/app/manifests/1?ns=docker.io`)
      )
      yield* expectThat(/^\d+$/.test(cached.headers.age ?? ""), "a tag that cannot be checked has no Age")
      for (const unknown of ["library/app/manifests/2?ns=docker.io", "library/app/manifests/1?ns=quay.io"]) {
        const answered = yield* status(world, `${late.url}/v2/${unknown}`)
        yield* expectThat(answered === 404 || answered === 503, `${unknown} was answered ${answered}`)
      }
    })
}

/** Publishes an index of images of the upstream, each for an architecture. */
const publishIndex = (
  world: ScenarioWorld,
  state: FakeUpstreamState,
  repository: string,
  images: Readonly<Record<string, PushedImage>>
): Digest => {
  const mediaType = "application/vnd.oci.image.index.v1+json"
  const manifests = Object.entries(images).map(([architecture, { manifest: digest }]) => {
    const { bytes, mediaType } = state.manifests.get(`${repository} ${digest}`)!
    return { mediaType, digest, size: bytes.byteLength, platform: { os: "linux", architecture } }
  })
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  const digest = world.digests.digest("sha256", bytes)
  state.manifests.set(`${repository} ${digest}`, { bytes, mediaType })
  state.tags.set(`${repository} 1`, digest)
  return digest
}

const preheatedMirror: Scenario = {
  name: "an image of an upstream is preheated by its name, for the requested platform",
  run: (world) =>
    Effect.gen(function* () {
      const { state, upstream } = yield* startUpstream(world)
      const cluster = yield* startHerdCluster(world, {}, { upstreams: [upstream] })
      const agents = yield* registeredAgents(world, cluster, { one: "a", two: "a" }, { mirrors: [upstream] })
      const asked = publish(world, state, "library/heat", [2 * MiB + 5, 100_000])
      const wanted = [...state.blobs.values()]
      const other = publish(world, state, "library/heat", [3 * MiB])
      const manifest = publishIndex(world, state, "library/heat", { amd64: asked, arm64: other })

      const order = { image: "hub.example:5000/library/heat:1", platforms: ["linux/amd64"] }
      const told = yield* preheat(world, cluster, order)
      yield* expectThat(
        told.state === "done" && told.agents.done === 2 && told.contents === 5,
        `an index, its manifest, a config and two layers at two agents: ${JSON.stringify(told)}`
      )
      const size = wanted.reduce((sum, { byteLength }) => sum + byteLength, 0)
      yield* expectThat(
        state.sent === size,
        `the upstream sent ${state.sent} bytes for ${size} of a platform`
      )

      state.failing = { status: 503 }
      const downloaded = yield* pulledBytes(world, agents, { ...asked, manifest })
      yield* expectThat(
        downloaded.every((bytes) => bytes === 0),
        `pulls after the preheat downloaded ${downloaded} bytes`
      )
      const unknown = HttpClientRequest.post(`${cluster.proxy}/preheat`).pipe(
        HttpClientRequest.bodyJsonUnsafe({ image: "docker.io/library/none:1" })
      )
      for (const [failing, status] of [
        [{ status: 503 }, 503],
        [undefined, 404]
      ] as const) {
        state.failing = failing
        const refused = yield* request(world.client, unknown)
        const why = new TextDecoder().decode(yield* bodyBytes(refused))
        yield* expectThat(refused.status === status, `an unknown image: ${refused.status}: ${why}`)
      }
    })
}

export const mirrorScenarios: ReadonlyArray<Scenario> = [flashCrowdOfAMirror, preheatedMirror]
