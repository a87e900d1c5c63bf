// A small registry client for tests that need no real one: pushes an image of generated layers, and pulls a blob
// while counting and hashing the bytes.

import { createHash } from "node:crypto"
import { sha256 } from "./deterministic-bytes.ts"

const expectStatus = async (response: Response, status: number): Promise<Response> => {
  if (response.status === status) return response
  throw new Error(`${response.url} answers ${response.status}, not ${status}: ${await response.text()}`)
}

/** Uploads a blob. Returns its digest. */
export const pushBlob = async (registry: string, repository: string, bytes: Uint8Array): Promise<string> => {
  const digest = sha256(bytes)
  const begun = await fetch(`http://${registry}/v2/${repository}/blobs/uploads/`, { method: "POST" })
  await expectStatus(begun, 202)
  const place = new URL(begun.headers.get("location") ?? "", `http://${registry}`)
  place.searchParams.set("digest", digest)
  const put = await fetch(place, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: Buffer.from(bytes)
  })
  await expectStatus(put, 201)
  return digest
}

export interface PushedImage<Layers extends ReadonlyArray<unknown> = ReadonlyArray<unknown>> {
  readonly manifestDigest: string
  /** The digest of each layer. */
  readonly layers: { readonly [Index in keyof Layers]: string }
}

/** Pushes an image of these layers under a tag. */
export const pushImage = async <const Layers extends ReadonlyArray<Uint8Array>>(
  registry: string,
  repository: string,
  tag: string,
  layers: Layers
): Promise<PushedImage<Layers>> => {
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers" } })
  )
  const blob = async (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: await pushBlob(registry, repository, bytes),
    size: bytes.length
  })
  const mediaType = "application/vnd.oci.image.manifest.v1+json"
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: await blob("application/vnd.oci.image.config.v1+json", config),
      layers: await Promise.all(layers.map((bytes) => blob("application/vnd.oci.image.layer.v1.tar", bytes)))
    })
  )
  const put = await fetch(`http://${registry}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": mediaType },
    body: manifest
  })
  await expectStatus(put, 201)
  const digests = layers.map(sha256)
  return { manifestDigest: sha256(manifest), layers: digests as PushedImage<Layers>["layers"] }
}

/** Pulls a blob to its end. Returns the digest of the bytes, which the caller compares. */
export const pullBlob = async (registry: string, repository: string, digest: string): Promise<string> => {
  const response = await fetch(`http://${registry}/v2/${repository}/blobs/${digest}`)
  await expectStatus(response, 200)
  const hash = createHash("sha256")
  for await (const chunk of response.body ?? []) hash.update(chunk)
  return `sha256:${hash.digest("hex")}`
}
