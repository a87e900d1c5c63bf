// Acknowledged content of a herd survives kill -9: an upload has the acknowledged bytes and is finished on the next
// process; a blob with its link, a manifest and its tag, and a deletion are as they were answered.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { deterministicBytes, sha256 } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { type HerdProcess, startHerd } from "../support/herd-process.ts"
import { pullBlob, pushBlob, pushImage } from "../support/registry-client.ts"

let folder: string
let herd: HerdProcess

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-durable-"))
  herd = await startHerd(join(folder, "herd"), await freePortBase(1))
})
afterEach(async () => {
  await herd.stop()
  rmSync(folder, { recursive: true, force: true })
})

const killAndStart = async () => {
  await herd.kill()
  await herd.start()
}

const at = (path: string) => `http://${herd.registry}${path}`

test("an upload resumes at its acknowledged offset after a kill", async () => {
  const bytes = deterministicBytes("resumed", 3_000_000)
  const begun = await fetch(at("/v2/demo/app/blobs/uploads/"), { method: "POST" })
  const location = begun.headers.get("location")!
  const append = (start: number, end: number) =>
    fetch(at(location), {
      method: "PATCH",
      headers: { "content-range": `${start}-${end - 1}`, "content-type": "application/octet-stream" },
      body: Buffer.from(bytes.subarray(start, end))
    })
  expect((await append(0, 1_000_000)).status).toBe(202)
  await killAndStart()
  const stands = await fetch(at(location))
  expect([stands.status, stands.headers.get("range")]).toEqual([204, "0-999999"])
  expect((await append(1_000_000, 2_000_000)).status).toBe(202)
  await killAndStart()
  expect((await append(2_000_000, 3_000_000)).status).toBe(202)
  const digest = sha256(bytes)
  const put = await fetch(at(`${location}?digest=${digest}`), { method: "PUT" })
  expect(put.status).toBe(201)
  await killAndStart()
  expect(await pullBlob(herd.registry, "demo/app", digest)).toBe(digest)
})

test("acknowledged blobs, links, manifests, tags and deletions survive a kill", async () => {
  const { registry } = herd
  const linked = await pushBlob(registry, "demo/linked", deterministicBytes("linked", 100_000))
  await killAndStart()
  expect(await pullBlob(registry, "demo/linked", linked)).toBe(linked)
  const image = await pushImage(registry, "demo/app", "1", [deterministicBytes("layer", 200_000)])
  await killAndStart()
  const tag = await fetch(at("/v2/demo/app/manifests/1"))
  expect([tag.status, tag.headers.get("docker-content-digest")]).toEqual([200, image.manifestDigest])
  expect(sha256(new Uint8Array(await tag.arrayBuffer()))).toBe(image.manifestDigest)
  for (const layer of image.layers) expect(await pullBlob(registry, "demo/app", layer)).toBe(layer)
  const mount = await fetch(at(`/v2/demo/other/blobs/uploads/?mount=${linked}&from=demo/linked`), {
    method: "POST"
  })
  expect(mount.status).toBe(201)
  const removed = await fetch(at("/v2/demo/app/manifests/1"), { method: "DELETE" })
  expect(removed.status).toBe(202)
  await killAndStart()
  expect(await pullBlob(registry, "demo/other", linked)).toBe(linked)
  expect((await fetch(at("/v2/demo/app/manifests/1"))).status).toBe(404)
  expect((await fetch(at(`/v2/demo/app/manifests/${image.manifestDigest}`))).status).toBe(200)
})
