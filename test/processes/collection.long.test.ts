// A soak: workers push, mount and delete the same few blobs against a herd process while its collectors run, with the
// shortest grace. Whatever was acknowledged is readable until its worker deletes it. SHOAL_SOAK_MINUTES sets how long (3).

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { deterministicBytes, sha256 } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf, sumOf } from "../support/prometheus.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"

const minutes = Number(process.env.SHOAL_SOAK_MINUTES ?? 3)
const workers = 4
const contents = [0, 1, 2, 3].map((index) => deterministicBytes(`soak ${index}`, 200_000))

let folder: string
let base: number
let herd: ShoalProcess

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-collection-"))
  base = await freePortBase(1)
  const listen = (offset: number) => ({ port: base + offset })
  const config = {
    ...{ data: join(folder, "herd"), log: { level: "warn" }, collect: { every: 1, grace: 20 } },
    ...{ proxy: listen(0), peer: listen(1), origin: listen(2), tracker: listen(3), buildIndex: listen(4) }
  }
  const file = join(folder, "herd.json")
  writeFileSync(file, JSON.stringify(config))
  herd = startShoal(["herd", "--config", file])
  await untilReady(herd, `127.0.0.1:${base}`)
})
afterAll(async () => {
  await stopShoal(herd)
  rmSync(folder, { recursive: true, force: true })
})

test(`${minutes} minutes of pushes, mounts and deletions beside the collectors`, async () => {
  const registry = `127.0.0.1:${base}`
  const until = performance.now() + minutes * 60_000
  let pushes = 0
  const worker = async (index: number) => {
    for (let round = 0; performance.now() < until; round++) {
      const repository = `soak/worker-${index}`
      const chosen = contents.filter((_, content) => (content + round + index) % 3 !== 0)
      const from = `soak/worker-${(index + 1) % workers}`
      const mount = `http://${registry}/v2/${repository}/blobs/uploads/?mount=${sha256(chosen[0]!)}&from=${from}`
      expect([201, 202]).toContain((await fetch(mount, { method: "POST" })).status)
      const image = await pushImage(registry, repository, "latest", chosen)
      pushes++
      await sleep(((round * 7 + index * 3) % 30) * 1000)
      const name = `http://${registry}/v2/${repository}/manifests/${image.manifestDigest}`
      expect((await fetch(name)).status).toBe(200)
      for (const layer of image.layers) expect(await pullBlob(registry, repository, layer)).toBe(layer)
      expect((await fetch(name, { method: "DELETE" })).status).toBe(202)
      for (const layer of image.layers) {
        const blob = `http://${registry}/v2/${repository}/blobs/${layer}`
        expect((await fetch(blob, { method: "DELETE" })).status).toBe(202)
      }
      await sleep(((round * 11 + index) % 30) * 1000)
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, index) => worker(index)))
  const collected = sumOf(await metricsOf(`127.0.0.1:${base + 2}`), "shoal_origin_collected_blobs_total", {})
  process.stderr.write(`${pushes} pushes, ${collected} blobs collected\n`)
  expect(collected).toBeGreaterThan(0)
})
