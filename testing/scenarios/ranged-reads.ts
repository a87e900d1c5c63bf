// Scenarios of clients that read a blob while it arrives, or read only parts of it: when the first byte arrives, what
// an agent fetches for a range, and what is still in flight after a client hung up. They count pieces and measure no
// time; the uplinks are slow, so that a wrong fetch is visible.

import { Effect, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import { limits } from "../../src/protocol/limits.ts"
import { agentLimits } from "../../src/roles/agent/limits.ts"
import { receivedParts } from "../roles/byte-ranges.ts"
import { startHerdCluster } from "./cluster.ts"
import {
  bodyBytes,
  expectThat,
  metric,
  type PushedImage,
  pullBlob,
  pushImage,
  request,
  ScenarioFailed
} from "./registry-script.ts"
import { agents, largest, MiB, received, type Scenario, storedPieces, until } from "./scenario.ts"
import type { ScenarioWorld } from "./world.ts"

/** Every blob of these scenarios is small enough for the shortest pieces. */
const pieceLength = limits.minPieceLength

const slow = { egress: 2 * MiB, burst: 256 * 1024 }

/** A blob of a repository, as a client requests it. */
export interface NamedBlob {
  readonly repository: string
  readonly digest: string
}

const largestOf = (image: PushedImage): NamedBlob => ({
  repository: image.repository,
  digest: largest(image).digest
})

interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Uint8Array
}

/** Requests a blob and hangs up after `enough` bytes; `onFirst` runs at the first byte. */
export const readSome = (
  world: ScenarioWorld,
  host: string,
  blob: NamedBlob,
  range: string | undefined,
  enough: number,
  onFirst: Effect.Effect<void, ScenarioFailed> = Effect.void
): Effect.Effect<Got, ScenarioFailed> =>
  Effect.gen(function* () {
    const url = `${host}/v2/${blob.repository}/blobs/${blob.digest}`
    const asked = HttpClientRequest.get(url).pipe(
      HttpClientRequest.setHeaders(range === undefined ? {} : { range })
    )
    const response = yield* request(world.client, asked)
    const bytes = new Uint8Array(enough)
    let filled = 0
    yield* Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.gen(function* () {
        if (filled === 0) yield* onFirst
        bytes.set(chunk.subarray(0, enough - filled), filled)
        filled += Math.min(chunk.byteLength, enough - filled)
        return filled < enough
      })
    ).pipe(
      Effect.mapError(
        (error) => new ScenarioFailed({ message: `${range ?? "the whole"} broke off: ${error.message}` })
      )
    )
    return { status: response.status, headers: response.headers, bytes: bytes.slice(0, filled) }
  })

export const readRange = (world: ScenarioWorld, host: string, blob: NamedBlob, start: number, end: number) =>
  readSome(world, host, blob, `bytes=${start}-${end - 1}`, end - start)

const expectBytes = (world: ScenarioWorld, got: Uint8Array, expected: Uint8Array, what: string) =>
  expectThat(
    world.digests.digest("sha256", got) === world.digests.digest("sha256", expected),
    `${what}: the bytes are not the blob's`
  )

export const nothingUnderway = (world: ScenarioWorld, host: string) =>
  until(
    "the download without a client ended",
    Effect.map(metric(world, host, "shoal_downloads_underway"), (downloads) => downloads === 0)
  )

/** Number of pieces that ranges of a blob touch. */
const touched = (ranges: ReadonlyArray<readonly [number, number]>): number => {
  const pieces = new Set<number>()
  for (const [start, end] of ranges) {
    for (let piece = Math.floor(start / pieceLength); piece * pieceLength < end; piece++) pieces.add(piece)
  }
  return pieces.size
}

const firstByte: Scenario = {
  name: "the first byte of a cold blob waits for a bounded number of other pieces, for one agent and in a flash crowd",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, slow)
      const image = yield* pushImage(world, cluster.proxy, "demo/first", "1", [32 * MiB])
      const pieces = (32 * MiB) / pieceLength
      // The agent itself counts at the first byte: on a busy machine, a later look at its pieces would find more.
      const readFirst = (host: { readonly url: string }) =>
        Effect.andThen(
          readSome(world, host.url, largestOf(image), undefined, 1),
          Effect.all([
            metric(world, host.url, "shoal_cold_reads_total"),
            metric(world, host.url, "shoal_cold_read_pieces_total")
          ])
        )
      const counts = [yield* readFirst(yield* cluster.startAgent("agent-1"))]
      const crowd = yield* agents(cluster, ["agent-2", "agent-3", "agent-4"])
      counts.push(...(yield* Effect.forEach(crowd, readFirst, { concurrency: "unbounded" })))
      // Suggestions may go before a reader's piece for readerPatience pieces; then it goes first, behind what is
      // already requested or being stored. How many do go before it is a matter of time, which only the simulator
      // controls (src/runtime-sim/large-blob.test.ts: less than a tenth).
      const most = limits.readerPatience + 2 * limits.maxRequestsPerHost
      for (const [reads, stored] of counts) {
        yield* expectThat(reads === 1, `${reads} reads of a cold blob were counted`)
        yield* expectThat(stored <= most, `the first byte came after ${stored} of ${pieces} pieces`)
      }
    })
}

const hangsUp: Scenario = {
  name: "a client that hangs up cancels the requests that only it needs, and can pull the blob later",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, { ...slow, egress: 4 * MiB })
      const image = yield* pushImage(world, cluster.proxy, "demo/hangup", "1", [16 * MiB])
      const host = yield* cluster.startAgent("agent-1")
      yield* readSome(world, host.url, largestOf(image), undefined, 1)
      yield* nothingUnderway(world, host.url)
      const kept = yield* storedPieces(world, host.url)
      yield* expectThat(kept < 16, `${kept} of 64 pieces were fetched for a client that had hung up`)
      yield* pullBlob(world, host.url, image.repository, largest(image).digest)
    })
}

const openRangeHangsUp: Scenario = {
  name: "a client that hangs up after a chunk of an open range makes the agent fetch little more than the chunk",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, slow)
      const image = yield* pushImage(world, cluster.proxy, "demo/open", "1", [32 * MiB])
      const host = yield* cluster.startAgent("agent-1")
      const start = 8 * MiB + 100
      const chunk = 2 * MiB
      const got = yield* readSome(world, host.url, largestOf(image), `bytes=${start}-`, chunk)
      yield* expectThat(got.status === 206, `an open range was answered ${got.status}, not 206`)
      const { bytes } = largest(image)
      yield* expectBytes(world, got.bytes, bytes.slice(start, start + chunk), "an open range")
      yield* nothingUnderway(world, host.url)
      const kept = yield* storedPieces(world, host.url)
      // The reader may be one piece ahead of the client, and its window lies beyond that
      // (agentLimits.rangeAheadPieces).
      const most = touched([[start, start + chunk]]) + 1 + agentLimits.rangeAheadPieces
      yield* expectThat(kept <= most, `${kept} pieces were fetched for a chunk, more than ${most}`)
    })
}

const rangeOfLargeBlob: Scenario = {
  name: "one or several ranges of a cold blob fetch the pieces that they touch and no others",
  run: (world) =>
    Effect.gen(function* () {
      const cluster = yield* startHerdCluster(world, slow)
      const image = yield* pushImage(world, cluster.proxy, "demo/range", "1", [32 * MiB])
      const [one, other] = yield* agents(cluster, ["agent-1", "agent-2"])
      const { bytes } = largest(image)
      const single = [20 * MiB + 5, 21 * MiB + 5] as const
      const got = yield* readRange(world, one!.url, largestOf(image), ...single)
      yield* expectThat(got.status === 206, `a range was answered ${got.status}, not 206`)
      yield* expectBytes(world, got.bytes, bytes.slice(...single), "a range")
      const several = [
        [31 * MiB, 31 * MiB + 70_000],
        [17, 9000],
        [9001, 9002],
        [12 * MiB - 10, 12 * MiB + 400_000],
        [600_000, 600_100]
      ] as const
      const header = several.map(([start, end]) => `${start}-${end - 1}`).join(", ")
      const url = `${other!.url}/v2/${image.repository}/blobs/${largest(image).digest}`
      const response = yield* request(
        world.client,
        HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("range", `bytes=${header}`))
      )
      const parts = receivedParts(response.headers["content-type"], yield* bodyBytes(response))
      yield* expectThat(
        parts.map(({ start, end }) => `${start}-${end - 1}`).join(", ") === header,
        `the parts are not the requested ranges ${header}`
      )
      for (const part of parts) {
        yield* expectBytes(world, part.bytes, bytes.slice(part.start, part.end), "a part")
      }
      for (const [host, ranges] of [
        [one!, [single]],
        [other!, several]
      ] as const) {
        yield* nothingUnderway(world, host.url)
        const stored = yield* storedPieces(world, host.url)
        const expected = touched(ranges)
        yield* expectThat(stored === expected, `${stored} pieces were fetched where ranges touch ${expected}`)
      }
    })
}

const parallelOpenRanges: Scenario = {
  name: "parallel open ranges of a layer fetch each byte once",
  run: (world) =>
    Effect.gen(function* () {
      const length = 12 * MiB + 4321
      const cluster = yield* startHerdCluster(world, { ...slow, egress: 16 * MiB })
      const image = yield* pushImage(world, cluster.proxy, "demo/parallel", "1", [length])
      const host = yield* cluster.startAgent("agent-1")
      const { bytes } = largest(image)
      // Like containerd, the first request has no Range, and it hangs up after a chunk like the others.
      const chunk = MiB
      const offsets = Array.from({ length: Math.ceil(length / chunk) }, (_, index) => index * chunk)
      yield* Effect.forEach(
        offsets,
        (offset) =>
          Effect.gen(function* () {
            const range = offset === 0 ? undefined : `bytes=${offset}-`
            const enough = Math.min(chunk, length - offset)
            const got = yield* readSome(world, host.url, largestOf(image), range, enough)
            yield* expectThat(got.status === (offset === 0 ? 200 : 206), `${range}: status ${got.status}`)
            yield* expectBytes(world, got.bytes, bytes.slice(offset, offset + enough), `${range}`)
          }),
        { concurrency: 3, discard: true }
      )
      const fetched =
        (yield* received(world, host.url, "origin")) + (yield* received(world, host.url, "agent"))
      yield* expectThat(fetched === length, `${fetched} bytes were fetched for a blob of ${length}`)
      // The agent's store has the whole blob now, so nothing is requested from the swarm.
      yield* nothingUnderway(world, host.url)
      yield* pullBlob(world, host.url, image.repository, largest(image).digest)
      const after = (yield* received(world, host.url, "origin")) + (yield* received(world, host.url, "agent"))
      yield* expectThat(after === length, `${after - length} bytes were fetched again`)
    })
}

export const rangedReads: ReadonlyArray<Scenario> = [
  firstByte,
  hangsUp,
  openRangeHangsUp,
  rangeOfLargeBlob,
  parallelOpenRanges
]
