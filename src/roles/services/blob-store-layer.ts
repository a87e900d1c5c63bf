// Base class of a blob store that wraps another one: every operation goes to the store below, and a subclass
// overrides what it changes.

import type { Effect, Option, Scope, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PiecedBlob, SwarmInfo, Torrent } from "../../protocol/wire/metainfo.ts"
import type {
  ArrivingFile,
  BlobMissing,
  BlobStat,
  BlobStore,
  BlobStoreError,
  DigestMismatch,
  KeptBlob,
  PieceFile,
  StoreUsage,
  UploadOffsetWrong,
  UploadUnknown
} from "./blob-store.ts"

export class BlobStoreLayer implements BlobStore {
  readonly below: BlobStore

  constructor(below: BlobStore) {
    this.below = below
  }

  get list(): Effect.Effect<ReadonlyArray<BlobStat>, BlobStoreError> {
    return this.below.list
  }

  get usage(): Effect.Effect<StoreUsage, BlobStoreError> {
    return this.below.usage
  }

  get createUpload(): Effect.Effect<string, BlobStoreError> {
    return this.below.createUpload
  }

  stat(digest: Digest): Effect.Effect<Option.Option<BlobStat>, BlobStoreError> {
    return this.below.stat(digest)
  }

  read(digest: Digest, start: number, end: number): Stream.Stream<Uint8Array, BlobMissing | BlobStoreError> {
    return this.below.read(digest, start, end)
  }

  remove(digest: Digest): Effect.Effect<void, BlobStoreError> {
    return this.below.remove(digest)
  }

  removeDownload(digest: Digest): Effect.Effect<void, BlobStoreError> {
    return this.below.removeDownload(digest)
  }

  measure(digest: Digest): Effect.Effect<Option.Option<KeptBlob>, BlobStoreError> {
    return this.below.measure(digest)
  }

  noteUse(digest: Digest, at: number): Effect.Effect<void, BlobStoreError> {
    return this.below.noteUse(digest, at)
  }

  uploadSize(upload: string): Effect.Effect<number, UploadUnknown | BlobStoreError> {
    return this.below.uploadSize(upload)
  }

  appendUpload<E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<number, E | UploadUnknown | UploadOffsetWrong | BlobStoreError> {
    return this.below.appendUpload(upload, offset, bytes)
  }

  commitUpload(
    upload: string,
    digest: Digest
  ): Effect.Effect<BlobStat, UploadUnknown | DigestMismatch | BlobStoreError> {
    return this.below.commitUpload(upload, digest)
  }

  abortUpload(upload: string): Effect.Effect<void, UploadUnknown | BlobStoreError> {
    return this.below.abortUpload(upload)
  }

  receive<E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<BlobStat, E | DigestMismatch | BlobStoreError> {
    return this.below.receive(digest, bytes)
  }

  metainfo(digest: Digest): Effect.Effect<Option.Option<Torrent>, BlobStoreError> {
    return this.below.metainfo(digest)
  }

  makeMetainfo(digest: Digest, pieceLength: number): Effect.Effect<Torrent, BlobMissing | BlobStoreError> {
    return this.below.makeMetainfo(digest, pieceLength)
  }

  putMetainfo(metainfo: SwarmInfo): Effect.Effect<Torrent<SwarmInfo>, BlobStoreError> {
    return this.below.putMetainfo(metainfo)
  }

  findSwarm(swarm: SwarmId): Effect.Effect<Option.Option<Torrent>, BlobStoreError> {
    return this.below.findSwarm(swarm)
  }

  openPieces(metainfo: SwarmInfo): Effect.Effect<PieceFile, BlobStoreError, Scope.Scope> {
    return this.below.openPieces(metainfo)
  }

  openArrival(blob: PiecedBlob): Effect.Effect<ArrivingFile, BlobStoreError, Scope.Scope> {
    return this.below.openArrival(blob)
  }
}
