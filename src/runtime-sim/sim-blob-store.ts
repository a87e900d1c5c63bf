// Decides how a folder of a simulated disk is a blob store: complete blobs here, uploads in sim-uploads.ts, pieces in
// sim-piece-files.ts. Reads cost disk time a chunk at a time.

import { Cause, Effect, Option, Stream } from "effect"
import type { Digest } from "../protocol/digest.ts"
import {
  encodeMetainfo,
  type Metainfo,
  pieceCount,
  pieceHashBytes,
  type Torrent
} from "../protocol/metainfo.ts"
import {
  BlobMissing,
  type BlobStore,
  type BlobStoreError,
  type KeptBlob
} from "../roles/services/blob-store.ts"
import type { BlobContent } from "./blob-content.ts"
import { putTorrent, removeTorrent, type SimFolder } from "./sim-disk.ts"
import { payloadHash } from "./sim-digests.ts"
import { SimPieceFiles } from "./sim-piece-files.ts"
import { makeSimUploads } from "./sim-uploads.ts"
import type { StorageSession } from "./storage-session.ts"

const readChunk = 1024 * 1024

export const makeSimBlobStore = (session: StorageSession, folder: SimFolder): BlobStore => {
  const { disk } = session
  const pieces = new SimPieceFiles(session, folder)

  const whenAlive = <A>(operation: string, read: () => A): Effect.Effect<A, BlobStoreError> =>
    Effect.map(session.checkAlive(operation), read)

  const existing = (digest: Digest): Effect.Effect<BlobContent, BlobMissing | BlobStoreError> =>
    Effect.flatMap(session.checkAlive("read a blob"), () => {
      const content = folder.blobs.get(digest)
      return content === undefined ? Effect.fail(new BlobMissing({ digest })) : Effect.succeed(content)
    })

  const read = (
    content: BlobContent,
    start: number,
    end: number
  ): Stream.Stream<Uint8Array, BlobStoreError> => {
    let at = start
    const pull = Effect.suspend((): Effect.Effect<[Uint8Array], BlobStoreError | Cause.Done> => {
      if (at >= end) return Cause.done()
      const from = at
      at = Math.min(end, from + readChunk)
      return Effect.map(session.until(disk.readDone(at - from), "read a blob"), () => [
        content.slice(from, Math.min(end, from + readChunk))
      ])
    })
    return Stream.fromPull(Effect.succeed(pull))
  }

  const torrent = (digest: Digest): Option.Option<Torrent> =>
    Option.fromUndefinedOr(folder.torrents.get(digest))

  const kept = (digest: Digest): KeptBlob | undefined => {
    const content = folder.blobs.get(digest)
    const download = folder.downloads.get(digest)
    const metainfo = folder.torrents.get(digest)?.metainfo
    if (content === undefined && download === undefined && metainfo === undefined) return undefined
    const stored =
      download === undefined
        ? 0
        : Math.min(
            download.torrent.metainfo.length,
            download.have.count * download.torrent.metainfo.pieceLength
          )
    const bytes =
      (content?.length ?? 0) + stored + (metainfo === undefined ? 0 : encodeMetainfo(metainfo).byteLength)
    return { digest, bytes, complete: content !== undefined, usedAt: folder.usedAt.get(digest) ?? 0 }
  }

  const hashPieces = (digest: Digest, content: BlobContent, pieceLength: number): Metainfo => {
    const { length } = content
    const count = pieceCount({ length, pieceLength })
    const pieceHashes = new Uint8Array(count * pieceHashBytes)
    for (let piece = 0; piece < count; piece++) {
      pieceHashes.set(payloadHash(content.piece(piece, pieceLength)), piece * pieceHashBytes)
    }
    return { digest, length, pieceLength, pieceHashes }
  }

  return {
    stat: (digest) =>
      whenAlive("look for a blob", () =>
        Option.map(Option.fromUndefinedOr(folder.blobs.get(digest)), ({ length }) => ({ digest, length }))
      ),
    read: (digest, start, end) =>
      Stream.unwrap(
        Effect.map(existing(digest), (content) => read(content, start, Math.min(end, content.length)))
      ),
    remove: (digest) =>
      whenAlive("remove a blob", () => {
        pieces.detach(digest)
        const content = folder.blobs.get(digest)
        if (content !== undefined) disk.free(content.length)
        folder.blobs.delete(digest)
        disk.forgetDownload(folder, digest)
        folder.usedAt.delete(digest)
        removeTorrent(folder, digest)
      }),
    list: whenAlive("list blobs", () =>
      Array.from(folder.blobs, ([digest, { length }]) => ({ digest, length }))
    ),
    usage: whenAlive("measure the store", () => {
      const digests = new Set([...folder.blobs.keys(), ...folder.downloads.keys(), ...folder.torrents.keys()])
      let other = 0
      for (const upload of folder.uploads.values()) other += upload.size
      return { kept: Array.from(digests, (digest) => kept(digest)!), other }
    }),
    measure: (digest) => whenAlive("measure a blob", () => Option.fromUndefinedOr(kept(digest))),
    noteUse: (digest, at) =>
      whenAlive("note the use of a blob", () => {
        if (folder.blobs.has(digest) || folder.downloads.has(digest)) folder.usedAt.set(digest, at)
      }),
    ...makeSimUploads(session, folder),
    metainfo: (digest) => whenAlive("read metainfo", () => torrent(digest)),
    makeMetainfo: (digest, pieceLength) =>
      Effect.gen(function* () {
        const content = yield* existing(digest)
        const kept = folder.torrents.get(digest)
        if (kept !== undefined) return kept
        const hashed = Math.max(disk.readDone(content.length), disk.hashDone(content.length))
        yield* session.until(hashed, "hash the pieces of a blob")
        return folder.torrents.get(digest) ?? putTorrent(folder, hashPieces(digest, content, pieceLength))
      }),
    putMetainfo: (metainfo) => whenAlive("keep metainfo", () => putTorrent(folder, metainfo)),
    findSwarm: (swarm) =>
      whenAlive("find a swarm", () => {
        const digest = folder.swarms.get(swarm)
        return digest === undefined ? Option.none() : torrent(digest)
      }),
    openPieces: (metainfo) => pieces.open(metainfo)
  }
}
