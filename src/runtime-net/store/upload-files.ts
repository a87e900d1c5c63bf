// Uploads in files: how one grows and becomes a blob. Bytes go to uploads/<id> at their offset, and each append ends
// with a sync, the first one also of the name, so a size that a client was told survives a crash. A process hashes what
// it appends, so that the commit need not read the file again; after a restart, or for SHA-512, the commit reads it
// once. Where uploads are seeded, their hash trees are computed in the same pass.
//
//   none --create--> growing --append--> growing --commit, digest right--> blob
//                                          |--commit, digest wrong--> none
//                                          |--abort--> none
//
// A blob whose sender cannot resume is received in one go, under a temporary name.
//
// Invariants: an upload has one append or commit at a time. Bytes beyond the acknowledged size stay in the file after a
// crash and count from then on (docs/decisions.md).

import { randomBytes } from "node:crypto"
import { dirname, join } from "node:path"
import { Effect, Option, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { type Digest, digestAlgorithm } from "../../protocol/wire/digest.ts"
import {
  type BlobStat,
  type BlobStore,
  type BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../../roles/services/blob-store.ts"
import { type RunningDigest, runningDigest } from "../platform/node-digests.ts"
import { type AppendWriter, writeBehind } from "./append-writer.ts"
import type { BlobFolders } from "./blob-folders.ts"
import { readFileRange } from "./blob-reader.ts"
import type { RunningTree, UploadTrees } from "./blob-tree.ts"
import type { DiskFiles } from "./disk-files.ts"
import { makeKeyLock } from "./key-lock.ts"
import type { StoreLimits } from "./limits.ts"

type Uploads = Pick<
  BlobStore,
  "createUpload" | "uploadSize" | "appendUpload" | "commitUpload" | "abortUpload" | "receive"
>

/** What is computed of a blob while it comes. */
interface RunningHashes {
  readonly digest: RunningDigest
  readonly tree: RunningTree | undefined
}

/** What the process knows of an upload that it has seen from the first byte. */
interface SeenFromStart extends RunningHashes {
  size: number
}

/** Hands a stream to the writer. The disk writes while this thread hashes. */
const writeHashed = <E>(
  writer: AppendWriter,
  bytes: Stream.Stream<Uint8Array, E>,
  hashes: RunningHashes | undefined
): Effect.Effect<void, E | BlobStoreError> =>
  Stream.runForEach(bytes, (chunk) =>
    Effect.suspend(() => {
      const wait = writer.offer(chunk)
      hashes?.digest.update(chunk)
      hashes?.tree?.update(chunk)
      return wait ?? Effect.void
    })
  )

const uploadName = /^[0-9a-f]{32}$/

export const makeUploads = (
  files: DiskFiles,
  folders: BlobFolders,
  limits: StoreLimits,
  trees: UploadTrees | undefined
): Uploads => {
  const lock = makeKeyLock()
  const seen = new BoundedMap<string, SeenFromStart>(limits.maxUploadsHashed)

  const remember = (upload: string): void => {
    // Beyond the limit the oldest is dropped: its commit reads the file again.
    seen.set(upload, { size: 0, digest: runningDigest("sha256"), tree: trees?.begin() })
  }

  const createUpload = Effect.gen(function* () {
    const upload = randomBytes(16).toString("hex")
    yield* files.createFile(folders.upload(upload))
    remember(upload)
    return upload
  })

  const uploadSize = Effect.fnUntraced(function* (upload: string) {
    const found = uploadName.test(upload) ? yield* files.stat(folders.upload(upload)) : Option.none()
    if (Option.isNone(found)) return yield* new UploadUnknown({ upload })
    return found.value.length
  })

  const append = Effect.fnUntraced(function* <E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ) {
    const size = yield* uploadSize(upload)
    if (offset !== size) return yield* new UploadOffsetWrong({ upload, expected: size, got: offset })
    const path = folders.upload(upload)
    const known = seen.get(upload)
    const file = yield* files.open(path, "update")
    const writer = writeBehind(files.disk, path, file, size, limits.maxGatheredWrite)
    /** Set while a sync runs. After a failed one the kernel may have dropped what it should have written. */
    let isSyncing = false
    const settle = Effect.gen(function* () {
      yield* writer.flush
      isSyncing = true
      yield* files.sync(path, file)
      if (size === 0) yield* files.syncName(path)
      isSyncing = false
      if (known !== undefined) known.size = writer.written()
    }).pipe(
      // Bytes that did not reach the disk whole are cut off. The running digest is ahead of the file then, so it is
      // dropped.
      Effect.onError(() => {
        seen.delete(upload)
        return Effect.ignore(files.truncate(path, file, isSyncing ? size : writer.written()))
      }),
      Effect.uninterruptible
    )
    yield* writeHashed(writer, bytes, known).pipe(
      Effect.onExit((exit) => (exit._tag === "Success" ? Effect.void : Effect.ignore(settle)))
    )
    yield* settle
    return writer.written()
  }, Effect.scoped)

  const hashWhole = Effect.fnUntraced(function* (path: string, size: number, digest: Digest) {
    const running = runningDigest(digestAlgorithm(digest))
    yield* Stream.runForEach(readFileRange(files, path, 0, size), (chunk) =>
      Effect.sync(() => running.update(chunk))
    )
    return running.finish()
  })

  const commit = Effect.fnUntraced(function* (upload: string, digest: Digest) {
    const size = yield* uploadSize(upload)
    const path = folders.upload(upload)
    const known = seen.get(upload)
    seen.delete(upload)
    const synced = known !== undefined && known.size === size
    const actual =
      synced && digestAlgorithm(digest) === "sha256"
        ? known.digest.finish()
        : yield* hashWhole(path, size, digest)
    if (actual !== digest) {
      yield* files.removeFile(path)
      return yield* new DigestMismatch({ expected: digest, actual })
    }
    const blob = folders.blob(digest)
    yield* files.makeFolder(dirname(blob))
    // Every successful append ended with a sync, so only the name is new.
    if (!synced) yield* files.syncFile(path)
    yield* files.installFile(path, blob)
    if (synced && known.tree !== undefined) trees?.committed(digest, known.tree)
    const stat: BlobStat = { digest, length: size }
    return stat
  })

  const abortUpload = (upload: string): Effect.Effect<void, UploadUnknown | BlobStoreError> =>
    Effect.gen(function* () {
      yield* uploadSize(upload)
      seen.delete(upload)
      yield* files.removeFile(folders.upload(upload))
    }).pipe(lock.withKey(upload))

  /** The file has a temporary name until it is whole, so what a crash leaves is removed at the next start. */
  const receive = Effect.fnUntraced(function* <E>(digest: Digest, bytes: Stream.Stream<Uint8Array, E>) {
    const path = join(folders.temporary, randomBytes(16).toString("hex"))
    const hashes: RunningHashes = {
      digest: runningDigest(digestAlgorithm(digest)),
      tree: trees?.begin()
    }
    const write = Effect.gen(function* () {
      const file = yield* files.open(path, "replace")
      const writer = writeBehind(files.disk, path, file, 0, limits.maxGatheredWrite)
      // The file must not be closed while it is written.
      yield* Effect.ensuring(writeHashed(writer, bytes, hashes), Effect.ignore(writer.flush))
      yield* writer.flush
      const actual = hashes.digest.finish()
      if (actual !== digest) return yield* new DigestMismatch({ expected: digest, actual })
      yield* files.sync(path, file)
      return writer.written()
    })
    const install = Effect.fnUntraced(function* (length: number) {
      const blob = folders.blob(digest)
      yield* files.makeFolder(dirname(blob))
      yield* files.installFile(path, blob)
      if (hashes.tree !== undefined) trees?.committed(digest, hashes.tree)
      const stat: BlobStat = { digest, length }
      return stat
    })
    return yield* Effect.scoped(write).pipe(
      Effect.flatMap(install),
      Effect.onError(() => Effect.ignore(files.removeFile(path)))
    )
  })

  return {
    createUpload,
    uploadSize,
    receive,
    appendUpload: (upload, offset, bytes) => lock.withKey(upload)(append(upload, offset, bytes)),
    commitUpload: (upload, digest) => lock.withKey(upload)(commit(upload, digest)),
    abortUpload
  }
}
