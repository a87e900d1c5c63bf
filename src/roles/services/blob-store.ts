// Decides how roles keep blobs: uploads that grow and are committed under their digest, downloads that fill piece by
// piece, and complete blobs that are read. A host opens one in each of its data folders (host-storage.ts). Files on disk on sockets; memory with simulated cost in
// the simulator.
//
// Invariants: a blob that stat finds is whole and its digest was checked; nothing is acknowledged before it would
// survive a crash (written to a temporary name, synced, renamed); a piece that load gives was verified; store never
// writes bytes whose hash differs from the metainfo.
//
//   upload:   create -> append* -> commit (digest checked) -> complete blob
//   download: openDownload -> store* -> complete (whole digest checked) -> complete blob
//   both survive a restart: an upload stands where it stood, a download keeps its verified pieces.

import { Data, type Effect, type Option, type Scope, type Stream } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo, Torrent } from "../../protocol/wire/metainfo.ts"
import type { Payload } from "../../protocol/wire/payload.ts"

/** The store could not do its work: disk full, permission, I/O. `message` says what, where and what to do. */
export class BlobStoreError extends Data.TaggedError("BlobStoreError")<{
  readonly operation: string
  /** "full" when there is no room left. */
  readonly reason: "full" | "io"
  readonly message: string
}> {}

export class BlobMissing extends Data.TaggedError("BlobMissing")<{ readonly digest: Digest }> {}

export class UploadUnknown extends Data.TaggedError("UploadUnknown")<{ readonly upload: string }> {}

/** The bytes offered do not follow those already there. */
export class UploadOffsetWrong extends Data.TaggedError("UploadOffsetWrong")<{
  readonly upload: string
  readonly expected: number
  readonly got: number
}> {}

/** The content is not what its digest says; it was discarded. */
export class DigestMismatch extends Data.TaggedError("DigestMismatch")<{
  readonly expected: Digest
  readonly actual: Digest
}> {}

/** What became of a piece that was handed to the store. */
export type StoreOutcome =
  | { readonly tag: "Stored" }
  | { readonly tag: "Corrupt" }
  | { readonly tag: "Failed"; readonly error: BlobStoreError }

export type LoadOutcome =
  | { readonly tag: "Loaded"; readonly payload: Payload }
  | { readonly tag: "Failed"; readonly error: BlobStoreError }

/** A blob opened piece by piece; the data plane's handle. Callbacks are never called from inside store. */
export interface PieceFile extends Torrent {
  /** Verified pieces when the file was opened; a fresh copy that the caller owns. */
  readonly have: () => Bitfield
  /** Reads a verified piece; answers later, or from inside the call when the piece is in memory. */
  readonly load: (piece: number, done: (outcome: LoadOutcome) => void) => void
  /** Verifies a piece against the metainfo, then writes it. */
  readonly store: (piece: number, payload: Payload, done: (outcome: StoreOutcome) => void) => void
  /**
   * When every piece is stored: checks the whole digest, syncs, and turns the download into a complete blob. A
   * mismatch discards the pieces. The file stays usable for load until its scope closes.
   */
  readonly complete: Effect.Effect<void, DigestMismatch | BlobStoreError>
}

export interface BlobStat {
  readonly digest: Digest
  readonly length: number
}

/** What is kept under one digest. */
export interface KeptBlob {
  readonly digest: Digest
  /** Bytes on the medium: content as far as it is there, metainfo and notes. */
  readonly bytes: number
  /** The blob is whole; otherwise it is a download, or metainfo alone. */
  readonly complete: boolean
  /** When it was used last, as far as that was noted: milliseconds since 1970. */
  readonly usedAt: number
}

/** What the store takes of the medium, measured on its own files. */
export interface StoreUsage {
  readonly kept: ReadonlyArray<KeptBlob>
  /** Bytes of all else in its folder: unfinished uploads, tables, the host's identity. */
  readonly other: number
}

export interface BlobStore {
  /** A complete blob. */
  readonly stat: (digest: Digest) => Effect.Effect<Option.Option<BlobStat>, BlobStoreError>
  /** Bytes [start, end) of a complete blob, in chunks of at most 1 MiB. */
  readonly read: (
    digest: Digest,
    start: number,
    end: number
  ) => Stream.Stream<Uint8Array, BlobMissing | BlobStoreError>
  /** Removes a complete blob or a download, its metainfo included; no error when there is none. */
  readonly remove: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  readonly list: Effect.Effect<ReadonlyArray<BlobStat>, BlobStoreError>

  /** Measures everything; its cost grows with the number of files. */
  readonly usage: Effect.Effect<StoreUsage, BlobStoreError>
  /** Measures what is kept under one digest: a few calls to the disk. */
  readonly measure: (digest: Digest) => Effect.Effect<Option.Option<KeptBlob>, BlobStoreError>
  /**
   * Notes when a blob or download was used last, in milliseconds since 1970; nothing when there is none. It is a hint
   * that outlives a restart and a killed process, but maybe not lost power.
   */
  readonly noteUse: (digest: Digest, at: number) => Effect.Effect<void, BlobStoreError>

  /** Begins an upload; the name is unguessable and survives a restart. */
  readonly createUpload: Effect.Effect<string, BlobStoreError>
  /** Bytes held by an upload. */
  readonly uploadSize: (upload: string) => Effect.Effect<number, UploadUnknown | BlobStoreError>
  /**
   * Appends at `offset`, which must be the upload's size; gives the new size. When the source fails half way, what
   * arrived stays and the source's error comes out: the upload can be resumed.
   */
  readonly appendUpload: <E>(
    upload: string,
    offset: number,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<number, E | UploadUnknown | UploadOffsetWrong | BlobStoreError>
  /** Checks the digest, syncs, and makes it a complete blob. A mismatch discards the upload. */
  readonly commitUpload: (
    upload: string,
    digest: Digest
  ) => Effect.Effect<BlobStat, UploadUnknown | DigestMismatch | BlobStoreError>
  readonly abortUpload: (upload: string) => Effect.Effect<void, UploadUnknown | BlobStoreError>

  /** The metainfo kept beside a blob or a download. */
  readonly metainfo: (digest: Digest) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
  /** Hashes a complete blob's pieces and keeps the metainfo beside it; gives the one that is there already. */
  readonly makeMetainfo: (
    digest: Digest,
    pieceLength: number
  ) => Effect.Effect<Torrent, BlobMissing | BlobStoreError>
  /** Keeps metainfo that another owner made. */
  readonly putMetainfo: (metainfo: Metainfo) => Effect.Effect<Torrent, BlobStoreError>
  /** The complete blob or download whose swarm this is. */
  readonly findSwarm: (swarm: SwarmId) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>

  /** Opens a download, new or resumed, or a complete blob: then `have` is full. One at a time for a digest. */
  readonly openPieces: (metainfo: Metainfo) => Effect.Effect<PieceFile, BlobStoreError, Scope.Scope>
}
