// Metainfo of blobs and downloads: canonical bytes in a file named by the digest, and an index from swarm id to digest.
// The entry of the index is written first, so metainfo that exists can be found. An entry that leads to other metainfo,
// or to none, counts as absent.
//
// Invariant: metainfo that is returned decodes and belongs to the digest that was asked for.

import { dirname } from "node:path"
import { Effect, Option, Stream } from "effect"
import { type Digest, digestEncoded, fromHex, parseDigest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import {
  decodeMetainfo,
  encodeMetainfo,
  type Metainfo,
  pieceCount,
  pieceHashBytes,
  type Torrent
} from "../../protocol/wire/metainfo.ts"
import type { BlobStoreError } from "../../roles/services/blob-store.ts"
import { runningDigest, torrentOf } from "../platform/node-digests.ts"
import type { BlobFolders } from "./blob-folders.ts"
import { readFileRange } from "./blob-reader.ts"
import type { DiskFiles } from "./disk-files.ts"

export interface MetainfoFiles {
  readonly get: (digest: Digest) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
  /** Stores it in place of any earlier one. */
  readonly put: (metainfo: Metainfo) => Effect.Effect<Torrent, BlobStoreError>
  readonly remove: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  readonly findSwarm: (swarm: SwarmId) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
}

export const makeMetainfoFiles = (files: DiskFiles, folders: BlobFolders): MetainfoFiles => {
  const get = (digest: Digest): Effect.Effect<Option.Option<Torrent>, BlobStoreError> =>
    Effect.map(files.readSmall(folders.metainfo(digest)), (bytes) => {
      if (Option.isNone(bytes)) return Option.none()
      const metainfo = decodeMetainfo(bytes.value)
      return "tag" in metainfo || metainfo.digest !== digest
        ? Option.none()
        : Option.some(torrentOf(metainfo))
    })

  const put = Effect.fnUntraced(function* (metainfo: Metainfo) {
    const torrent = torrentOf(metainfo)
    const before = yield* get(metainfo.digest)
    if (Option.isSome(before) && before.value.swarm === torrent.swarm) return before.value
    const index = folders.swarm(torrent.swarm)
    const sidecar = folders.metainfo(metainfo.digest)
    yield* files.makeFolder(dirname(index))
    yield* files.makeFolder(dirname(sidecar))
    yield* files.replaceFile(index, new TextEncoder().encode(metainfo.digest), folders.temporary)
    yield* files.replaceFile(sidecar, encodeMetainfo(metainfo), folders.temporary)
    if (Option.isSome(before)) yield* files.removeFile(folders.swarm(before.value.swarm))
    return torrent
  }, Effect.uninterruptible)

  const remove = Effect.fnUntraced(function* (digest: Digest) {
    const before = yield* get(digest)
    yield* files.removeFile(folders.metainfo(digest))
    if (Option.isSome(before)) yield* files.removeFile(folders.swarm(before.value.swarm))
  }, Effect.uninterruptible)

  const findSwarm = Effect.fnUntraced(function* (swarm: SwarmId) {
    const entry = yield* files.readSmall(folders.swarm(swarm))
    if (Option.isNone(entry)) return Option.none<Torrent>()
    const digest = parseDigest(new TextDecoder().decode(entry.value))
    if (digest === undefined) return Option.none<Torrent>()
    return Option.filter(yield* get(digest), (torrent) => torrent.swarm === swarm)
  })

  return { get, put, remove, findSwarm }
}

/** Hashes the pieces of a complete blob of `length` bytes at `path`, a chunk at a time. */
export const hashPieces = Effect.fnUntraced(function* (
  files: DiskFiles,
  path: string,
  blob: { readonly digest: Digest; readonly length: number; readonly pieceLength: number }
): Effect.fn.Return<Metainfo, BlobStoreError> {
  const pieceHashes = new Uint8Array(pieceCount(blob) * pieceHashBytes)
  let running = runningDigest("sha256")
  let filled = 0
  let piece = 0
  const endPiece = (): void => {
    pieceHashes.set(fromHex(digestEncoded(running.finish())), piece * pieceHashBytes)
    running = runningDigest("sha256")
    filled = 0
    piece++
  }
  yield* Stream.runForEach(readFileRange(files, path, 0, blob.length), (chunk) =>
    Effect.sync(() => {
      let rest = chunk
      while (rest.length > 0) {
        const part = rest.subarray(0, blob.pieceLength - filled)
        running.update(part)
        filled += part.length
        rest = rest.subarray(part.length)
        if (filled === blob.pieceLength) endPiece()
      }
    })
  )
  if (filled > 0) endPiece()
  return { ...blob, pieceHashes }
})
