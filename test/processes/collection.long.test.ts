// A soak test: waves of workers find, push and name many small blobs in repositories of their own, at the moment at
// which a herd's collectors may remove all of them: everything was deleted a grace period ago, with the shortest one
// allowed. Acknowledged content is readable until its worker deletes it. SHOAL_SOAK_MINUTES sets the duration (3),
// SHOAL_SOAK_SEED the seed.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import seedrandom from "seedrandom"
import { afterAll, beforeAll, expect, test } from "vitest"
import { sumOf } from "../../testing/roles/metrics.ts"
import { deterministicBytes, sha256 } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { pullBlob, pushBlob } from "../support/registry-client.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"

const minutes = Number(process.env.SHOAL_SOAK_MINUTES ?? 3)
const seed = process.env.SHOAL_SOAK_SEED ?? "1"
const workers = 6
const contents = Array.from({ length: 60 }, (_, index) => deterministicBytes(`soak ${index}`, 20_000))
/** Seconds: the shortest that an origin accepts. */
const grace = 20

let folder: string
let base: number
let herd: ShoalProcess

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-collection-"))
  base = await freePortBase(1)
  const listen = (offset: number) => ({ port: base + offset })
  const config = {
    ...{ data: join(folder, "herd"), log: { level: "warn" }, collect: { grace } },
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

test(`${minutes} minutes of waves of pushes and deletions during collections (seed ${seed})`, async () => {
  const registry = `127.0.0.1:${base}`
  const draw = seedrandom.alea(seed)
  const below = (limit: number) => Math.floor(draw() * limit)
  const until = performance.now() + minutes * 60_000
  const url = (worker: number, path: string) => `http://${registry}/v2/soak/worker-${worker}/${path}`
  const statusOf = async (place: string, method: string) => {
    const answer = await fetch(place, { method })
    await answer.arrayBuffer()
    return answer.status
  }

  const collect = async () => {
    for (const port of [base + 4, base + 2]) {
      const answer = await fetch(`http://127.0.0.1:${port}/collect`, { method: "POST" })
      expect(answer.status, await answer.text()).toBe(200)
    }
  }

  /** An image of blobs that are found or else pushed, some while the collector visits them. */
  const push = async (worker: number, layers: ReadonlyArray<Uint8Array>): Promise<ReadonlyArray<string>> => {
    await sleep(below(150))
    const found = await Promise.all(
      layers.map((layer) => statusOf(url(worker, `blobs/${sha256(layer)}`), "HEAD"))
    )
    const missing = layers.filter((_, index) => found[index] !== 200)
    await Promise.all(missing.map((layer) => pushBlob(registry, `soak/worker-${worker}`, layer)))
    const type = "application/vnd.oci.image.layer.v1.tar"
    const described = layers.map((layer) => ({
      mediaType: type,
      digest: sha256(layer),
      size: layer.length
    }))
    const manifestType = "application/vnd.oci.image.manifest.v1+json"
    const put = await fetch(url(worker, "manifests/latest"), {
      method: "PUT",
      headers: { "content-type": manifestType },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config: described[0],
        layers: described
      })
    })
    expect(put.status, await put.text()).toBe(201)
    return [put.headers.get("docker-content-digest")!, ...described.map(({ digest }) => digest)]
  }

  let waves = 0
  let pushes = 0
  while (performance.now() < until) {
    const chosen = Array.from({ length: workers }, () => contents.filter(() => below(workers) === 0))
    const chosenBy = [...chosen.entries()].filter(([, layers]) => layers.length > 0)
    const [images] = await Promise.all([
      Promise.all(chosenBy.map(async ([worker, layers]) => [worker, await push(worker, layers)] as const)),
      sleep(below(150)).then(collect)
    ])
    // A wrong removal is noticed here at the latest.
    await collect()
    for (const [worker, [manifest, ...blobs]] of images) {
      const repository = `soak/worker-${worker}`
      expect(await statusOf(url(worker, `manifests/${manifest}`), "GET")).toBe(200)
      for (const blob of blobs) expect(await pullBlob(registry, repository, blob)).toBe(blob)
      expect(await statusOf(url(worker, `manifests/${manifest}`), "DELETE")).toBe(202)
      // Other links stay until they are collected, or until the next wave finds them.
      if (below(2) === 0) continue
      for (const blob of blobs) expect(await statusOf(url(worker, `blobs/${blob}`), "DELETE")).toBe(202)
    }
    waves++
    pushes += images.length
    await sleep(grace * 1000 + below(1000))
  }
  const collected = sumOf(await metricsOf(`127.0.0.1:${base + 2}`), "shoal_origin_collected_blobs_total", {})
  process.stderr.write(`${waves} waves, ${pushes} pushes, ${collected} blobs collected\n`)
  expect(collected).toBeGreaterThan(waves)
})
