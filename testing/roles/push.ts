// Test client for pushes: uploads blobs by POST and PUT, as containerd does, then the manifest.

import { Effect } from "effect"
import type { HttpClientError } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { mediaTypes } from "../../src/roles/oci/manifest.ts"
import { type Exchange, send } from "./exchange.ts"
import type { MemoryWorld } from "./memory-world.ts"

/** Bytes that depend on `seed` and have a long period. */
export const someBytes = (seed: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export const pushBlob = (
  world: MemoryWorld,
  registry: string,
  repository: string,
  bytes: Uint8Array
): Effect.Effect<{ readonly digest: Digest; readonly put: Exchange }, HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const digest = world.digests.digest("sha256", bytes)
    const session = yield* send(world, "POST", `${registry}/v2/${repository}/blobs/uploads/`)
    const put = yield* send(world, "PUT", `${registry}${session.headers.location}?digest=${digest}`, {
      body: bytes
    })
    return { digest, put }
  })

export interface PushedImage {
  readonly manifest: Uint8Array
  readonly digest: Digest
  readonly layer: Digest
  readonly config: Digest
  readonly put: Exchange
}

export const pushImage = (
  world: MemoryWorld,
  registry: string,
  repository: string,
  tag: string,
  seed: number,
  layerBytes = 5000
): Effect.Effect<PushedImage, HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const config = yield* pushBlob(world, registry, repository, new TextEncoder().encode(`{"seed":${seed}}`))
    const layer = yield* pushBlob(world, registry, repository, someBytes(seed, layerBytes))
    // The unusual spacing reveals a registry that serializes the document again.
    const text = `{ "schemaVersion": 2,\n "mediaType": "${mediaTypes.ociManifest}",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "${config.digest}", "size": 10},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "${layer.digest}", "size": ${layerBytes}}] }`
    const manifest = new TextEncoder().encode(text)
    const put = yield* send(world, "PUT", `${registry}/v2/${repository}/manifests/${tag}`, {
      body: manifest,
      headers: { "content-type": mediaTypes.ociManifest }
    })
    const digest = world.digests.digest("sha256", manifest)
    return { manifest, digest, layer: layer.digest, config: config.digest, put }
  })
