// Test blob store in memory, with real digests and metainfo; its content survives a restart of the role. It does not
// support downloads by piece, because no test of these roles downloads.

import { Effect, Option, Stream } from "effect"
import { type Digest, digestAlgorithm } from "../../src/protocol/wire/digest.ts"
import { leafBytes, levelsAbove, rootOfBytes } from "../../src/protocol/wire/hash-tree.ts"
import { isArrival, type Metainfo, type Torrent } from "../../src/protocol/wire/metainfo.ts"
import {
  BlobMissing,
  type BlobStore,
  BlobStoreError,
  DigestMismatch,
  type KeptBlob,
  UploadOffsetWrong,
  UploadUnknown
} from "../../src/roles/services/blob-store.ts"
import type { Digests } from "../../src/roles/services/digests.ts"
import { sha256By } from "./test-trees.ts"

export interface MemoryBlobs extends BlobStore {
  readonly blobs: Map<Digest, Uint8Array>
  readonly uploads: Map<string, Uint8Array>
  /** Bytes above which an append fails because the store is full. */
  room: number
}

const concat = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(left.byteLength + right.byteLength)
  joined.set(left)
  joined.set(right, left.byteLength)
  return joined
}

export const makeMemoryBlobs = (digests: Digests["Service"]): MemoryBlobs => {
  const blobs = new Map<Digest, Uint8Array>()
  const uploads = new Map<string, Uint8Array>()
  const torrents = new Map<Digest, Torrent>()
  const usedAt = new Map<Digest, number>()
  let names = 0

  const kept = (digest: Digest): KeptBlob => ({
    digest,
    bytes: blobs.get(digest)!.byteLength,
    complete: true,
    usedAt: usedAt.get(digest) ?? 0
  })

  const keep = (metainfo: Metainfo): Torrent => {
    const torrent = { swarm: digests.swarmId(metainfo), metainfo }
    torrents.set(metainfo.digest, torrent)
    return torrent
  }

  const uploadOf = (upload: string): Effect.Effect<Uint8Array, UploadUnknown> =>
    Effect.suspend(() => {
      const bytes = uploads.get(upload)
      return bytes === undefined ? Effect.fail(new UploadUnknown({ upload })) : Effect.succeed(bytes)
    })

  const store: MemoryBlobs = {
    blobs,
    uploads,
    room: Number.POSITIVE_INFINITY,
    stat: (digest) =>
      Effect.sync(() =>
        Option.map(Option.fromUndefinedOr(blobs.get(digest)), (bytes) => ({
          digest,
          length: bytes.byteLength
        }))
      ),
    read: (digest, start, end) =>
      Stream.suspend(() => {
        const bytes = blobs.get(digest)
        if (bytes === undefined) return Stream.fail(new BlobMissing({ digest }))
        const chunks: Uint8Array[] = []
        // The chunks are small, so that bodies have many of them.
        for (let at = start; at < end; at += 1000) chunks.push(bytes.subarray(at, Math.min(end, at + 1000)))
        return Stream.rechunk(Stream.fromIterable(chunks), 1)
      }),
    remove: (digest) =>
      Effect.sync(() => {
        blobs.delete(digest)
        torrents.delete(digest)
      }),
    removeDownload: (digest) =>
      Effect.sync(() => {
        if (!blobs.has(digest)) torrents.delete(digest)
      }),
    list: Effect.sync(() => [...blobs].map(([digest, bytes]) => ({ digest, length: bytes.byteLength }))),

    usage: Effect.sync(() => ({
      kept: [...blobs.keys()].map((digest) => kept(digest)),
      other: [...uploads.values()].reduce((sum, bytes) => sum + bytes.byteLength, 0)
    })),
    measure: (digest) => Effect.sync(() => (blobs.has(digest) ? Option.some(kept(digest)) : Option.none())),
    noteUse: (digest, at) => Effect.sync(() => void (blobs.has(digest) && usedAt.set(digest, at))),

    createUpload: Effect.sync(() => {
      const upload = `upload-${++names}`
      uploads.set(upload, new Uint8Array(0))
      return upload
    }),
    uploadSize: (upload) => Effect.map(uploadOf(upload), (bytes) => bytes.byteLength),
    appendUpload: (upload, offset, bytes) =>
      Effect.gen(function* () {
        const there = yield* uploadOf(upload)
        if (there.byteLength !== offset) {
          return yield* new UploadOffsetWrong({ upload, expected: there.byteLength, got: offset })
        }
        yield* Stream.runForEach(bytes, (chunk) =>
          Effect.suspend(() => {
            const grown = concat(uploads.get(upload)!, chunk)
            if (grown.byteLength > store.room) {
              return Effect.fail(new BlobStoreError({ reason: "full", message: "no room left" }))
            }
            uploads.set(upload, grown)
            return Effect.void
          })
        )
        return uploads.get(upload)!.byteLength
      }),
    commitUpload: (upload, digest) =>
      Effect.gen(function* () {
        const bytes = yield* uploadOf(upload)
        uploads.delete(upload)
        const actual = digests.digest(digestAlgorithm(digest), bytes)
        if (actual !== digest) return yield* new DigestMismatch({ expected: digest, actual })
        blobs.set(digest, bytes)
        return { digest, length: bytes.byteLength }
      }),
    abortUpload: (upload) =>
      Effect.asVoid(Effect.tap(uploadOf(upload), () => Effect.sync(() => uploads.delete(upload)))),
    receive: (digest, bytes) =>
      Effect.acquireUseRelease(
        store.createUpload,
        (upload) =>
          Effect.andThen(store.appendUpload(upload, 0, bytes), store.commitUpload(upload, digest)).pipe(
            Effect.catch((error) =>
              error instanceof UploadUnknown || error instanceof UploadOffsetWrong
                ? Effect.die(error)
                : Effect.fail(error)
            )
          ),
        (upload) => Effect.sync(() => uploads.delete(upload))
      ),

    metainfo: (digest) => Effect.sync(() => Option.fromUndefinedOr(torrents.get(digest))),
    makeMetainfo: (digest, pieceLength) =>
      Effect.suspend(() => {
        const bytes = blobs.get(digest)
        if (bytes === undefined) return Effect.fail(new BlobMissing({ digest }))
        const kept = torrents.get(digest)
        if (kept !== undefined) return Effect.succeed(kept)
        const shape = { length: bytes.byteLength, pieceLength }
        const levels = levelsAbove(Math.ceil(bytes.byteLength / leafBytes))
        return Effect.succeed(
          keep({ digest, ...shape, root: rootOfBytes(bytes, levels, sha256By(digests.digest)) })
        )
      }),
    putMetainfo: (metainfo) =>
      Effect.sync(() =>
        isArrival(metainfo) ? { swarm: digests.swarmId(metainfo), metainfo } : keep(metainfo)
      ),
    findSwarm: (swarm) =>
      Effect.sync(() =>
        Option.fromUndefinedOr([...torrents.values()].find((torrent) => torrent.swarm === swarm))
      ),
    openPieces: () => Effect.die("these tests download nothing"),
    openArrival: () => Effect.die("these tests receive no blob piece by piece")
  }
  return store
}
