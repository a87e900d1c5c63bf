// The blob store in a folder of a simulated disk: complete blobs here, uploads in sim-uploads.ts, pieces in
// sim-piece-files.ts. A read costs disk time per chunk.

import { Cause, Effect, Option, type Scope, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import {
  encodeMetainfo,
  isArrival,
  type PiecedBlob,
  type SwarmInfo,
  type Torrent
} from "../../protocol/wire/metainfo.ts"
import {
  type ArrivingFile,
  BlobMissing,
  type BlobStat,
  type BlobStore,
  type BlobStoreError,
  type DigestMismatch,
  type KeptBlob,
  type PieceFile,
  type StoreUsage,
  type UploadOffsetWrong,
  type UploadUnknown
} from "../../roles/services/blob-store.ts"
import type { BlobContent } from "./blob-content.ts"
import { sharedTorrent } from "./sim-digests.ts"
import { putTorrent, removeTorrent, type SimFolder } from "./sim-disk.ts"
import { SimPieceFiles } from "./sim-piece-files.ts"
import { SimUploads } from "./sim-uploads.ts"
import type { StorageSession } from "./storage-session.ts"

const readChunk = 1024 * 1024

export class SimBlobStore implements BlobStore {
  readonly #session: StorageSession
  readonly #folder: SimFolder
  readonly #pieces: SimPieceFiles
  /** Made at first use, because most agents never take an upload. */
  #uploads: SimUploads | undefined

  constructor(session: StorageSession, folder: SimFolder) {
    this.#session = session
    this.#folder = folder
    this.#pieces = new SimPieceFiles(session, folder)
    // What an earlier process received or downloaded by an arrival is useless now.
    for (const [digest, { torrent, openedBy }] of folder.downloads) {
      if (isArrival(torrent.metainfo) && openedBy !== session.process) {
        session.disk.forgetDownload(folder, digest)
      }
    }
    if ((folder.receiving?.size ?? 0) > 0) this.#uploadsMade.dropReceived()
  }

  stat(digest: Digest): Effect.Effect<Option.Option<BlobStat>, BlobStoreError> {
    return this.#whenAlive("look for a blob", () =>
      Option.map(Option.fromUndefinedOr(this.#folder.blobs.get(digest)), ({ length }) => ({ digest, length }))
    )
  }

  read(digest: Digest, start: number, end: number): Stream.Stream<Uint8Array, BlobMissing | BlobStoreError> {
    return Stream.unwrap(
      Effect.map(this.#existing(digest), (content) =>
        this.#read(content, start, Math.min(end, content.length))
      )
    )
  }

  remove(digest: Digest): Effect.Effect<void, BlobStoreError> {
    return this.#whenAlive("remove a blob", () => {
      const folder = this.#folder
      const { disk } = this.#session
      this.#pieces.detach(digest)
      const content = folder.blobs.get(digest)
      if (content !== undefined) disk.free(content.length)
      folder.blobs.delete(digest)
      disk.forgetDownload(folder, digest)
      folder.usedAt.delete(digest)
      removeTorrent(folder, digest)
    })
  }

  removeDownload(digest: Digest): Effect.Effect<void, BlobStoreError> {
    return this.#whenAlive("remove a download", () => {
      const folder = this.#folder
      if (folder.blobs.has(digest)) return
      this.#pieces.detach(digest)
      this.#session.disk.forgetDownload(folder, digest)
      folder.usedAt.delete(digest)
      removeTorrent(folder, digest)
    })
  }

  get list(): Effect.Effect<ReadonlyArray<BlobStat>, BlobStoreError> {
    return this.#whenAlive("list blobs", () =>
      Array.from(this.#folder.blobs, ([digest, { length }]) => ({ digest, length }))
    )
  }

  get usage(): Effect.Effect<StoreUsage, BlobStoreError> {
    return this.#whenAlive("measure the store", () => {
      const { blobs, downloads, torrents, uploads } = this.#folder
      const digests = new Set([...blobs.keys(), ...downloads.keys(), ...torrents.keys()])
      let other = 0
      for (const upload of uploads?.values() ?? []) other += upload.size
      return { kept: Array.from(digests, (digest) => this.#kept(digest)!), other }
    })
  }

  measure(digest: Digest): Effect.Effect<Option.Option<KeptBlob>, BlobStoreError> {
    return this.#whenAlive("measure a blob", () => Option.fromUndefinedOr(this.#kept(digest)))
  }

  noteUse(digest: Digest, at: number): Effect.Effect<void, BlobStoreError> {
    return this.#whenAlive("record the use of a blob", () => {
      const { blobs, downloads, usedAt } = this.#folder
      if (blobs.has(digest) || downloads.has(digest)) usedAt.set(digest, at)
    })
  }

  get createUpload(): Effect.Effect<string, BlobStoreError> {
    return this.#uploadsMade.create
  }

  uploadSize(upload: string): Effect.Effect<number, UploadUnknown | BlobStoreError> {
    return this.#uploadsMade.size(upload)
  }

  appendUpload<E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<number, E | UploadUnknown | UploadOffsetWrong | BlobStoreError> {
    return this.#uploadsMade.append(upload, offset, bytes)
  }

  commitUpload(
    upload: string,
    digest: Digest
  ): Effect.Effect<BlobStat, UploadUnknown | DigestMismatch | BlobStoreError> {
    return this.#uploadsMade.commit(upload, digest)
  }

  abortUpload(upload: string): Effect.Effect<void, UploadUnknown | BlobStoreError> {
    return this.#uploadsMade.abort(upload)
  }

  receive<E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<BlobStat, E | DigestMismatch | BlobStoreError> {
    return this.#uploadsMade.receive(digest, bytes)
  }

  metainfo(digest: Digest): Effect.Effect<Option.Option<Torrent>, BlobStoreError> {
    return this.#whenAlive("read metainfo", () => this.#torrent(digest))
  }

  makeMetainfo(digest: Digest, pieceLength: number): Effect.Effect<Torrent, BlobMissing | BlobStoreError> {
    return Effect.gen({ self: this }, function* () {
      const content = yield* this.#existing(digest)
      const folder = this.#folder
      const kept = folder.torrents.get(digest)
      if (kept !== undefined) return kept
      const { disk } = this.#session
      const hashed = Math.max(disk.readDone(content.length), disk.hashDone(content.length))
      yield* this.#session.until(hashed, "hash the pieces of a blob")
      return folder.torrents.get(digest) ?? putTorrent(folder, content.metainfo(digest, pieceLength))
    })
  }

  putMetainfo(metainfo: SwarmInfo): Effect.Effect<Torrent<SwarmInfo>, BlobStoreError> {
    return this.#whenAlive("keep metainfo", () =>
      isArrival(metainfo) ? sharedTorrent(metainfo) : putTorrent(this.#folder, metainfo)
    )
  }

  findSwarm(swarm: SwarmId): Effect.Effect<Option.Option<Torrent>, BlobStoreError> {
    return this.#whenAlive("find a swarm", () => {
      const digest = this.#folder.swarms.get(swarm)
      return digest === undefined ? Option.none() : this.#torrent(digest)
    })
  }

  openPieces(metainfo: SwarmInfo): Effect.Effect<PieceFile, BlobStoreError, Scope.Scope> {
    return this.#pieces.open(metainfo)
  }

  openArrival(blob: PiecedBlob): Effect.Effect<ArrivingFile, BlobStoreError, Scope.Scope> {
    return this.#pieces.openArrival(blob)
  }

  get #uploadsMade(): SimUploads {
    this.#uploads ??= new SimUploads(this.#session, this.#folder)
    return this.#uploads
  }

  #whenAlive<A>(operation: string, read: () => A): Effect.Effect<A, BlobStoreError> {
    return Effect.map(this.#session.checkAlive(operation), read)
  }

  #existing(digest: Digest): Effect.Effect<BlobContent, BlobMissing | BlobStoreError> {
    return Effect.flatMap(this.#session.checkAlive("read a blob"), () => {
      const content = this.#folder.blobs.get(digest)
      return content === undefined ? Effect.fail(new BlobMissing({ digest })) : Effect.succeed(content)
    })
  }

  #read(content: BlobContent, start: number, end: number): Stream.Stream<Uint8Array, BlobStoreError> {
    const session = this.#session
    let at = start
    const pull = Effect.suspend((): Effect.Effect<[Uint8Array], BlobStoreError | Cause.Done> => {
      if (at >= end) return Cause.done()
      const from = at
      at = Math.min(end, from + readChunk)
      return Effect.map(session.until(session.disk.readDone(at - from), "read a blob"), () => [
        content.slice(from, Math.min(end, from + readChunk))
      ])
    })
    return Stream.fromPull(Effect.succeed(pull))
  }

  #torrent(digest: Digest): Option.Option<Torrent> {
    return Option.fromUndefinedOr(this.#folder.torrents.get(digest))
  }

  #kept(digest: Digest): KeptBlob | undefined {
    const { blobs, downloads, torrents, usedAt } = this.#folder
    const content = blobs.get(digest)
    const download = downloads.get(digest)
    const metainfo = torrents.get(digest)?.metainfo
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
    return { digest, bytes, complete: content !== undefined, usedAt: usedAt.get(digest) ?? 0 }
  }
}
