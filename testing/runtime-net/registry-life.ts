// Checks that a whole registry lost nothing: a client that uses every kind of request, the record of its answers, and
// the conditions that hold wherever the power failed. Acknowledged content is there; a request without an answer had
// its effect or none; nobody ever gets half a blob. Tests only.

import { hash } from "node:crypto"
import { Effect } from "effect"
import { expect } from "vitest"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { formatBlobPath } from "../../src/roles/client/blob-path.ts"
import { mediaTypes } from "../../src/roles/oci/manifest.ts"
import { type SendOptions, send } from "../roles/exchange.ts"
import type { MemoryWorld } from "../roles/memory-world.ts"
import { someBytes } from "../roles/push.ts"

/** A registry, and how to send requests to it. */
export interface AskedRegistry extends Pick<MemoryWorld, "client"> {
  /** Base URLs. */
  readonly proxy: string
  readonly origin: string
}

const sha256 = (bytes: Uint8Array): Digest => `sha256:${hash("sha256", bytes, "hex")}` as Digest

/** The digest of a path that answers 404. */
const absent = "absent"

const manifestOf = (config: Uint8Array, ...layers: ReadonlyArray<Uint8Array>): Uint8Array => {
  const described = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length
  })
  return new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: described("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((bytes) => described("application/vnd.oci.image.layer.v1.tar", bytes))
    })
  )
}

/** The pushed content, which differs for every seed. */
const contentOf = (seed: number) => {
  const small = someBytes(10 * seed + 1, 700)
  const monolithic = someBytes(10 * seed + 2, 2_800)
  const chunked = someBytes(10 * seed + 3, 6_300)
  const unfinished = someBytes(10 * seed + 4, 11_200)
  const lone = someBytes(10 * seed + 5, 17_500)
  const first = manifestOf(small, monolithic)
  const second = manifestOf(small, monolithic, chunked)
  return { small, monolithic, chunked, unfinished, lone, first, second }
}

interface BegunUpload {
  readonly bytes: Uint8Array
  readonly acknowledged: number
  readonly sent: number
}

/** The requests of clients and their answers. */
export interface ClientRecord {
  /** Seeds of all content that was ever sent. */
  readonly seeds: Set<number>
  /** The digests that each path may have. */
  readonly contents: Map<string, ReadonlySet<string>>
  /** Uploads that were begun and whose end was not requested. */
  readonly uploads: Map<string, BegunUpload>
  /** Answers no longer count. */
  ignoresAnswers: boolean
}

export const emptyRecord = (): ClientRecord => ({
  seeds: new Set(),
  contents: new Map(),
  uploads: new Map(),
  ignoresAnswers: false
})

type Changes = Readonly<Record<string, string>>

/** Sends a request that should be answered with `status`, and records its changes. */
const ask = Effect.fnUntraced(function* (
  registry: AskedRegistry,
  record: ClientRecord,
  method: Parameters<typeof send>[1],
  path: string,
  status: number,
  changes: Changes = {},
  options: SendOptions = {}
) {
  for (const [changed, to] of Object.entries(changes)) {
    record.contents.set(changed, new Set([...(record.contents.get(changed) ?? [absent]), to]))
  }
  const answer = yield* send(registry, method, `${registry.proxy}${path}`, options)
  if (answer.status !== status) {
    return yield* Effect.fail(`${method} ${path} was answered ${answer.status}: ${answer.text}`)
  }
  if (record.ignoresAnswers) return yield* Effect.fail("the answer came too late")
  for (const [changed, to] of Object.entries(changes)) record.contents.set(changed, new Set([to]))
  return answer
})

const blobPath = (bytes: Uint8Array, repository = "demo/app") => `/v2/${repository}/blobs/${sha256(bytes)}`
const manifestPath = (reference: string) => `/v2/demo/app/manifests/${reference}`
const uploadsPath = "/v2/demo/app/blobs/uploads/"

/** Pushes in every way, moves a tag, mounts, deletes, and leaves an upload open. Ends at the first wrong answer. */
export const registryLife = (registry: AskedRegistry, record: ClientRecord, seed = 0) =>
  Effect.gen(function* () {
    const content = contentOf(seed)
    record.seeds.add(seed)
    const tag = (name: string) => `${name}-of-${seed}`
    const begin = Effect.fnUntraced(function* (bytes: Uint8Array) {
      const upload = (yield* ask(registry, record, "POST", uploadsPath, 202)).headers.location!
      record.uploads.set(upload, { bytes, acknowledged: 0, sent: 0 })
      return upload
    })
    const append = Effect.fnUntraced(function* (upload: string, start: number, end: number) {
      const { bytes } = record.uploads.get(upload)!
      record.uploads.set(upload, { bytes, acknowledged: start, sent: end })
      const headers = { "content-range": `${start}-${end - 1}` }
      yield* ask(registry, record, "PATCH", upload, 202, {}, { body: bytes.slice(start, end), headers })
      record.uploads.set(upload, { bytes, acknowledged: end, sent: end })
    })
    const commit = Effect.fnUntraced(function* (upload: string, rest?: number) {
      const { bytes } = record.uploads.get(upload)!
      record.uploads.delete(upload)
      const end = `${upload}?digest=${sha256(bytes)}`
      const options = rest === undefined ? {} : { body: bytes.slice(rest) }
      yield* ask(registry, record, "PUT", end, 201, { [blobPath(bytes)]: sha256(bytes) }, options)
    })
    const putManifest = (name: string, bytes: Uint8Array) => {
      const changes = { [manifestPath(name)]: sha256(bytes), [manifestPath(sha256(bytes))]: sha256(bytes) }
      const headers = { "content-type": mediaTypes.ociManifest }
      return ask(registry, record, "PUT", manifestPath(name), 201, changes, { body: bytes, headers })
    }
    const remove = (path: string) => ask(registry, record, "DELETE", path, 202, { [path]: absent })

    yield* commit(yield* begin(content.small), 0)
    const whole = sha256(content.monolithic)
    const changes = { [blobPath(content.monolithic)]: whole }
    const body = content.monolithic
    yield* ask(registry, record, "POST", `${uploadsPath}?digest=${whole}`, 201, changes, { body })
    yield* putManifest(tag("moved"), content.first)
    const growing = yield* begin(content.chunked)
    yield* append(growing, 0, 1_000)
    yield* append(growing, 1_000, 5_000)
    yield* append(growing, 5_000, content.chunked.length)
    yield* commit(growing)
    yield* append(yield* begin(content.unfinished), 0, 3_000)
    yield* putManifest(tag("removed"), content.first)
    yield* putManifest(tag("moved"), content.second)
    const mounted = { [blobPath(content.small, "demo/other")]: sha256(content.small) }
    const mount = `/v2/demo/other/blobs/uploads/?mount=${sha256(content.small)}&from=demo/app`
    yield* ask(registry, record, "POST", mount, 201, mounted)
    const lone = yield* begin(content.lone)
    yield* append(lone, 0, 10_000)
    yield* commit(lone, 10_000)
    yield* remove(blobPath(content.lone))
    yield* remove(manifestPath(tag("removed")))
    yield* remove(manifestPath(sha256(content.first)))
  })

/** Reads all recorded content. */
export const expectRecorded = (registry: AskedRegistry, record: ClientRecord) =>
  Effect.gen(function* () {
    for (const [path, allowed] of record.contents) {
      const answer = yield* send(registry, "GET", `${registry.proxy}${path}`)
      const found =
        answer.status === 404 ? absent : answer.status === 200 ? sha256(answer.bytes) : answer.text
      expect([...allowed], `${path} gives ${found}`).toContain(found)
      if (found === absent || !path.includes("/blobs/")) continue
      // The request of a tracker, which lets agents pull the blob.
      const asked = formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest: found as Digest })
      expect((yield* send(registry, "GET", registry.origin + asked)).status, asked).toBe(200)
    }
    for (const bytes of [...record.seeds].flatMap((seed) => Object.values(contentOf(seed)))) {
      const path = formatBlobPath({ tag: "Blob", namespace: "demo/app", digest: sha256(bytes) })
      const answer = yield* send(registry, "GET", registry.origin + path)
      expect(answer.status === 404 ? absent : sha256(answer.bytes), path).toBeOneOf([absent, sha256(bytes)])
    }
  })

/** Ends the begun uploads, from the offset that the proxy states. One without acknowledged bytes may be gone. */
export const expectResumable = (registry: AskedRegistry, record: ClientRecord) =>
  Effect.gen(function* () {
    for (const [upload, { bytes, acknowledged, sent }] of record.uploads) {
      const stands = yield* send(registry, "GET", `${registry.proxy}${upload}`)
      if (acknowledged === 0 && stands.status === 404) {
        expect(stands.text).toContain("BLOB_UPLOAD_UNKNOWN")
        record.uploads.delete(upload)
        continue
      }
      expect(stands.status, stands.text).toBe(204)
      const last = Number(stands.headers.range!.split("-")[1])
      const size = last === 0 ? 0 : last + 1
      expect(size).toBeGreaterThanOrEqual(acknowledged)
      expect(size).toBeLessThanOrEqual(sent)
      record.uploads.delete(upload)
      const path = blobPath(bytes)
      record.contents.set(path, new Set([...(record.contents.get(path) ?? [absent]), sha256(bytes)]))
      const put = yield* send(registry, "PUT", `${registry.proxy}${upload}?digest=${sha256(bytes)}`, {
        body: bytes.slice(size)
      })
      if (put.status === 201) record.contents.set(path, new Set([sha256(bytes)]))
      // Bytes after the acknowledged ones may be torn. The digest shows it, and the client starts again.
      else
        expect([size > acknowledged, put.status, put.text]).toEqual([
          true,
          400,
          expect.stringContaining("DIGEST_INVALID")
        ])
    }
  })

/** Checks that remains of files do not pile up over power losses: at most the running request leaves some. */
export const expectTidy = (
  files: ReadonlyMap<string, number>,
  record: ClientRecord,
  losses: number
): void => {
  const below = (folder: string) => [...files.keys()].filter((path) => path.startsWith(`${folder}/`))
  expect(below("herd/origin/temporary")).toEqual([])
  const begun = new Set([...record.uploads.keys()].map((path) => path.split("/").at(-1)))
  const unknown = below("herd/origin/uploads").filter((path) => !begun.has(path.split("/").at(-1)))
  expect(unknown.length, unknown.join()).toBeLessThanOrEqual(losses)
  // What is pushed to a herd grows in the origin's store.
  expect([...below("herd/proxy/blobs"), ...below("herd/proxy/uploads")]).toEqual([])
}
