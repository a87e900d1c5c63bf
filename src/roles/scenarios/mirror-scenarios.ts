// Decides what must hold of a mirror in every world: a wave of agents costs the upstream one fetch of each blob, whatever
// form of name they ask by; what was fetched is served when the upstream is away, and what was not fails soon.

import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import type { FakeUpstreamState } from "../testing/fake-upstream.ts"
import { fakeUpstream, publishImage } from "../testing/fake-upstream.ts"
import { startHerdCluster } from "./cluster.ts"
import { bodyBytes, expectThat, type PushedImage, pullImage, request } from "./registry-script.ts"
import { MiB, type Scenario } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

/** An upstream that wants tokens and redirects to a store of blobs, known as docker.io. */
const startUpstream = (world: ScenarioWorld) =>
  Effect.gen(function* () {
    // Plain HTTP is for loopback only; in the simulator nothing is encrypted either way.
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
    return { state: role.state, upstream: { name: "docker.io", url: url("registry"), freshness: 0 } }
  })

const publish = (
  world: ScenarioWorld,
  state: FakeUpstreamState,
  repository: string,
  lengths: ReadonlyArray<number>
): PushedImage => {
  const hash = (bytes: Uint8Array) => world.digests.digest("sha256", bytes)
  const layers = lengths.map((length, index) => world.bytes(`${repository}/${index}`, length))
  const image = publishImage(state, hash, repository, "1", layers)
  return {
    repository: `docker.io/${repository}`,
    tag: "1",
    manifest: image.digest,
    layers: layers.map((bytes, index) => ({ bytes, digest: image.layers[index]! }))
  }
}

const status = (world: ScenarioWorld, url: string) =>
  Effect.gen(function* () {
    const response = yield* request(world.client, HttpClientRequest.get(url))
    yield* bodyBytes(response)
    return response.status
  })

const firstWaveOfAMirror: Scenario = {
  name: "a wave of pulls through mirrors fetches each blob of the upstream once",
  run: (world) =>
    Effect.gen(function* () {
      const { state, upstream } = yield* startUpstream(world)
      const cluster = yield* startHerdCluster(world, {}, { upstreams: [upstream] })
      const config = () => ({ mirrors: [upstream], defaultUpstream: "docker.io" })
      const hosts = yield* Effect.forEach(
        ["agent-1", "agent-2", "agent-3"],
        (name) => cluster.startAgent(name, { config }),
        { concurrency: "unbounded" }
      )
      const image = publish(world, state, "library/app", [3 * MiB + 5, 100_000])
      yield* Effect.forEach(hosts, (host) => pullImage(world, host.url, image), {
        concurrency: "unbounded",
        discard: true
      })
      const size = image.layers.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
      yield* expectThat(state.sent === size, `the upstream sent ${state.sent} bytes for ${size} of layers`)

      const bare = { ...image, repository: "library/app" }
      yield* pullImage(world, hosts[0]!.url, bare)
      const byNs = `${hosts[1]!.url}/v2/library/app/manifests/1?ns=docker.io`
      yield* expectThat(
        (yield* status(world, byNs)) === 200,
        "an image that is cached was not found by its ns"
      )
      yield* pullImage(world, cluster.proxy, image)
      yield* expectThat(state.sent === size, "what the cluster had was fetched again")

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

export const mirrorScenarios: ReadonlyArray<Scenario> = [firstWaveOfAMirror]
