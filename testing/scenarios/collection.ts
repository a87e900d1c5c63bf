// Scenarios of collection that take hours or many seeds, so only the simulator runs them: what is collected, what is
// kept, and pushes, mounts and deletions that race with the collectors. They run in any world.

import { Effect, Random } from "effect"
import { HttpBody, HttpClientRequest } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { agent } from "../../src/roles/agent/agent.ts"
import { agentConfig } from "../../src/roles/agent/config.ts"
import { buildIndex } from "../../src/roles/build-index/build-index.ts"
import { buildIndexConfig } from "../../src/roles/build-index/config.ts"
import { originConfig } from "../../src/roles/origin/config.ts"
import { origin } from "../../src/roles/origin/origin.ts"
import { proxyConfig } from "../../src/roles/proxy/config.ts"
import { proxy } from "../../src/roles/proxy/proxy.ts"
import { trackerConfig } from "../../src/roles/tracker/config.ts"
import { tracker } from "../../src/roles/tracker/tracker.ts"
import {
  bodyBytes,
  expectThat,
  pullBlob,
  pullImage,
  pushBlob,
  pushImage,
  request
} from "./registry-script.ts"
import type { ScenarioWorld } from "./world.ts"

const imageType = "application/vnd.oci.image.manifest.v1+json"
const indexType = "application/vnd.oci.image.index.v1+json"

/** Starts three origins, two build-indexes and a proxy, which collect on request only. */
const startCluster = (world: ScenarioWorld, grace: number) =>
  Effect.gen(function* () {
    const listen = (name: string, kind = "http") => ({
      host: world.hostName(name),
      port: world.port(name, kind)
    })
    const url = (name: string) => `http://${world.hostName(name)}:${world.port(name, "http")}`
    const origins = [url("origin-1"), url("origin-2"), url("origin-3")] as const
    const buildIndexes = [url("index-1"), url("index-2")] as const
    const startIndex = (name: string) =>
      world.start(name, buildIndex(buildIndexConfig({ data: name, http: listen(name), collect: { grace } })))
    const indexes = { first: yield* startIndex("index-1"), second: yield* startIndex("index-2") }
    for (const name of ["origin-1", "origin-2", "origin-3"]) {
      const seat = { data: name, peer: listen(name, "peer"), http: listen(name) }
      const config = originConfig({ ...seat, origins, self: url(name), buildIndexes, collect: { grace } })
      yield* world.start(name, origin(config))
    }
    yield* world.start("tracker", tracker(trackerConfig({ http: listen("tracker"), origins })))
    yield* world.start(
      "proxy",
      proxy(proxyConfig({ data: "proxy", registry: listen("proxy"), origins, buildIndexes }))
    )
    yield* world.start(
      "agent",
      agent(
        agentConfig({
          ...{ data: "agent", peer: listen("agent", "peer"), registry: listen("agent") },
          ...{ trackers: [url("tracker")], buildIndexes, freshness: 1 }
        })
      )
    )
    const post = (role: string) =>
      Effect.gen(function* () {
        const answer = yield* request(world.client, HttpClientRequest.post(`${role}/collect`))
        return { status: answer.status, text: new TextDecoder().decode(yield* bodyBytes(answer)) }
      })
    const collectOrigins = Effect.forEach(origins, post)
    const collectAll = Effect.andThen(Effect.forEach(buildIndexes, post), collectOrigins)
    const startSecond = startIndex("index-2")
    return { proxy: url("proxy"), agent: url("agent"), indexes, startSecond, collectOrigins, collectAll }
  })

const send = (world: ScenarioWorld, method: "HEAD" | "GET" | "DELETE" | "POST", url: string) =>
  Effect.gen(function* () {
    const answer = yield* request(world.client, HttpClientRequest.make(method)(url))
    yield* bodyBytes(answer)
    return answer.status
  })

const putManifest = (
  world: ScenarioWorld,
  registry: string,
  repository: string,
  name: string,
  json: object
) =>
  Effect.gen(function* () {
    const bytes = new TextEncoder().encode(JSON.stringify(json))
    const type = "manifests" in json ? indexType : imageType
    const put = HttpClientRequest.put(`${registry}/v2/${repository}/manifests/${name}`).pipe(
      HttpClientRequest.setBody(HttpBody.uint8Array(bytes, type))
    )
    const answer = yield* request(world.client, put)
    const why = new TextDecoder().decode(yield* bodyBytes(answer))
    yield* expectThat(
      answer.status === 201,
      `a manifest for ${repository} was answered ${answer.status}: ${why}`
    )
    return { digest: world.digests.digest("sha256", bytes), size: bytes.byteLength }
  })

const described = (mediaType: string, digest: Digest, size: number) => ({ mediaType, digest, size })
const layerType = "application/vnd.oci.image.layer.v1.tar"

/** Some hours of a cluster: deleted content is collected after the grace, and nothing else is. */
export const collectionStory = (world: ScenarioWorld) =>
  Effect.gen(function* () {
    const cluster = yield* startCluster(world, 3600)
    const repository = "demo/app"
    const kept = yield* pushImage(world, cluster.proxy, repository, "kept", [5000])
    const doomed = yield* pushImage(world, cluster.proxy, repository, "doomed", [7000])
    const blobOf = (registry: string, digest: Digest) => `${registry}/v2/${repository}/blobs/${digest}`
    // An index within an index, and a referrer of the outer one.
    const deep = yield* pushBlob(world, cluster.proxy, repository, world.bytes("deep", 900))
    const layers = [described(layerType, deep, 900)]
    const config = described("application/vnd.oci.image.config.v1+json", deep, 900)
    const image = { schemaVersion: 2, mediaType: imageType, config, layers }
    const leaf = yield* putManifest(world, cluster.proxy, repository, "leaf", image)
    const inner = {
      schemaVersion: 2,
      mediaType: indexType,
      manifests: [described(imageType, leaf.digest, leaf.size)]
    }
    const nested = yield* putManifest(world, cluster.proxy, repository, "inner", inner)
    const outer = { ...inner, manifests: [described(indexType, nested.digest, nested.size)] }
    const whole = yield* putManifest(world, cluster.proxy, repository, "outer", outer)
    const signed = yield* pushBlob(world, cluster.proxy, repository, world.bytes("signature", 300))
    const subject = described(indexType, whole.digest, whole.size)
    const signature = { ...image, config: described("a/b", signed, 300), layers: [], subject }
    const referrer = yield* putManifest(world, cluster.proxy, repository, "signature", signature)
    for (const tag of ["leaf", "inner", "signature"]) {
      yield* send(world, "DELETE", `${cluster.proxy}/v2/${repository}/manifests/${tag}`)
    }
    yield* pullImage(world, cluster.agent, doomed)
    yield* send(world, "DELETE", `${cluster.proxy}/v2/${repository}/manifests/${doomed.manifest}`)
    yield* Effect.sleep("2 hours")
    const fresh = yield* pushBlob(world, cluster.proxy, repository, world.bytes("not yet named", 400))
    // While one build-index is away nothing is collected, whatever the other one answers.
    yield* cluster.indexes.second.kill
    const refused = yield* cluster.collectOrigins
    yield* expectThat(
      refused.every(({ status }) => status === 503),
      `without a build-index: ${refused.map(({ status }) => status).join()}`
    )
    yield* cluster.startSecond
    const reports = yield* cluster.collectAll
    const gone = new Set(reports.flatMap(({ text }) => JSON.parse(text).gone as ReadonlyArray<string>))
    const layer = doomed.layers[0].digest
    for (const digest of [layer, doomed.manifest]) {
      yield* expectThat(
        [...gone].some((line) => line.startsWith(digest)),
        `${digest} was not collected: ${[...gone].join()}`
      )
    }
    yield* expectThat(
      gone.size === 3,
      `a layer, its config and its manifest must be collected, not ${[...gone].join()}`
    )
    for (const registry of [cluster.proxy, cluster.agent]) {
      const status = yield* send(world, "GET", blobOf(registry, layer))
      yield* expectThat(status === 404, `${registry} answers ${status} for collected content`)
      yield* pullImage(world, registry, kept)
      for (const digest of [leaf.digest, nested.digest, whole.digest, referrer.digest]) {
        const found = yield* send(world, "GET", `${registry}/v2/${repository}/manifests/${digest}`)
        yield* expectThat(found === 200, `${registry} answers ${found} for ${digest}`)
      }
      for (const digest of [deep, signed, fresh]) yield* pullBlob(world, registry, repository, digest)
    }
  })

/** Seconds; the shortest grace that an origin accepts. */
const raceGrace = 20

/**
 * Workers push, mount and delete the same few blobs in repositories of their own, while a collection runs during
 * every step. Content that was acknowledged to a worker is readable until that worker deletes it. Returns how many
 * blobs were collected.
 */
export const collectionRace = (world: ScenarioWorld, workers: number, rounds: number) =>
  Effect.gen(function* () {
    const cluster = yield* startCluster(world, raceGrace)
    const contents = [0, 1, 2, 3, 4].map((index) => {
      const bytes = world.bytes(`race ${index}`, 500 + index)
      return { bytes, digest: world.digests.digest("sha256", bytes) }
    })
    const readable = (repository: string, acknowledged: ReadonlyMap<Digest, ReadonlyArray<Digest>>) =>
      Effect.forEach(
        acknowledged,
        ([manifest, blobs]) =>
          Effect.gen(function* () {
            const status = yield* send(
              world,
              "GET",
              `${cluster.proxy}/v2/${repository}/manifests/${manifest}`
            )
            yield* expectThat(status === 200, `${repository}@${manifest} was acknowledged and is ${status}`)
            for (const blob of blobs) yield* pullBlob(world, cluster.proxy, repository, blob)
          }),
        { discard: true }
      )

    const chance = (below: number) => Random.nextIntBetween(0, below - 1)
    const someContent = Effect.map(chance(contents.length), (index) => contents[index]!)

    let removed = 0
    const collection = Effect.gen(function* () {
      for (const { status, text } of yield* cluster.collectAll) {
        yield* expectThat(status === 200, `a collection was answered ${status}: ${text}`)
        removed += JSON.parse(text).blobs
      }
    })

    /**
     * Starts the step and a collection within a few milliseconds of each other, so that they interleave in any way.
     */
    const duringCollection = <A, E, R>(step: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const collecting = Effect.andThen(Effect.sleep(`${yield* chance(30)} millis`), collection)
        const waiting = Effect.andThen(Effect.sleep(`${yield* chance(30)} millis`), step)
        return (yield* Effect.all([waiting, collecting], { concurrency: "unbounded" }))[0]
      })

    /** Gives a worker's repository a blob: finds it there, mounts it, or pushes it. */
    const bring = (index: number, { bytes, digest }: (typeof contents)[number]) =>
      Effect.gen(function* () {
        const repository = `race/worker-${index}`
        const base = `${cluster.proxy}/v2/${repository}/blobs`
        const how = yield* chance(3)
        if (how === 0 && (yield* send(world, "HEAD", `${base}/${digest}`)) === 200) return
        const from = `race/worker-${yield* chance(workers)}`
        const mount = `${base}/uploads/?mount=${digest}&from=${from}`
        if (how < 2 && (yield* send(world, "POST", mount)) === 201) return
        yield* pushBlob(world, cluster.proxy, repository, bytes)
      })

    const worker = (index: number) =>
      Effect.gen(function* () {
        const repository = `race/worker-${index}`
        const base = `${cluster.proxy}/v2/${repository}`
        const acknowledged = new Map<Digest, ReadonlyArray<Digest>>()
        for (let round = 0; round < rounds; round++) {
          const config = yield* someContent
          const chosen = [...new Set([config, yield* someContent])]
          for (const content of chosen) yield* duringCollection(bring(index, content))
          yield* Effect.sleep(`${yield* chance(5)} seconds`)
          const blobs = chosen.map(({ digest }) => digest)
          const named = ({ bytes, digest }: (typeof contents)[number]) =>
            described(layerType, digest, bytes.byteLength)
          const json = {
            schemaVersion: 2,
            mediaType: imageType,
            config: named(config),
            layers: chosen.map(named),
            annotations: { index: `${index}` }
          }
          const put = putManifest(world, cluster.proxy, repository, "latest", json)
          const { digest } = yield* duringCollection(put)
          acknowledged.set(digest, blobs)
          yield* Effect.sleep(`${yield* chance(40)} seconds`)
          yield* readable(repository, acknowledged)
          if ((yield* chance(3)) === 0) continue
          for (const manifest of acknowledged.keys())
            yield* send(world, "DELETE", `${base}/manifests/${manifest}`)
          acknowledged.clear()
          if ((yield* chance(2)) === 0) {
            for (const { digest } of contents) yield* send(world, "DELETE", `${base}/blobs/${digest}`)
          }
          yield* Effect.sleep(`${yield* chance(60)} seconds`)
        }
        yield* readable(repository, acknowledged)
      })

    const indexes = Array.from({ length: workers }, (_, index) => index)
    yield* Effect.forEach(indexes, worker, { concurrency: "unbounded", discard: true })
    return removed
  })
