// Blob store of a host: uploads that grow and are committed under their digest, downloads that fill piece by piece,
// and complete blobs. A host opens one in each of its data folders (host-storage.ts). runtime-net keeps them in
// files, runtime-sim in memory with simulated cost.
//
// Invariants: a blob that stat finds is whole and its digest was checked. An operation succeeds only after its result
// would survive a crash (written under a temporary name, synced, renamed). A piece that load returns was verified,
// and store never writes bytes whose hash differs from the metainfo.
//
//   upload:   create -> append* -> commit (digest checked) -> complete blob
//   receive:  one stream (digest checked) -> complete blob, or nothing
//   download: openDownload -> store* -> complete (whole digest checked) -> complete blob
//   arrival:  openArrival -> put* -> complete (whole digest checked) -> complete blob with metainfo
//   An upload and a download survive a restart: an upload keeps its bytes, a download keeps its verified pieces. An
//   arrival does not, at the host that receives the blob and at those that download it meanwhile.

import { Data, type Effect, type Option, type Scope, type Stream } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Arrival, PiecedBlob, SwarmInfo, Torrent } from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"

/** An operation failed: disk full, permission, I/O. `message` says what, where and what to do. */
export class BlobStoreError extends Data.TaggedError("BlobStoreError")<{
  /** "full" if the medium has no room left. */
  readonly reason: "full" | "io"
  readonly message: string
}> {}

export class BlobMissing extends Data.TaggedError("BlobMissing")<{ readonly digest: Digest }> {}

export class UploadUnknown extends Data.TaggedError("UploadUnknown")<{ readonly upload: string }> {}

/** The offset of an append is not the size of the upload. */
export class UploadOffsetWrong extends Data.TaggedError("UploadOffsetWrong")<{
  readonly upload: string
  readonly expected: number
  readonly got: number
}> {}

/** The content does not match its digest and was discarded. */
export class DigestMismatch extends Data.TaggedError("DigestMismatch")<{
  readonly expected: Digest
  readonly actual: Digest
}> {}

/** The result of storing a piece. */
export type StoreOutcome =
  | { readonly tag: "Stored" }
  | { readonly tag: "Corrupt" }
  | { readonly tag: "Failed"; readonly error: BlobStoreError }

export type LoadOutcome =
  /** The proof has all uncles of the piece, or, in an arrival, the signature of its hash. */
  | {
      readonly tag: "Loaded"
      readonly payload: Payload
      readonly proof: HashProof
      /** Gives the memory of the payload back, which the caller must not use any more. Nobody has to. */
      readonly release?: () => void
    }
  | { readonly tag: "Failed"; readonly error: BlobStoreError }

/** A blob opened for access by piece, used by the data plane. `store` never calls back before it returns. */
export interface PieceFile extends Torrent<SwarmInfo> {
  /** The pieces that this process has verified, as a new copy. */
  readonly have: () => Bitfield
  /** The pieces that an earlier process wrote and this one has not checked, as a new copy. */
  readonly recorded: () => Bitfield
  /**
   * Reads and hashes a recorded piece, which then counts as stored or is missing. Calls back later, with whether the
   * piece is there.
   */
  readonly check: (piece: number, done: (isThere: boolean) => void) => void
  /** Reads a verified piece; calls back later, or before it returns if the piece is in memory. */
  readonly load: (piece: number, done: (outcome: LoadOutcome) => void) => void
  /**
   * Verifies a piece by its proof against the root, then writes it, and keeps what the proof vouches for. The memory of
   * both is the store's from now on.
   */
  readonly store: (
    piece: number,
    payload: Payload,
    proof: HashProof,
    done: (outcome: StoreOutcome) => void
  ) => void
  /**
   * Called when every piece is stored: checks the whole digest, syncs, and makes a complete blob of the download. A
   * mismatch discards the pieces. A blob that arrived has metainfo then. `load` works until the scope closes.
   */
  readonly complete: Effect.Effect<void, DigestMismatch | BlobStoreError>
}

/** A blob that this host receives in order, piece by piece, and that others download meanwhile. */
export interface ArrivingFile extends PieceFile {
  readonly metainfo: Arrival
  /** Signs the hash of a piece, then writes it. The bytes must not change any more. */
  readonly put: (piece: number, payload: Uint8Array, done: (outcome: StoreOutcome) => void) => void
}

export interface BlobStat {
  readonly digest: Digest
  readonly length: number
}

/** The files of one digest. */
export interface KeptBlob {
  readonly digest: Digest
  /** Bytes on the medium: the content so far, metainfo and the record of its last use. */
  readonly bytes: number
  /** Whether the blob is whole; otherwise it is a download, or metainfo alone. */
  readonly complete: boolean
  /** The last recorded use, in milliseconds since 1970. */
  readonly usedAt: number
}

/** The space that the store takes, measured on its own files. */
export interface StoreUsage {
  readonly kept: ReadonlyArray<KeptBlob>
  /** Bytes of the rest of its folder: unfinished uploads, tables, the host's identity. */
  readonly other: number
}

export interface BlobStore {
  /** Finds a complete blob. */
  readonly stat: (digest: Digest) => Effect.Effect<Option.Option<BlobStat>, BlobStoreError>
  /** The bytes from `start` to before `end` of a complete blob, in chunks of at most 1 MiB. */
  readonly read: (
    digest: Digest,
    start: number,
    end: number
  ) => Stream.Stream<Uint8Array, BlobMissing | BlobStoreError>
  /** Removes a complete blob or a download with its metainfo; succeeds also if there is none. */
  readonly remove: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  /** Removes a download with its metainfo. A complete blob stays, also one that is committed meanwhile. */
  readonly removeDownload: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  readonly list: Effect.Effect<ReadonlyArray<BlobStat>, BlobStoreError>

  /** Measures the whole store; the cost grows with the number of files. */
  readonly usage: Effect.Effect<StoreUsage, BlobStoreError>
  /** Measures the files of one digest, in a few calls to the disk. */
  readonly measure: (digest: Digest) => Effect.Effect<Option.Option<KeptBlob>, BlobStoreError>
  /**
   * Records the last use of a blob or download, in milliseconds since 1970; does nothing if there is none. The record
   * survives a restart and a killed process, but perhaps not a power loss.
   */
  readonly noteUse: (digest: Digest, at: number) => Effect.Effect<void, BlobStoreError>

  /** Begins an upload; its id is unguessable and survives a restart. */
  readonly createUpload: Effect.Effect<string, BlobStoreError>
  /** Bytes of an upload so far. */
  readonly uploadSize: (upload: string) => Effect.Effect<number, UploadUnknown | BlobStoreError>
  /**
   * Appends at `offset`, which must be the size of the upload, and returns the new size. If the source fails, its
   * error is returned and the bytes that arrived are kept, so the upload can be resumed.
   */
  readonly appendUpload: <E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<number, E | UploadUnknown | UploadOffsetWrong | BlobStoreError>
  /** Checks the digest, syncs, and makes a complete blob of the upload. A mismatch discards the upload. */
  readonly commitUpload: (
    upload: string,
    digest: Digest
  ) => Effect.Effect<BlobStat, UploadUnknown | DigestMismatch | BlobStoreError>
  readonly abortUpload: (upload: string) => Effect.Effect<void, UploadUnknown | BlobStoreError>
  /**
   * Makes a complete blob of a stream whose sender cannot resume: checks the digest and syncs once. When it fails, and
   * after a crash, nothing is left.
   */
  readonly receive: <E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<BlobStat, E | DigestMismatch | BlobStoreError>

  /** The metainfo stored with a blob or a download. */
  readonly metainfo: (digest: Digest) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
  /** Hashes the pieces of a complete blob and stores the metainfo, unless there is one already; returns it. */
  readonly makeMetainfo: (
    digest: Digest,
    pieceLength: number
  ) => Effect.Effect<Torrent, BlobMissing | BlobStoreError>
  /** Stores metainfo that another host made; an arrival is not stored. */
  readonly putMetainfo: (metainfo: SwarmInfo) => Effect.Effect<Torrent<SwarmInfo>, BlobStoreError>
  /** Finds the complete blob or download of a swarm. */
  readonly findSwarm: (swarm: SwarmId) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>

  /**
   * Opens a new or resumed download, or a complete blob with all pieces. A digest has one open download at a time; a
   * blob that arrived is also open by its metainfo.
   */
  readonly openPieces: (metainfo: SwarmInfo) => Effect.Effect<PieceFile, BlobStoreError, Scope.Scope>
  /** Opens the blob for receiving it, with a new key. */
  readonly openArrival: (blob: PiecedBlob) => Effect.Effect<ArrivingFile, BlobStoreError, Scope.Scope>
}
