// Uploads on a simulated disk. Chunks are stored as they come and acknowledged as a whole; a kill leaves the
// acknowledged bytes. An upload accepts one append or commit at a time.

import { Effect, Semaphore, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  type BlobStat,
  type BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../../roles/services/blob-store.ts"
import { RealContent } from "./blob-content.ts"
import type { SimFolder, StoredUpload } from "./sim-disk.ts"
import type { StorageSession } from "./storage-session.ts"

export class SimUploads {
  readonly #session: StorageSession
  readonly #folder: SimFolder
  readonly #locks = new Map<string, Semaphore.Semaphore>()

  constructor(session: StorageSession, folder: SimFolder) {
    this.#session = session
    this.#folder = folder
  }

  get create(): Effect.Effect<string, BlobStoreError> {
    return Effect.map(this.#session.checkAlive("create an upload"), () => {
      const upload = this.#session.disk.names.nextHex(16)
      this.#folder.uploads ??= new Map()
      this.#folder.uploads.set(upload, { chunks: [], size: 0, durable: 0 })
      return upload
    })
  }

  size(upload: string): Effect.Effect<number, UploadUnknown | BlobStoreError> {
    return Effect.map(this.#find(upload, "look up an upload"), ({ size }) => size)
  }

  append<E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<number, E | UploadUnknown | UploadOffsetWrong | BlobStoreError> {
    return this.#locked(upload, this.#append(upload, offset, bytes))
  }

  commit(
    upload: string,
    digest: Digest
  ): Effect.Effect<BlobStat, UploadUnknown | DigestMismatch | BlobStoreError> {
    return this.#locked(upload, this.#commit(upload, digest))
  }

  abort(upload: string): Effect.Effect<void, UploadUnknown | BlobStoreError> {
    return Effect.map(this.#find(upload, "abort an upload"), () => this.#discard(upload))
  }

  receive<E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<BlobStat, E | DigestMismatch | BlobStoreError> {
    this.#folder.receiving ??= new Set()
    const { receiving } = this.#folder
    const received = (upload: string) =>
      Effect.andThen(this.#append(upload, 0, bytes), this.#commit(upload, digest)).pipe(
        Effect.catch((error) =>
          error instanceof UploadUnknown || error instanceof UploadOffsetWrong
            ? Effect.die(error)
            : Effect.fail(error)
        )
      )
    return Effect.acquireUseRelease(
      Effect.tap(this.create, (upload) => Effect.sync(() => receiving.add(upload))),
      received,
      (upload) =>
        Effect.sync(() => {
          if (!this.#session.process.alive) return
          this.#discard(upload)
          receiving.delete(upload)
        })
    )
  }

  /** Removes what an earlier process was receiving. */
  dropReceived(): void {
    for (const upload of this.#folder.receiving ?? []) this.#discard(upload)
    this.#folder.receiving?.clear()
  }

  #locked<A, E>(upload: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    let lock = this.#locks.get(upload)
    if (lock === undefined) {
      lock = Semaphore.makeUnsafe(1)
      this.#locks.set(upload, lock)
    }
    return lock.withPermits(1)(effect)
  }

  #find(upload: string, operation: string): Effect.Effect<StoredUpload, UploadUnknown | BlobStoreError> {
    const session = this.#session
    return Effect.suspend((): Effect.Effect<StoredUpload, UploadUnknown | BlobStoreError> => {
      if (!session.process.alive) return Effect.fail(session.fenced(operation))
      const stored = this.#folder.uploads?.get(upload)
      return stored === undefined ? Effect.fail(new UploadUnknown({ upload })) : Effect.succeed(stored)
    })
  }

  #discard(upload: string): void {
    const { uploads } = this.#folder
    const stored = uploads?.get(upload)
    if (stored !== undefined) this.#session.disk.free(stored.size)
    uploads?.delete(upload)
    this.#locks.delete(upload)
  }

  #write(stored: StoredUpload, chunk: Uint8Array): Effect.Effect<void, BlobStoreError> {
    const session = this.#session
    const { disk } = session
    return Effect.suspend(() => {
      if (!disk.allocate(chunk.byteLength)) return Effect.fail(session.full("write an upload"))
      // The caller may reuse its buffer.
      const kept = chunk.slice()
      return Effect.map(session.until(disk.writeDone(chunk.byteLength), "write an upload"), () => {
        stored.chunks.push(kept)
        stored.size += kept.byteLength
      })
    })
  }

  #append<E>(upload: string, offset: number, bytes: Stream.Stream<Uint8Array, E>) {
    return Effect.gen({ self: this }, function* () {
      const stored = yield* this.#find(upload, "write an upload")
      if (stored.size !== offset) {
        return yield* new UploadOffsetWrong({ upload, expected: stored.size, got: offset })
      }
      yield* Effect.ensuring(
        Stream.runForEach(bytes, (chunk) => Effect.uninterruptible(this.#write(stored, chunk))),
        Effect.sync(() => {
          if (this.#session.process.alive) stored.durable = stored.size
        })
      )
      return stored.size
    })
  }

  #commit(upload: string, digest: Digest) {
    return Effect.gen({ self: this }, function* () {
      const session = this.#session
      const { disk, process } = session
      const { uploads, blobs } = this.#folder
      const stored = yield* this.#find(upload, "commit an upload")
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
        this.#discard(upload)
        return yield* new DigestMismatch({ expected: digest, actual })
      }
      uploads?.delete(upload)
      this.#locks.delete(upload)
      if (blobs.has(digest)) disk.free(length)
      else blobs.set(digest, content)
      disk.noteUse(this.#folder, digest)
      return { digest, length } satisfies BlobStat
    })
  }
}
