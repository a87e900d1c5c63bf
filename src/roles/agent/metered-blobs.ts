// Blob store that reports its use to a disk budget: pieces stored and loaded, downloads completed and closed, and
// blobs being read, which it holds. It wraps the agent's store and is a store itself, so no role knows of it. It
// reports by plain calls, because there is one for every piece.

import { Effect, type Scope, Stream } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { pieceSize, type SwarmInfo } from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"
import type {
  BlobStat,
  BlobStore,
  BlobStoreError,
  DigestMismatch,
  LoadOutcome,
  PieceFile,
  StoreOutcome
} from "../services/blob-store.ts"
import { BlobStoreLayer } from "../services/blob-store-layer.ts"

export interface MeteredUse {
  readonly hold: (digest: Digest) => Effect.Effect<void, never, Scope.Scope>
  /** Bytes of a download were stored. */
  readonly grew: (digest: Digest, bytes: number) => void
  readonly touched: (digest: Digest) => void
  readonly completed: (digest: Digest) => void
  /** What the store has of the blob must be measured again. */
  readonly changed: (digest: Digest) => void
}

class MeteredFile implements PieceFile {
  readonly swarm: PieceFile["swarm"]
  readonly metainfo: PieceFile["metainfo"]
  readonly complete: PieceFile["complete"]
  readonly #file: PieceFile
  readonly #use: MeteredUse

  constructor(file: PieceFile, use: MeteredUse) {
    const { digest } = file.metainfo
    this.swarm = file.swarm
    this.metainfo = file.metainfo
    this.complete = file.complete.pipe(
      Effect.tap(() => Effect.sync(() => use.completed(digest))),
      Effect.onExit(() => Effect.sync(() => use.changed(digest)))
    )
    this.#file = file
    this.#use = use
  }

  have(): Bitfield {
    return this.#file.have()
  }

  recorded(): Bitfield {
    return this.#file.recorded()
  }

  check(piece: number, done: (isThere: boolean) => void): void {
    this.#file.check(piece, done)
  }

  load(piece: number, done: (outcome: LoadOutcome) => void): void {
    this.#use.touched(this.metainfo.digest)
    this.#file.load(piece, done)
  }

  store(piece: number, payload: Payload, proof: HashProof, done: (outcome: StoreOutcome) => void): void {
    this.#file.store(piece, payload, proof, (outcome) => {
      if (outcome.tag === "Stored") this.#use.grew(this.metainfo.digest, pieceSize(this.metainfo, piece))
      done(outcome)
    })
  }
}

export const meteredBlobs = (blobs: BlobStore, use: MeteredUse): BlobStore => new MeteredBlobs(blobs, use)

class MeteredBlobs extends BlobStoreLayer {
  readonly #use: MeteredUse

  constructor(blobs: BlobStore, use: MeteredUse) {
    super(blobs)
    this.#use = use
  }

  override read(digest: Digest, start: number, end: number): ReturnType<BlobStore["read"]> {
    return Stream.unwrap(Effect.as(this.#use.hold(digest), this.below.read(digest, start, end)))
  }

  override remove(digest: Digest): ReturnType<BlobStore["remove"]> {
    return Effect.ensuring(this.below.remove(digest), this.#changed(digest))
  }

  override removeDownload(digest: Digest): ReturnType<BlobStore["removeDownload"]> {
    return Effect.ensuring(this.below.removeDownload(digest), this.#changed(digest))
  }

  override commitUpload(upload: string, digest: Digest): ReturnType<BlobStore["commitUpload"]> {
    return Effect.ensuring(this.below.commitUpload(upload, digest), this.#changed(digest))
  }

  override receive<E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<BlobStat, E | DigestMismatch | BlobStoreError> {
    return Effect.ensuring(this.below.receive(digest, bytes), this.#changed(digest))
  }

  override makeMetainfo(digest: Digest, pieceLength: number): ReturnType<BlobStore["makeMetainfo"]> {
    return Effect.ensuring(this.below.makeMetainfo(digest, pieceLength), this.#changed(digest))
  }

  override putMetainfo(metainfo: SwarmInfo): ReturnType<BlobStore["putMetainfo"]> {
    return Effect.ensuring(this.below.putMetainfo(metainfo), this.#changed(metainfo.digest))
  }

  override openPieces(metainfo: SwarmInfo): ReturnType<BlobStore["openPieces"]> {
    return Effect.gen({ self: this }, function* () {
      // Added before the file's own finalizer, so it runs after the file is closed.
      yield* Effect.addFinalizer(() => this.#changed(metainfo.digest))
      return new MeteredFile(yield* this.below.openPieces(metainfo), this.#use)
    })
  }

  #changed(digest: Digest): Effect.Effect<void> {
    return Effect.sync(() => this.#use.changed(digest))
  }
}
