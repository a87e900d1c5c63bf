// What lazy readers make an agent fetch of a cold blob of 4 GiB in pieces of the default length, counted in pieces.
// The blob repeats a few pieces, so that a world can hold it and every byte that a client gets can still be checked.

import { createHash } from "node:crypto"
import { Effect, type Scope } from "effect"
import { HttpClientRequest } from "effect/http"
import { expect, it } from "vitest"
import { makeSimWorld, seededBytes } from "../../testing/runtime-sim/scenario-world.ts"
import { type ClusterApart, startClusterApart } from "../../testing/scenarios/cluster.ts"
import { nothingUnderway, readRange, readSome } from "../../testing/scenarios/ranged-reads.ts"
import { request, type ScenarioFailed } from "../../testing/scenarios/registry-script.ts"
import { agents, MiB, storedPieces, until } from "../../testing/scenarios/scenario.ts"
import type { ScenarioWorld } from "../../testing/scenarios/world.ts"
import { limits } from "../protocol/limits.ts"
import { makeDigest } from "../protocol/wire/digest.ts"
import { choosePieceLength, pieceCount } from "../protocol/wire/metainfo.ts"
import { agentLimits } from "../roles/agent/limits.ts"
import type { HostProgramError } from "../roles/host-program.ts"
import { RealContent } from "./disk/blob-content.ts"
import { putTorrent } from "./disk/sim-disk.ts"

const length = 4 * 1024 * MiB
const pieceLength = choosePieceLength(length)
const pieces = pieceCount({ length, pieceLength })
/** Number of distinct pieces, after which the blob repeats. */
const period = 8

const distinct = Array.from({ length: period }, (_, index) => seededBytes(`piece ${index}`, pieceLength))
const content = new RealContent(
  Array.from({ length: pieces }, (_, piece) => distinct[piece % period]!),
  pieceLength,
  length
)

/** Any digest will do: nobody here reads to the end, where it is checked. */
const digest = makeDigest("sha256", createHash("sha256").update("4 GiB").digest())
const blob = { repository: "demo/large", digest }

/** At this rate a piece takes an eighth of a second, and the whole blob two minutes. */
const slow = { egress: 32 * MiB, burst: 256 * 1024 }

/** Plays a scenario on a cluster whose origin has the blob and whose build-index knows it. */
const play = (
  seed: string,
  story: (
    world: ScenarioWorld,
    cluster: ClusterApart
  ) => Effect.Effect<void, ScenarioFailed | HostProgramError, Scope.Scope>
): void => {
  const { world, simulation } = makeSimWorld({ seed })
  const { disk } = simulation.machine("origin")
  const folder = disk.folder("origin")
  disk.allocate(length)
  folder.blobs.set(digest, content)
  putTorrent(folder, content.metainfo(digest, pieceLength))
  simulation.run(
    Effect.scoped(
      Effect.gen(function* () {
        const cluster = yield* startClusterApart(world, slow)
        const mounted = yield* request(
          world.client,
          HttpClientRequest.post(`${cluster.proxy}/v2/${blob.repository}/blobs/uploads/?mount=${digest}`)
        )
        expect(mounted.status).toBe(201)
        yield* story(world, cluster)
      })
    )
  )
}

const expectBytes = (got: Uint8Array, start: number): void => {
  const expected = new Uint8Array(got.byteLength)
  for (let at = 0; at < expected.byteLength; ) {
    const from = start + at
    const end = Math.min((Math.floor(from / pieceLength) + 1) * pieceLength, start + expected.byteLength)
    expected.set(content.slice(from, end), at)
    at += end - from
  }
  expect(Buffer.compare(got, expected)).toBe(0)
}

const touched = (start: number, end: number): number =>
  Math.ceil(end / pieceLength) - Math.floor(start / pieceLength)

it("is cut into two thousand pieces, so that one is a small part of a tenth", () => {
  expect([pieceLength, pieces]).toEqual([2 * MiB, 2048])
})

it.for([
  ["within a piece", 2 * 1024 * MiB + 7],
  ["across the border of two", 2 * 1024 * MiB - 500_000],
  ["at the end", length - MiB]
] as const)("a megabyte of it, %s, fetches the pieces that it touches and no others", ([, start]) => {
  play(`range at ${start}`, (world, cluster) =>
    Effect.gen(function* () {
      const host = yield* cluster.startAgent("agent-1")
      const got = yield* readRange(world, host.url, blob, start, start + MiB)
      expect([got.status, got.bytes.byteLength]).toEqual([206, MiB])
      expectBytes(got.bytes, start)
      yield* nothingUnderway(world, host.url)
      expect(yield* storedPieces(world, host.url)).toBe(touched(start, start + MiB))
    })
  )
})

it("an open range whose client hangs up after a chunk fetches little more than the chunk", () => {
  play("open range", (world, cluster) =>
    Effect.gen(function* () {
      const host = yield* cluster.startAgent("agent-1")
      const start = 1024 * MiB + 12_345
      // It reads slowly first: eighty pieces could arrive meanwhile.
      const pause = Effect.sleep("10 seconds")
      const got = yield* readSome(world, host.url, blob, `bytes=${start}-`, MiB, pause)
      expect(got.status).toBe(206)
      expectBytes(got.bytes, start)
      yield* nothingUnderway(world, host.url)
      const stored = yield* storedPieces(world, host.url)
      // The reader may be one piece ahead of the client, and has its window beyond that.
      expect(stored).toBeLessThanOrEqual(touched(start, start + MiB) + 1 + agentLimits.rangeAheadPieces)
    })
  )
})

it("the first byte of the whole blob arrives before a tenth of it, alone and in a crowd", () => {
  play("first byte", (world, cluster) =>
    Effect.gen(function* () {
      const readFirst = (host: { readonly url: string }) => {
        let stored = 0
        const count = Effect.map(storedPieces(world, host.url), (now) => {
          stored = now
        })
        return Effect.map(readSome(world, host.url, blob, undefined, 1, count), ({ bytes }) => {
          expectBytes(bytes, 0)
          return stored
        })
      }
      const counts = [yield* readFirst(yield* cluster.startAgent("agent-1"))]
      const names = Array.from({ length: 24 }, (_, index) => `agent-${index + 2}`)
      const crowd = yield* agents(cluster, names)
      // The clients stay, because a source with little egress suggests pieces to everyone.
      for (const { role } of crowd)
        yield* Effect.forkScoped(Effect.ignore(role.pull(blob.repository, digest)))
      counts.push(...(yield* Effect.forEach(crowd, readFirst, { concurrency: "unbounded" })))
      for (const stored of counts) expect(stored).toBeLessThan(pieces / 10)
    })
  )
})

it("a range that is requested during a pull of the whole blob goes first", () => {
  play("range beside a pull", (world, cluster) =>
    Effect.gen(function* () {
      const host = yield* cluster.startAgent("agent-1")
      yield* Effect.forkScoped(Effect.ignore(host.role.pull(blob.repository, digest)))
      yield* until(
        "a running pull",
        Effect.map(storedPieces(world, host.url), (stored) => stored >= 20)
      )
      for (const part of [3 / 4, 1 / 2, 7 / 8]) {
        const start = length * part
        const before = yield* storedPieces(world, host.url)
        const got = yield* readRange(world, host.url, blob, start, start + MiB)
        expectBytes(got.bytes, start)
        const meanwhile = (yield* storedPieces(world, host.url)) - before
        // The pieces that a seeder suggests may come first; this is their maximum.
        expect(meanwhile).toBeLessThanOrEqual(limits.readerPatience)
      }
    })
  )
})
