// Clients that mount a layer before they have it, replayed against an agent process: podman's zstd:chunked (table of
// contents and tar-split in one request, then all missing chunks in one) and stargz-snapshotter's eStargz (a probe,
// HEAD, footer, table of contents, a parallel prefetch, then files as they are opened, in aligned chunks). The agent
// must return the right files and fetch no piece that the client did not touch.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { limits } from "../../src/protocol/limits.ts"
import { ociLimits } from "../../src/roles/oci/limits.ts"
import { receivedParts } from "../../testing/roles/byte-ranges.ts"
import { sumOf } from "../../testing/roles/metrics.ts"
import { sha256 } from "../support/deterministic-bytes.ts"
import {
  eStargz,
  gzipContent,
  layerFiles,
  stargzFooterBytes,
  stargzToc,
  stargzTocOffset,
  zstdChunked,
  zstdContent,
  zstdToc
} from "../support/lazy-layers.ts"
import { metricsOf } from "../support/prometheus.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { logsOf, type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"

type Range = readonly [start: number, end: number]

const files = layerFiles(900)
let folder: string
let up: RunningUp

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-lazy-"))
  up = await startUp(join(folder, "data"), 2)
}, 60_000)

afterAll(async () => {
  await stopShoal(up)
  rmSync(folder, { recursive: true, force: true })
})

/** A blob at an agent, and the pieces that were requested of it. */
const blobAt = async (agent: string, repository: string, digest: string, length: number) => {
  const url = `http://${agent}/v2/${repository}/blobs/${digest}`
  const pieces = new Set<number>()
  const before = sumOf(await metricsOf(agent), "shoal_pieces_total", { outcome: "stored" })

  const get = async (ranges: ReadonlyArray<Range>): Promise<ReadonlyArray<Uint8Array>> => {
    for (const [start, end] of ranges) {
      for (
        let at = start;
        at < end;
        at = (Math.floor(at / limits.minPieceLength) + 1) * limits.minPieceLength
      ) {
        pieces.add(Math.floor(at / limits.minPieceLength))
      }
    }
    const range = `bytes=${ranges.map(([start, end]) => `${start}-${end - 1}`).join(",")}`
    const response = await fetch(url, { headers: { range, "accept-encoding": "identity" } })
    const body = new Uint8Array(await response.arrayBuffer())
    expect(response.status, `${range}: ${logsOf(up.data)}`).toBe(206)
    if (ranges.length === 1) {
      expect(response.headers.get("content-range")).toBe(`${range.replace("=", " ")}/${length}`)
      return [body]
    }
    const parts = receivedParts(response.headers.get("content-type") ?? undefined, body)
    expect(parts.map(({ start, end }) => [start, end])).toEqual(ranges)
    return parts.map(({ bytes }) => bytes)
  }

  /** Number of pieces that the agent has fetched, once it is idle. */
  const fetched = async (): Promise<number> => {
    for (;;) {
      const metrics = await metricsOf(agent)
      const stored = sumOf(metrics, "shoal_pieces_total", { outcome: "stored" })
      if (sumOf(metrics, "shoal_downloads_underway", {}) === 0) return stored - before
      await sleep(50)
    }
  }
  return { url, get, fetched, pieces }
}

/** Checks that every byte of the blob reached the agent once. */
const pullsTheRest = async (
  agent: string,
  repository: string,
  digest: string,
  length: number,
  had: number
) => {
  const bytes = async () => sumOf(await metricsOf(agent), "shoal_piece_bytes_received_total", {})
  const before = await bytes()
  expect(await pullBlob(agent, repository, digest)).toBe(digest)
  expect((await bytes()) - before).toBeLessThanOrEqual(length - (had - 1) * limits.minPieceLength)
}

describe("a zstd:chunked layer", () => {
  test("is pulled by its table of contents and the missing chunks", async () => {
    const agent = up.agents[0]!
    const { blob, toc, tarSplit } = zstdChunked(files)
    const image = await pushImage(up.proxy, "demo/zstd", "1", [blob])
    const layer = await blobAt(agent, "demo/zstd", image.layers[0], blob.byteLength)

    // The tar-split lies before the table of contents but is requested after it.
    const [tocBytes] = await layer.get([toc, tarSplit])
    const entries = zstdToc(tocBytes!)
    expect(entries).toHaveLength(files.length)

    // The client does not request content that it has from other images: it has some whole packages and not others.
    const missing = entries.filter((_, index) => (index >> 4) % 5 === 1)
    const ranges: Array<[number, number]> = []
    for (const { offset, endOffset } of missing) {
      const last = ranges.at(-1)
      // Chunks with little between them are fetched as one.
      if (last !== undefined && offset - last[1] < 128) last[1] = endOffset
      else ranges.push([offset, endOffset])
    }
    expect(ranges.length).toBeGreaterThan(10)
    const chunks = await layer.get(ranges)
    for (const { digest, offset, endOffset } of missing) {
      const at = ranges.findIndex(([start, end]) => start <= offset && endOffset <= end)
      const [start] = ranges[at]!
      expect(sha256(zstdContent(chunks[at]!.subarray(offset - start, endOffset - start)))).toBe(digest)
    }
    expect(await layer.fetched()).toBe(layer.pieces.size)
    expect(layer.pieces.size).toBeLessThan(blob.byteLength / limits.minPieceLength / 2)

    // The maximum of chunks that such a client requests at once, all in pieces that are there, makes a header of 18
    // KB.
    const [first, end] = ranges.at(-1)!
    expect(end - first).toBeGreaterThan(4 * ociLimits.maxRanges)
    const most = Array.from({ length: ociLimits.maxRanges }, (_, index): Range => {
      const at = first + 4 * index
      return [at, at + 2]
    })
    expect(await layer.get(most)).toEqual(
      most.map(([start, stop]) => new Uint8Array(blob.subarray(start, stop)))
    )
    await pullsTheRest(agent, "demo/zstd", image.layers[0], blob.byteLength, layer.pieces.size)
  }, 60_000)
})

describe("an eStargz layer", () => {
  test("is mounted by its footer, and read as files are opened, many at a time", async () => {
    const agent = up.agents[1]!
    const prioritized = 40
    const { blob, prefetch } = eStargz(files, prioritized)
    const { byteLength: length } = blob
    const image = await pushImage(up.proxy, "demo/stargz", "1", [blob])
    const layer = await blobAt(agent, "demo/stargz", image.layers[0], length)

    await layer.get([[0, 2]])
    const head = await fetch(layer.url, { method: "HEAD" })
    expect(Number(head.headers.get("content-length"))).toBe(length)

    // The snapshotter caches aligned chunks, and requests all missing chunks of a read at once.
    const chunkSize = 50_000
    const cached = new Map<number, Uint8Array>()
    const readAt = async (start: number, end: number): Promise<Buffer> => {
      const first = Math.floor(start / chunkSize)
      const last = Math.floor((end - 1) / chunkSize)
      const lacking: Array<[number, number]> = []
      for (let chunk = first; chunk <= last; chunk++) {
        const range: Range = [chunk * chunkSize, Math.min((chunk + 1) * chunkSize, length)]
        if (cached.has(chunk)) continue
        if (lacking.at(-1)?.[1] === range[0]) lacking.at(-1)![1] = range[1]
        else lacking.push([...range])
      }
      const got = lacking.length === 0 ? [] : await layer.get(lacking)
      for (const [index, [from, to]] of lacking.entries()) {
        for (let at = from; at < to; at += chunkSize) {
          cached.set(at / chunkSize, got[index]!.subarray(at - from, Math.min(at + chunkSize, to) - from))
        }
      }
      const chunks = Array.from({ length: last - first + 1 }, (_, index) => cached.get(first + index)!)
      return Buffer.concat(chunks).subarray(start - first * chunkSize, end - first * chunkSize)
    }

    const tocAt = stargzTocOffset(await readAt(length - stargzFooterBytes, length))
    const entries = stargzToc(await readAt(tocAt, length - stargzFooterBytes))
    expect(entries).toHaveLength(files.length)

    const prefetchSize = 4 * chunkSize
    const prefetches = Array.from({ length: Math.ceil(prefetch / prefetchSize) }, (_, index) =>
      readAt(index * prefetchSize, Math.min((index + 1) * prefetchSize, prefetch))
    )
    const opened = [...Array(24).keys()].map((index) => entries[(index * 37 + 5) % entries.length]!)
    const reads = opened.map(async ({ digest, offset, endOffset }) => {
      expect(sha256(gzipContent(await readAt(offset, endOffset)))).toBe(digest)
    })
    await Promise.all([...prefetches, ...reads])
    for (const { digest, offset, endOffset } of entries.slice(0, prioritized)) {
      expect(sha256(gzipContent(await readAt(offset, endOffset)))).toBe(digest)
    }
    // Reads around cached chunks lack chunks that are not adjacent.
    const wide = entries.filter(({ offset }) => offset > length / 2).slice(0, 60)
    await readAt(wide[20]!.offset, wide[20]!.endOffset)
    const whole = await readAt(wide[0]!.offset, wide.at(-1)!.endOffset)
    for (const { digest, offset, endOffset } of wide) {
      const at = wide[0]!.offset
      expect(sha256(gzipContent(whole.subarray(offset - at, endOffset - at)))).toBe(digest)
    }

    expect(await layer.fetched()).toBe(layer.pieces.size)
    expect(layer.pieces.size).toBeLessThan(length / limits.minPieceLength / 3)
    await pullsTheRest(agent, "demo/stargz", image.layers[0], length, layer.pieces.size)
  }, 60_000)
})
