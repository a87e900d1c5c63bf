// A disk budget over a real folder: what the store says it takes is what its files take, and the budget keeps them
// within it, also what an earlier process left.

import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Clock, Deferred, Effect, type Scope, Stream } from "effect"
import { describe, expect } from "vitest"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import { metainfoOf, sha256, store } from "../../../testing/runtime-net/store-life.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeDiskBudget } from "../../roles/agent/disk-budget.ts"
import type { BlobStore } from "../../roles/services/blob-store.ts"
import { makeRoleMetrics } from "../../roles/services/metrics.ts"
import { nodeTimers } from "../platform/node-timers.ts"
import { type FencedDisk, fenceDisk, nodeDisk } from "../store/disk.ts"
import { openFileBlobStore } from "../store/file-blob-store.ts"

const KiB = 1024

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-budget-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Bytes of the medium that the files below a folder take. */
const taken = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => {
      const { size, blocks } = statSync(join(parentPath, name))
      const hasHoles = parentPath.startsWith(join(folder, "downloads"))
      return sum + Math.max(hasHoles ? 0 : size, blocks * 512)
    }, 0)

const measured = (blobs: BlobStore) =>
  Effect.map(blobs.usage, ({ kept, other }) => kept.reduce((sum, { bytes }) => sum + bytes, other))

const put = Effect.fnUntraced(function* (blobs: BlobStore, bytes: Uint8Array) {
  const upload = yield* blobs.createUpload
  yield* blobs.appendUpload(upload, 0, Stream.make(bytes))
  yield* blobs.commitUpload(upload, sha256(bytes))
  yield* blobs.makeMetainfo(sha256(bytes), 16 * KiB)
})

const digestsIn = (blobs: BlobStore) =>
  Effect.map(blobs.usage, ({ kept }) => kept.map(({ digest }) => digest).sort())

describe("the usage of a real folder", () => {
  it.live("is what its files take, before and after the host was killed in the middle of things", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const life = (fenced: FencedDisk) =>
        Effect.gen(function* () {
          const blobs = yield* openFileBlobStore(fenced.disk, root)
          for (const seed of [1, 2]) yield* put(blobs, sampleBytes(seed, 100 * KiB))
          const upload = yield* blobs.createUpload
          yield* blobs.appendUpload(upload, 0, Stream.make(sampleBytes(3, 50 * KiB)))
          const bytes = sampleBytes(4, 1024 * KiB)
          const file = yield* blobs.openPieces(metainfoOf(bytes))
          for (const piece of [1, 30, 31, 50]) yield* store(file, bytes, piece)
          expect(yield* measured(blobs)).toBe(taken(root))
          fenced.fence()
        })
      yield* Effect.exit(Effect.scoped(life(fenceDisk(nodeDisk))))
      const blobs = yield* openFileBlobStore(nodeDisk, root)
      const bytes = yield* measured(blobs)
      expect(bytes).toBe(taken(root))
      expect(bytes).toBeGreaterThan(300 * KiB)
      expect(bytes).toBeLessThan(450 * KiB)
    }).pipe(Effect.scoped)
  )
})

describe("a disk budget on a real folder", () => {
  /** The store within a budget; `gone` is told of each eviction. */
  const bounded = (blobs: BlobStore, gone: (digest: Digest) => void) =>
    Effect.gen(function* () {
      const config = { budget: 1000 * KiB, highWatermark: 0.9, lowWatermark: 0.5 }
      const disk = yield* makeDiskBudget({ blobs, config, metrics: makeRoleMetrics("agent") })
      yield* disk.run((digest) =>
        Effect.gen(function* () {
          yield* disk.blobs.remove(digest)
          gone(digest)
          return true
        })
      )
      return disk.blobs
    }).pipe(Effect.provide(nodeTimers))

  const withStore = <A, E>(root: string, use: (blobs: BlobStore) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.scoped(Effect.flatMap(openFileBlobStore(nodeDisk, root), use))

  it.live("keeps its files within it, those used last, also over a restart", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const contents = Array.from({ length: 8 }, (_, seed) => sampleBytes(seed + 1, 150 * KiB))
      // An earlier life without a budget: used more than an hour ago, the first blobs last.
      yield* withStore(root, (blobs) =>
        Effect.gen(function* () {
          for (const bytes of contents) yield* put(blobs, bytes)
          const hourAgo = (yield* Clock.currentTimeMillis) - 3_600_000
          for (const [index, bytes] of contents.entries()) {
            yield* blobs.noteUse(sha256(bytes), hourAgo - index * 60_000)
          }
        })
      )
      expect(taken(root)).toBeGreaterThan(1000 * KiB)
      const [first, second, third] = contents.map((bytes) => sha256(bytes)) as [Digest, Digest, Digest]
      yield* withStore(root, (blobs) =>
        Effect.gen(function* () {
          yield* bounded(blobs, () => {})
          expect(yield* digestsIn(blobs)).toEqual([first, second, third].sort())
          expect(taken(root)).toBeLessThanOrEqual(500 * KiB)
        })
      )
      const fresh = (seed: number) => sampleBytes(seed, 150 * KiB)
      const newer = [fresh(20), fresh(21), fresh(22)] as const
      const digests = newer.map((bytes) => sha256(bytes)) as [Digest, Digest, Digest]
      yield* withStore(root, (store) =>
        Effect.gen(function* () {
          const gone: Digest[] = []
          const enough = Deferred.makeUnsafe<void>()
          const blobs = yield* bounded(store, (digest) => {
            if (gone.push(digest) === 3) Deferred.doneUnsafe(enough, Effect.void)
          })
          yield* put(blobs, newer[0])
          yield* put(blobs, newer[1])
          yield* Stream.runDrain(blobs.read(third, 0, 10))
          yield* put(blobs, newer[2])
          yield* Deferred.await(enough)
          expect(gone).toEqual([second, first, digests[0]])
          expect(yield* digestsIn(store)).toEqual([third, digests[1], digests[2]].sort())
          expect(taken(root)).toBeLessThanOrEqual(500 * KiB)
        })
      )
    }).pipe(Effect.scoped)
  )
})
