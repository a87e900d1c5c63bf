// The process that receives a push is killed with kill -9 while a body streams, at moments that a seed draws. The
// upload has the bytes that reached the disk, at least those that were acknowledged, and is finished from there.
// Nothing else is lost, and nothing is left behind that grows. SHOAL_KILL_SEED sets the seed.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import seedrandom from "seedrandom"
import { afterEach, beforeEach, expect, test } from "vitest"
import { deterministicBytes, sha256 } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { type HerdProcess, startHerd } from "../support/herd-process.ts"
import { pullBlob, pushBlob, pushImage } from "../support/registry-client.ts"
import { beginRequest } from "../support/streamed-request.ts"

const seed = process.env.SHOAL_KILL_SEED ?? "1"
const chunk = 64 * 1024

let folder: string
let herd: HerdProcess

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-upload-kill-"))
  herd = await startHerd(join(folder, "herd"), await freePortBase(1))
})
afterEach(async () => {
  await herd.stop()
  rmSync(folder, { recursive: true, force: true })
})

const at = (path: string) => `http://${herd.registry}${path}`

const begin = async (): Promise<string> => {
  const begun = await fetch(at("/v2/demo/app/blobs/uploads/"), { method: "POST" })
  expect(begun.status).toBe(202)
  return begun.headers.get("location")!
}

/** The offset of an upload, as the registry states it. */
const standing = async (location: string): Promise<number> => {
  const answer = await fetch(at(location))
  expect(answer.status).toBe(204)
  const last = Number(answer.headers.get("range")!.split("-")[1])
  return last === 0 ? 0 : last + 1
}

/** Sends `[from, to)` of a body, and pauses once the registry has `seen` of them. */
const standStill = async (
  method: "PATCH" | "PUT",
  path: string,
  location: string,
  body: { readonly bytes: Uint8Array; readonly from: number; readonly to: number; readonly seen: number },
  headers: Readonly<Record<string, string>>
) => {
  const request = beginRequest(herd.registry, method, path, headers)
  for (let offset = body.from; offset < body.to; offset += chunk) {
    await request.write(body.bytes.subarray(offset, Math.min(offset + chunk, body.to)))
  }
  let received = await standing(location)
  while (received < body.seen) received = await standing(location)
  return { request, received }
}

const filesOf = (kind: string) => [...herd.files()].filter(([path]) => path.split("/")[1] === kind)

/** Leftovers that a kill must not cause: half files, blobs at the proxy, uploads that nobody can end. */
const expectNothingLeft = () => {
  expect(filesOf("temporary")).toEqual([])
  expect(filesOf("uploads")).toEqual([])
  expect(filesOf("blobs").filter(([path]) => path.startsWith("proxy/"))).toEqual([])
}

test(`an upload resumes after kills in the middle of its PATCHes (seed ${seed})`, async () => {
  const draw = seedrandom.alea(`patches ${seed}`)
  const upTo = (limit: number) => Math.floor(draw() * (limit + 1))
  const before = await pushImage(herd.registry, "demo/before", "1", [deterministicBytes("before", 300_000)])
  const bytes = deterministicBytes(`killed ${seed}`, 6_000_000)
  const location = await begin()
  let acknowledged = 0
  for (let kill = 0; kill < 4; kill++) {
    const from = acknowledged
    const to = from + upTo(bytes.length / 4 - 1)
    const headers: Record<string, string> =
      kill % 2 === 0 ? { "content-range": `${from}-${bytes.length - 1}` } : {}
    // Sometimes at once, with any number of bytes; sometimes after all of them arrived.
    const seen = [from, from + upTo(to - from), to][kill % 3]!
    const { request, received } = await standStill(
      "PATCH",
      location,
      location,
      { bytes, from, to, seen },
      headers
    )
    await herd.kill()
    expect(await request.answered).toBe(undefined)
    await herd.start()
    expect(filesOf("uploads").map(([path]) => path.split("/").at(-1))).toEqual([location.split("/").at(-1)])
    const stands = await standing(location)
    expect(stands).toBeGreaterThanOrEqual(Math.max(acknowledged, received))
    expect(stands).toBeLessThanOrEqual(to)
    const next = Math.min(bytes.length, stands + upTo(300_000))
    const patch = await fetch(at(location), {
      method: "PATCH",
      headers: { "content-range": `${stands}-${next - 1}` },
      body: Buffer.from(bytes.subarray(stands, next))
    })
    expect(patch.status, await patch.text()).toBe(202)
    acknowledged = next
  }
  const put = await fetch(at(`${location}?digest=${sha256(bytes)}`), {
    method: "PUT",
    body: Buffer.from(bytes.subarray(acknowledged))
  })
  expect(put.status, await put.text()).toBe(201)
  expect(await pullBlob(herd.registry, "demo/app", sha256(bytes))).toBe(sha256(bytes))
  for (const layer of before.layers) expect(await pullBlob(herd.registry, "demo/before", layer)).toBe(layer)
  const tag = await fetch(at("/v2/demo/before/manifests/1"))
  expect(tag.headers.get("docker-content-digest")).toBe(before.manifestDigest)
  expectNothingLeft()
})

test(`a kill during the last body of an upload leaves an upload and no blob (seed ${seed})`, async () => {
  const draw = seedrandom.alea(`ends ${seed}`)
  const bytes = deterministicBytes(`ended ${seed}`, 3_000_000)
  const digest = sha256(bytes)
  const blob = at(`/v2/demo/app/blobs/${digest}`)
  const location = await begin()
  const half = { bytes, from: 0, to: 1_000_000 + Math.floor(draw() * 1_000_000), seen: 1_000_000 }
  const put = await standStill("PUT", `${location}?digest=${digest}`, location, half, {
    "content-length": `${bytes.length}`
  })
  await herd.kill()
  expect(await put.request.answered).toBe(undefined)
  await herd.start()
  expect((await fetch(blob)).status).toBe(404)
  const stands = await standing(location)
  expect(stands).toBeGreaterThanOrEqual(put.received)
  // All of it arrives, and the kill comes at any moment of the commit, or after it.
  const rest = beginRequest(herd.registry, "PUT", `${location}?digest=${digest}`, {
    "content-range": `${stands}-${bytes.length - 1}`
  })
  await rest.write(bytes.subarray(stands))
  rest.end()
  for (let turns = Math.floor(draw() * 20); turns > 0; turns--) await fetch(blob).catch(() => undefined)
  await herd.kill()
  const answered = await rest.answered
  expect([undefined, 201]).toContain(answered)
  await herd.start()
  const there = await fetch(blob)
  if (answered === 201) expect(there.status).toBe(200)
  if (there.status === 200) expect(sha256(new Uint8Array(await there.arrayBuffer()))).toBe(digest)
  else expect(there.status).toBe(404)
  // A client without an answer starts again.
  expect(await pushBlob(herd.registry, "demo/app", bytes)).toBe(digest)
  expect(await pullBlob(herd.registry, "demo/app", digest)).toBe(digest)
})
