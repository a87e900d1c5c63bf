// The limits of a store on disk, each reached with an entry or two over a disk that counts its reads and can hold its
// writes back: what a store forgets it reads again, and a source waits for a disk that is slower.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { describe, expect } from "vitest"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import { testTree } from "../../../testing/roles/test-trees.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import type { BlobStore, PieceFile } from "../../roles/services/blob-store.ts"
import type { BlobStoreUse } from "../../roles/services/host-storage.ts"
import { ServiceLimits } from "../../roles/services/limits.ts"
import { digestOf, runningDigest } from "../platform/node-digests.ts"
import { type Disk, nodeDisk } from "./disk.ts"
import { openFileBlobStore } from "./file-blob-store.ts"
import { StoreLimits } from "./limits.ts"

const pieceLength = 16 * 1024

const makeFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-store-limits-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const sha256 = (bytes: Uint8Array): Digest => {
  const running = runningDigest("sha256")
  running.update(bytes)
  return running.finish()
}

/** A blob of one piece. */
const metainfoOf = (bytes: Uint8Array): Metainfo => testTree(digestOf, bytes, pieceLength).metainfo

/** A store, and what it read since it was asked last: bytes of blobs, uploads and downloads. */
const openCounted = (limits: Partial<StoreLimits>, use?: BlobStoreUse) =>
  Effect.gen(function* () {
    let read = 0
    const disk: Disk = {
      ...nodeDisk,
      read: (file, target, position, done) =>
        nodeDisk.read(file, target, position, (error, count) => {
          read += count
          done(error, count)
        })
    }
    const blobs = yield* withLimits(openFileBlobStore(disk, yield* makeFolder, use), StoreLimits, limits)
    const bytesRead = (): number => {
      const since = read
      read = 0
      return since
    }
    return { blobs, bytesRead }
  })

const append = (blobs: BlobStore, bytes: Uint8Array) =>
  Effect.gen(function* () {
    const upload = yield* blobs.createUpload
    yield* blobs.appendUpload(upload, 0, Stream.succeed(bytes))
    return upload
  })

const storePiece = (file: PieceFile, bytes: Uint8Array) =>
  Effect.callback<string>((resume) =>
    file.store(0, bytes, new Uint8Array(0), ({ tag }) => resume(Effect.succeed(tag)))
  )

describe("a store", () => {
  it.live("streams a blob in chunks of readChunkBytes", () =>
    Effect.gen(function* () {
      const blobs = yield* openFileBlobStore(nodeDisk, yield* makeFolder)
      const bytes = sampleBytes(1, 25)
      const digest = sha256(bytes)
      yield* blobs.commitUpload(yield* append(blobs, bytes), digest)
      const chunks = yield* withLimits(Stream.runCollect(blobs.read(digest, 0, 25)), StoreLimits, {
        readChunkBytes: 10
      })
      expect([...chunks].map(({ length }) => length)).toEqual([10, 10, 5])
    }).pipe(Effect.scoped)
  )

  it.live(
    "keeps the running digest of maxUploadsHashed uploads, and reads the others again at their commit",
    () =>
      Effect.gen(function* () {
        const { blobs, bytesRead } = yield* openCounted({ maxUploadsHashed: 2 })
        const contents = [1, 2, 3].map((seed) => sampleBytes(seed, 1000))
        const uploads = yield* Effect.forEach(contents, (bytes) => append(blobs, bytes))
        bytesRead()
        const readAtCommit = yield* Effect.forEach(uploads, (upload, index) =>
          Effect.map(blobs.commitUpload(upload, sha256(contents[index]!)), bytesRead)
        )
        expect(readAtCommit).toEqual([1000, 0, 0])
      })
  )

  it.live(
    "makes the metainfo of maxUploadTreesKept seeded uploads without reading them, in chunks of any size",
    () =>
      Effect.gen(function* () {
        const { blobs, bytesRead } = yield* openCounted({ maxUploadTreesKept: 3 }, { seedsUploads: true })
        const long = 256 * 1024
        const lengths = [1, 100, long - 1, long, long + 1, 3 * long, 5 * long + 20_000]
        const contents = lengths.map((length, seed) => sampleBytes(seed, length))
        const cut = (bytes: Uint8Array, size: number) =>
          Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
            bytes.subarray(at * size, (at + 1) * size)
          )
        for (const bytes of contents) {
          for (const [size, pieces] of [
            [7001, long],
            [16 * 1024, long],
            [100_000, 2 * long],
            [bytes.length, 4 * long]
          ] as const) {
            const upload = yield* blobs.createUpload
            yield* blobs.appendUpload(upload, 0, Stream.fromIterable(cut(bytes, size)))
            yield* blobs.commitUpload(upload, sha256(bytes))
            bytesRead()
            const { metainfo } = yield* blobs.makeMetainfo(sha256(bytes), pieces)
            expect(bytesRead()).toBe(0)
            expect(metainfo).toEqual(testTree(digestOf, bytes, pieces).metainfo)
            yield* blobs.remove(sha256(bytes))
          }
        }
        for (const bytes of contents) {
          const upload = yield* append(blobs, bytes)
          yield* blobs.commitUpload(upload, sha256(bytes))
        }
        bytesRead()
        const reads = yield* Effect.forEach(contents, (bytes) =>
          Effect.map(blobs.makeMetainfo(sha256(bytes), long), bytesRead)
        )
        expect(reads).toEqual(lengths.map((length, index) => (index < 4 ? length : 0)))
      })
  )

  it.live(
    "remembers what maxClosedDownloadsKept closed downloads have, and has the others checked again",
    () =>
      Effect.gen(function* () {
        const { blobs, bytesRead } = yield* openCounted({ maxClosedDownloadsKept: 2 })
        const contents = [1, 2, 3].map((seed) => sampleBytes(seed, pieceLength))
        for (const bytes of contents) {
          const opened = Effect.flatMap(blobs.openPieces(metainfoOf(bytes)), (file) =>
            storePiece(file, bytes)
          )
          expect(yield* Effect.scoped(opened)).toBe("Stored")
        }
        const resumed = (bytes: Uint8Array) =>
          Effect.scoped(
            Effect.gen(function* () {
              bytesRead()
              const file = yield* blobs.openPieces(metainfoOf(bytes))
              expect(bytesRead()).toBeLessThan(pieceLength)
              return { has: file.have().count, recorded: file.recorded().count }
            })
          )
        expect(yield* Effect.forEach([...contents].reverse(), resumed)).toEqual([
          { has: 1, recorded: 0 },
          { has: 1, recorded: 0 },
          { has: 0, recorded: 1 }
        ])
      })
  )

  it.live("lets the source of an upload wait once maxGatheredWrite bytes are gathered", () =>
    Effect.gen(function* () {
      const held: Array<() => void> = []
      let holding = false
      const disk: Disk = {
        ...nodeDisk,
        write: (...write) => {
          if (holding) held.push(() => nodeDisk.write(...write))
          else nodeDisk.write(...write)
        }
      }
      const release = (): void => {
        holding = false
        for (const write of held.splice(0)) write()
      }
      const folder = yield* makeFolder
      const blobs = yield* withLimits(openFileBlobStore(disk, folder), StoreLimits, { maxGatheredWrite: 25 })
      const upload = yield* blobs.createUpload
      holding = true
      yield* Effect.addFinalizer(() => Effect.sync(release))
      let taken = 0
      const bytes = Stream.fromIterable(Array.from({ length: 10 }, () => new Uint8Array(10))).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => void taken++))
      )
      const appending = yield* Effect.forkChild(blobs.appendUpload(upload, 0, bytes))
      while (held.length === 0) yield* Effect.promise(() => new Promise(setImmediate))
      for (let turn = 0; turn < 100; turn++) yield* Effect.promise(() => new Promise(setImmediate))
      // The first chunk is being written, three more are gathered, and nothing else is asked for.
      expect(taken).toBe(4)
      release()
      expect(yield* Fiber.join(appending)).toBe(100)
    })
  )

  it.live("looks at maxParallelLooks files at once when it is listed and measured", () =>
    Effect.gen(function* () {
      let now = 0
      let most = 0
      const disk: Disk = {
        ...nodeDisk,
        stat: (path, done) => {
          most = Math.max(most, ++now)
          nodeDisk.stat(path, (...outcome) => {
            now--
            done(...outcome)
          })
        }
      }
      const blobs = yield* withLimits(openFileBlobStore(disk, yield* makeFolder), StoreLimits, {
        maxParallelLooks: 2
      })
      for (const seed of [1, 2, 3, 4, 5]) {
        const bytes = sampleBytes(seed, 10)
        yield* blobs.commitUpload(yield* append(blobs, bytes), sha256(bytes))
      }
      for (const look of [blobs.list, blobs.usage] as const) {
        most = 0
        yield* Effect.asVoid<unknown, unknown, never>(look)
        expect(most).toBe(2)
      }
    })
  )

  it.live("drops an upload that nobody touched for two session lifetimes when it is opened", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const touchedAt = (upload: string, at: number) =>
        Effect.callback<void>((resume) =>
          nodeDisk.setModified(join(folder, "uploads", upload), at, () => resume(Effect.void))
        )
      const uploads = yield* Effect.scoped(
        Effect.flatMap(openFileBlobStore(nodeDisk, folder), (blobs) =>
          Effect.all([append(blobs, sampleBytes(1, 10)), append(blobs, sampleBytes(2, 10))])
        )
      )
      const hour = 3_600_000
      yield* touchedAt(uploads[0], Date.now() - 3 * hour)
      yield* touchedAt(uploads[1], Date.now() - hour)
      const opened = withLimits(openFileBlobStore(nodeDisk, folder), ServiceLimits, {
        uploadSessionTimeout: hour * 1000
      })
      const blobs = yield* opened
      expect((yield* Effect.flip(blobs.uploadSize(uploads[0])))._tag).toBe("UploadUnknown")
      expect(yield* blobs.uploadSize(uploads[1])).toBe(10)
    })
  )
})
