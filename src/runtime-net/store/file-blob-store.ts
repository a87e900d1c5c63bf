// A blob store in a folder (blob-folders.ts shows its layout). Uploads, metainfo and pieces have files of their own;
// this file puts them together, with complete blobs and with the repair of a store that is opened after a crash.
//
// Invariants: a name under blobs/ is whole, synced content of that digest. Opening removes leftovers in temporary/,
// downloads that can never be resumed, and uploads that nobody touched for two session lifetimes. Two processes must
// not open one folder (folder-lock.ts).

import { basename, join } from "node:path"
import { Effect, Option, type Scope, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { isArrival } from "../../protocol/wire/metainfo.ts"
import {
  BlobMissing,
  type BlobStat,
  type BlobStore,
  type BlobStoreError
} from "../../roles/services/blob-store.ts"
import type { BlobStoreUse } from "../../roles/services/host-storage.ts"
import { ServiceLimits } from "../../roles/services/limits.ts"
import { torrentOf } from "../platform/node-digests.ts"
import { type BlobFolders, blobFolders, digestsIn, makeBlobFolders } from "./blob-folders.ts"
import { readFileRange } from "./blob-reader.ts"
import { hashBlob, makeUploadTrees } from "./blob-tree.ts"
import type { Disk } from "./disk.ts"
import { type DiskFiles, makeDiskFiles } from "./disk-files.ts"
import { makeKeyLock } from "./key-lock.ts"
import { StoreLimits } from "./limits.ts"
import { makeMetainfoFiles } from "./metainfo-files.ts"
import { makePieceFiles } from "./piece-files.ts"
import { makeStoreUsage } from "./store-usage.ts"
import { makeUploads } from "./upload-files.ts"

/** Removes the useless leftovers of a crash. */
const cleanUp = Effect.fnUntraced(function* (files: DiskFiles, folders: BlobFolders) {
  const { uploadSessionTimeout } = yield* ServiceLimits
  for (const name of yield* files.list(folders.temporary)) {
    yield* files.removeFile(join(folders.temporary, basename(name)))
  }
  const forgottenBefore = Date.now() - (2 * uploadSessionTimeout) / 1000
  let resumable: string | undefined
  for (const name of yield* files.list(folders.uploads)) {
    const upload = yield* files.stat(folders.upload(name))
    if (Option.isNone(upload)) continue
    if (upload.value.modifiedAt < forgottenBefore) yield* files.removeFile(folders.upload(name))
    // The client is told the size that a killed process had written, and continues after it.
    else {
      yield* files.syncFile(folders.upload(name))
      resumable = folders.upload(name)
    }
  }
  // One sync for the names of all.
  if (resumable !== undefined) yield* files.syncName(resumable)
  for (const digest of yield* digestsIn(files, folders.downloads)) {
    const blob = yield* files.stat(folders.blob(digest))
    const metainfo = yield* files.stat(folders.metainfo(digest))
    if (Option.isNone(blob) && Option.isSome(metainfo)) continue
    yield* files.removeFile(folders.download(digest))
    yield* files.removeFile(folders.pieces(digest))
  }
})

/** Opens the blob store in `root` and creates it if it does not exist. Its files close with the scope. */
export const openFileBlobStore = Effect.fnUntraced(function* (
  disk: Disk,
  root: string,
  { seedsUploads = false }: BlobStoreUse = {}
): Effect.fn.Return<BlobStore, BlobStoreError, Scope.Scope> {
  const limits = yield* StoreLimits
  const files = makeDiskFiles(disk)
  const folders = blobFolders(root)
  yield* makeBlobFolders(files, folders)
  yield* cleanUp(files, folders)
  const lock = makeKeyLock()
  const metainfos = makeMetainfoFiles(files, folders)
  const pieces = makePieceFiles(files, folders, metainfos, lock, limits)
  const trees = seedsUploads ? makeUploadTrees(limits) : undefined
  const uploads = makeUploads(files, folders, limits, trees)

  const stat = (digest: Digest): Effect.Effect<Option.Option<BlobStat>, BlobStoreError> =>
    Effect.map(
      files.stat(folders.blob(digest)),
      Option.map(({ length }) => ({ digest, length }))
    )

  const existing = Effect.fnUntraced(function* (digest: Digest) {
    const found = yield* stat(digest)
    return Option.isSome(found) ? found.value : yield* new BlobMissing({ digest })
  })

  const list = Effect.gen(function* () {
    const digests = yield* digestsIn(files, folders.blobs)
    const found = yield* Effect.forEach(digests, stat, { concurrency: limits.maxParallelLooks })
    return found.flatMap((blob) => (Option.isSome(blob) ? [blob.value] : []))
  })

  const remove = (digest: Digest) =>
    Effect.gen(function* () {
      pieces.detach(digest)
      yield* files.removeFile(folders.blob(digest))
      yield* files.removeFile(folders.pieces(digest))
      yield* files.removeFile(folders.download(digest))
      yield* metainfos.remove(digest)
    }).pipe(lock.withKey(digest), Effect.uninterruptible)

  // An upload of the same digest may be committed at any moment, so the file of the blob is not touched.
  const removeDownload = (digest: Digest) =>
    Effect.gen(function* () {
      if (Option.isSome(yield* stat(digest))) return
      pieces.detach(digest)
      yield* files.removeFile(folders.pieces(digest))
      yield* files.removeFile(folders.download(digest))
      yield* metainfos.remove(digest)
    }).pipe(lock.withKey(digest), Effect.uninterruptible)

  const makeMetainfo = (digest: Digest, pieceLength: number) =>
    Effect.gen(function* () {
      const { length } = yield* existing(digest)
      const kept = yield* metainfos.get(digest)
      if (Option.isSome(kept)) return kept.value
      const shape = { digest, length, pieceLength }
      const { metainfo, layer } = trees?.take(shape) ?? (yield* hashBlob(files, folders.blob(digest), shape))
      return yield* metainfos.put(metainfo, layer)
    }).pipe(lock.withKey(digest))

  return {
    stat,
    read: (digest, start, end) =>
      Stream.unwrap(
        Effect.map(existing(digest), ({ length }) =>
          readFileRange(files, folders.blob(digest), start, Math.min(end, length))
        )
      ),
    remove,
    removeDownload,
    list,
    ...makeStoreUsage(files, folders, metainfos, limits),
    ...uploads,
    metainfo: metainfos.get,
    makeMetainfo,
    putMetainfo: (metainfo) =>
      isArrival(metainfo)
        ? Effect.succeed(torrentOf(metainfo))
        : lock.withKey(metainfo.digest)(metainfos.put(metainfo)),
    findSwarm: metainfos.findSwarm,
    openPieces: pieces.open,
    openArrival: pieces.openArrival
  }
})
