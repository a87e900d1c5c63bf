// Decides how uploads grow on a simulated disk: chunks are kept as they come and acknowledged as a whole; a kill leaves
// what was acknowledged. One append or commit at a time for an upload.

import { Effect, Semaphore, Stream } from "effect"
import type { Digest } from "../protocol/digest.ts"
import {
  type BlobStat,
  type BlobStore,
  type BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../roles/services/blob-store.ts"
import { RealContent } from "./blob-content.ts"
import type { SimFolder, StoredUpload } from "./sim-disk.ts"
import type { StorageSession } from "./storage-session.ts"

type Uploads = Pick<
  BlobStore,
  "createUpload" | "uploadSize" | "appendUpload" | "commitUpload" | "abortUpload"
>

export const makeSimUploads = (session: StorageSession, folder: SimFolder): Uploads => {
  const { disk, process } = session
  /** Made with the first upload. */
  let locks: Map<string, Semaphore.Semaphore> | undefined

  const locked = <A, E>(upload: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    locks ??= new Map()
    let lock = locks.get(upload)
    if (lock === undefined) {
      lock = Semaphore.makeUnsafe(1)
      locks.set(upload, lock)
    }
    return lock.withPermits(1)(effect)
  }

  const find = (
    upload: string,
    operation: string
  ): Effect.Effect<StoredUpload, UploadUnknown | BlobStoreError> =>
    Effect.suspend((): Effect.Effect<StoredUpload, UploadUnknown | BlobStoreError> => {
      if (!process.alive) return Effect.fail(session.fenced(operation))
      const stored = folder.uploads.get(upload)
      return stored === undefined ? Effect.fail(new UploadUnknown({ upload })) : Effect.succeed(stored)
    })

  const discard = (upload: string): void => {
    const stored = folder.uploads.get(upload)
    if (stored !== undefined) disk.free(stored.size)
    folder.uploads.delete(upload)
    locks?.delete(upload)
  }

  const write = (stored: StoredUpload, chunk: Uint8Array): Effect.Effect<void, BlobStoreError> =>
    Effect.suspend(() => {
      if (!disk.allocate(chunk.byteLength)) return Effect.fail(session.full("write an upload"))
      // The giver may use its buffer again.
      const kept = chunk.slice()
      return Effect.map(session.until(disk.writeDone(chunk.byteLength), "write an upload"), () => {
        stored.chunks.push(kept)
        stored.size += kept.byteLength
      })
    })

  const append = <E>(upload: string, offset: number, bytes: Stream.Stream<Uint8Array, E>) =>
    Effect.gen(function* () {
      const stored = yield* find(upload, "write an upload")
      if (stored.size !== offset) {
        return yield* new UploadOffsetWrong({ upload, expected: stored.size, got: offset })
      }
      yield* Effect.ensuring(
        Stream.runForEach(bytes, (chunk) => Effect.uninterruptible(write(stored, chunk))),
        Effect.sync(() => {
          if (process.alive) stored.durable = stored.size
        })
      )
      return stored.size
    })

  const commit = (upload: string, digest: Digest) =>
    Effect.gen(function* () {
      const stored = yield* find(upload, "commit an upload")
      const length = stored.size
      yield* session.until(disk.hashDone(length), "commit an upload")
      yield* session.until(process.kernel.now + disk.options.commitDelay, "commit an upload")
      const bytes = new Uint8Array(length)
      let at = 0
      for (const chunk of stored.chunks) {
        bytes.set(chunk, at)
        at += chunk.byteLength
      }
      const content = RealContent.ofBytes(bytes)
      const actual = content.digest(digest)
      if (actual !== digest) {
        discard(upload)
        return yield* new DigestMismatch({ expected: digest, actual })
      }
      folder.uploads.delete(upload)
      locks?.delete(upload)
      if (folder.blobs.has(digest)) disk.free(length)
      else folder.blobs.set(digest, content)
      disk.noteUse(folder, digest)
      return { digest, length } satisfies BlobStat
    })

  return {
    createUpload: Effect.map(session.checkAlive("create an upload"), () => {
      const upload = disk.names.nextHex(16)
      folder.uploads.set(upload, { chunks: [], size: 0, durable: 0 })
      return upload
    }),
    uploadSize: (upload) => Effect.map(find(upload, "look at an upload"), ({ size }) => size),
    appendUpload: (upload, offset, bytes) => locked(upload, append(upload, offset, bytes)),
    commitUpload: (upload, digest) => locked(upload, commit(upload, digest)),
    abortUpload: (upload) => Effect.map(find(upload, "abort an upload"), () => discard(upload))
  }
}
