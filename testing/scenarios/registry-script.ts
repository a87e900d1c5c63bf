// Container client of the scenarios: pushes and pulls small images by plain HTTP, and checks every digest itself. It
// knows the registry API as a client does, and no role.

import { Data, Effect, Stream } from "effect"
import { HttpBody, type HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { ScenarioWorld } from "./world.ts"

/** An expectation of a scenario that did not hold. */
export class ScenarioFailed extends Data.TaggedError("ScenarioFailed")<{ readonly message: string }> {}

export const expectThat = (condition: boolean, message: string): Effect.Effect<void, ScenarioFailed> =>
  condition ? Effect.void : Effect.fail(new ScenarioFailed({ message }))

export interface PushedLayer {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

export interface PushedImage<Layers extends ReadonlyArray<unknown> = ReadonlyArray<unknown>> {
  readonly repository: string
  readonly tag: string
  readonly manifest: Digest
  readonly layers: { readonly [Index in keyof Layers]: PushedLayer }
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

export const request = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientResponse.HttpClientResponse, ScenarioFailed> =>
  Effect.mapError(
    client.execute(request),
    (error) => new ScenarioFailed({ message: `${request.method} ${request.url}: ${error.message}` })
  )

export const bodyBytes = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Uint8Array, ScenarioFailed> =>
  Stream.mkUint8Array(response.stream).pipe(
    Effect.mapError((error) => new ScenarioFailed({ message: `reading a body failed: ${error.message}` }))
  )

const expectStatus = (
  response: HttpClientResponse.HttpClientResponse,
  status: number,
  what: string
): Effect.Effect<void, ScenarioFailed> =>
  response.status === status
    ? Effect.void
    : Effect.flatMap(
        Effect.orElseSucceed(bodyBytes(response), () => new Uint8Array()),
        (body) =>
          new ScenarioFailed({
            message: `${what}: ${response.status} instead of ${status}: ${new TextDecoder().decode(body)}`
          })
      )

/** Pushes a blob as skopeo does: a session, one PATCH without Content-Range, a PUT with the digest. */
export const pushBlob = (
  world: ScenarioWorld,
  registry: string,
  repository: string,
  bytes: Uint8Array
): Effect.Effect<Digest, ScenarioFailed> =>
  Effect.gen(function* () {
    const digest = world.digests.digest("sha256", bytes)
    const opened = yield* request(
      world.client,
      HttpClientRequest.post(`${registry}/v2/${repository}/blobs/uploads/`)
    )
    yield* expectStatus(opened, 202, "opening an upload")
    const location = (from: HttpClientResponse.HttpClientResponse) => `${registry}${from.headers.location}`
    const patched = yield* request(
      world.client,
      HttpClientRequest.patch(location(opened)).pipe(
        HttpClientRequest.setBody(HttpBody.uint8Array(bytes, "application/octet-stream"))
      )
    )
    yield* expectStatus(patched, 202, "sending a blob")
    const target = location(patched)
    const committed = yield* request(
      world.client,
      HttpClientRequest.put(
        `${target}${target.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`
      )
    )
    yield* expectStatus(committed, 201, "committing a blob")
    return digest
  })

/** Pushes an image with layers of these lengths; their content depends on the tag. */
export const pushImage = <const Lengths extends ReadonlyArray<number>>(
  world: ScenarioWorld,
  registry: string,
  repository: string,
  tag: string,
  layerLengths: Lengths
): Effect.Effect<PushedImage<Lengths>, ScenarioFailed> =>
  Effect.gen(function* () {
    const layers: Array<PushedLayer> = []
    for (const [index, length] of layerLengths.entries()) {
      const bytes = world.bytes(`${repository}:${tag}/${index}`, length)
      layers.push({ digest: yield* pushBlob(world, registry, repository, bytes), bytes })
    }
    const config = new TextEncoder().encode(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, tag })
    )
    const configDigest = yield* pushBlob(world, registry, repository, config)
    const manifest = new TextEncoder().encode(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config: {
          mediaType: "application/vnd.oci.image.config.v1+json",
          digest: configDigest,
          size: config.byteLength
        },
        layers: layers.map(({ digest, bytes }) => ({
          mediaType: "application/vnd.oci.image.layer.v1.tar",
          digest,
          size: bytes.byteLength
        }))
      })
    )
    const put = yield* request(
      world.client,
      HttpClientRequest.put(`${registry}/v2/${repository}/manifests/${tag}`).pipe(
        HttpClientRequest.setBody(HttpBody.uint8Array(manifest, manifestType))
      )
    )
    yield* expectStatus(put, 201, "pushing a manifest")
    return {
      repository,
      tag,
      manifest: world.digests.digest("sha256", manifest),
      layers: layers as PushedImage<Lengths>["layers"]
    }
  })

/** Pulls an image by its tag, as docker does, and checks all digests. */
export const pullImage = (
  world: ScenarioWorld,
  registry: string,
  image: PushedImage
): Effect.Effect<void, ScenarioFailed> =>
  Effect.gen(function* () {
    const response = yield* request(
      world.client,
      HttpClientRequest.get(`${registry}/v2/${image.repository}/manifests/${image.tag}`)
    )
    yield* expectStatus(response, 200, `manifest of ${image.repository}:${image.tag} from ${registry}`)
    const manifest = world.digests.digest("sha256", yield* bodyBytes(response))
    yield* expectThat(manifest === image.manifest, `the tag gave ${manifest}, not ${image.manifest}`)
    yield* Effect.forEach(
      image.layers,
      (layer) => pullBlob(world, registry, image.repository, layer.digest),
      {
        concurrency: 3,
        discard: true
      }
    )
  })

export const pullBlob = (
  world: ScenarioWorld,
  registry: string,
  repository: string,
  digest: Digest
): Effect.Effect<void, ScenarioFailed> =>
  Effect.gen(function* () {
    const response = yield* request(
      world.client,
      HttpClientRequest.get(`${registry}/v2/${repository}/blobs/${digest}`)
    )
    yield* expectStatus(response, 200, `blob ${digest} from ${registry}`)
    const got = world.digests.digest("sha256", yield* bodyBytes(response))
    yield* expectThat(got === digest, `the blob's bytes are ${got}, not ${digest}`)
  })

/** The sum of the series of a role's /metrics that have all given labels; 0 without a series. */
export const metric = (
  world: ScenarioWorld,
  host: string,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): Effect.Effect<number, ScenarioFailed> =>
  Effect.gen(function* () {
    const response = yield* request(world.client, HttpClientRequest.get(`${host}/metrics`))
    const text = new TextDecoder().decode(yield* bodyBytes(response))
    let total = 0
    for (const line of text.split("\n")) {
      if (!line.startsWith(name)) continue
      if (!Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`))) continue
      const after = line[name.length]
      if (after === "{" || after === " ") total += Number(line.slice(line.lastIndexOf(" ") + 1))
    }
    return total
  })
