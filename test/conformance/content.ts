// The content that conformance tests push, and how they push content that is not the subject of a test: blobs by POST
// and PUT, manifests by PUT, each checked to have been accepted.

import { expect } from "vitest"
import { deterministicBytes, digestOf } from "../support/deterministic-bytes.ts"
import type { Answer, Call } from "./registry-under-test.ts"

export const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  empty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json"
} as const

export type Algorithm = "sha256" | "sha512"

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** The digest of content that nobody ever pushes. */
export const nowhere = digestOf("sha256", Buffer.from("pushed by no test"))

let seeds = 0

/** Bytes that no other test pushes. */
export const freshBytes = (length = 1000): Uint8Array =>
  deterministicBytes(`${process.pid}/${++seeds}`, length)

/** The code of the first error in the specification's error document. */
export const errorCode = (answer: Answer): string | undefined => {
  const { errors } = JSON.parse(answer.text) as { errors: ReadonlyArray<{ code: string; message?: string }> }
  expect(errors[0]?.code).toMatch(/^[A-Z_]+$/)
  return errors[0]?.code
}

export const expectStatus = (answer: Answer, status: number): Answer => {
  expect(answer.status, answer.text.slice(0, 300)).toBe(status)
  return answer
}

/** The path of a Location, which must be relative: a host name in it may be unreachable for a client. */
export const locationOf = (answer: Answer): string => {
  const location = answer.headers.location ?? ""
  expect(location).toMatch(/^\/v2\//)
  return location
}

/** A Location with one more query parameter, whether or not it has others. */
export const withQuery = (location: string, query: string): string =>
  `${location}${location.includes("?") ? "&" : "?"}${query}`

export const beginUpload = async (call: Call, repository: string, query = ""): Promise<string> =>
  locationOf(expectStatus(await call("POST", `/v2/${repository}/blobs/uploads/${query}`), 202))

/** Pushes a blob that no test is about. Returns its descriptor. */
export const pushBlob = async (
  call: Call,
  repository: string,
  bytes: Uint8Array,
  mediaType: string = types.layer,
  algorithm: Algorithm = "sha256"
): Promise<Descriptor> => {
  const digest = digestOf(algorithm, bytes)
  const location = await beginUpload(
    call,
    repository,
    algorithm === "sha256" ? "" : `?digest-algorithm=${algorithm}`
  )
  expectStatus(await call("PUT", withQuery(location, `digest=${digest}`), { body: bytes }), 201)
  return { mediaType, digest, size: bytes.length }
}

/** The document's bytes with a spacing that no program would choose, so that a rewrite is noticed. */
export const manifestBytes = (document: object): Uint8Array =>
  Buffer.from(JSON.stringify(document, undefined, 3).replace('":', '" :'))

/** A manifest as its author writes it. */
export interface ManifestDocument {
  readonly mediaType: string
  readonly [field: string]: unknown
}

export interface Pushed extends Descriptor {
  readonly bytes: Uint8Array
  readonly put: Answer
}

/** Pushes a manifest under tags or, without any, under its digest alone. */
export const pushManifest = async (
  call: Call,
  repository: string,
  document: ManifestDocument,
  reference?: string,
  algorithm: Algorithm = "sha256"
): Promise<Pushed> => {
  const { mediaType } = document
  const bytes = manifestBytes(document)
  const digest = digestOf(algorithm, bytes)
  const path = `/v2/${repository}/manifests/${reference ?? digest}`
  const put = await call("PUT", path, { body: bytes, headers: { "content-type": mediaType } })
  expectStatus(put, 201)
  return { mediaType, digest, size: bytes.length, bytes, put }
}

export const descriptor = ({ mediaType, digest, size }: Descriptor): Descriptor => ({
  mediaType,
  digest,
  size
})

/** An image document over blobs that are pushed first. */
export const imageDocument = async (
  call: Call,
  repository: string,
  more: object = {},
  algorithm: Algorithm = "sha256"
) => ({
  schemaVersion: 2,
  mediaType: types.manifest as string,
  config: await pushBlob(call, repository, freshBytes(200), types.config, algorithm),
  layers: [await pushBlob(call, repository, freshBytes(), types.layer, algorithm)],
  ...more
})

/** Pushes an image of one small layer. Returns its manifest. */
export const pushImage = async (
  call: Call,
  repository: string,
  reference?: string,
  more: object = {}
): Promise<Pushed> => pushManifest(call, repository, await imageDocument(call, repository, more), reference)

export const indexDocument = (manifests: ReadonlyArray<Descriptor>, more: object = {}) => ({
  schemaVersion: 2,
  mediaType: types.index as string,
  manifests: manifests.map(descriptor),
  ...more
})
