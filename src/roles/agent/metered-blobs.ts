// Decides how a disk budget learns what its store is used for: it stands between a role and its blob store and tells of
// pieces that are stored and loaded, of downloads that begin, complete and end, and holds what is being read. The role
// does not notice. Told by plain calls, for pieces come by the thousand.

import { Effect, type Scope, Stream } from "effect"
import type { Bitfield } from "../../protocol/bitfield.ts"
import type { Digest } from "../../protocol/digest.ts"
import { pieceSize } from "../../protocol/metainfo.ts"
import type { Payload } from "../../protocol/payload.ts"
import type { BlobStore, LoadOutcome, PieceFile, StoreOutcome } from "../services/blob-store.ts"

export interface MeteredUse {
  readonly hold: (digest: Digest) => Effect.Effect<void, never, Scope.Scope>
  /** Bytes of a download came. */
  readonly grew: (digest: Digest, bytes: number) => void
  readonly touched: (digest: Digest) => void
  readonly completed: (digest: Digest) => void
  /** What is there of it is to be measured. */
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

  load(piece: number, done: (outcome: LoadOutcome) => void): void {
    this.#use.touched(this.metainfo.digest)
    this.#file.load(piece, done)
  }

  store(piece: number, payload: Payload, done: (outcome: StoreOutcome) => void): void {
    this.#file.store(piece, payload, (outcome) => {
      if (outcome.tag === "Stored") this.#use.grew(this.metainfo.digest, pieceSize(this.metainfo, piece))
      done(outcome)
    })
  }
}

export const meteredBlobs = (blobs: BlobStore, use: MeteredUse): BlobStore => {
  const changed = (digest: Digest) => Effect.sync(() => use.changed(digest))
  return {
    ...blobs,
    read: (digest, start, end) => Stream.unwrap(Effect.as(use.hold(digest), blobs.read(digest, start, end))),
    remove: (digest) => Effect.ensuring(blobs.remove(digest), changed(digest)),
    commitUpload: (upload, digest) => Effect.ensuring(blobs.commitUpload(upload, digest), changed(digest)),
    makeMetainfo: (digest, pieceLength) =>
      Effect.ensuring(blobs.makeMetainfo(digest, pieceLength), changed(digest)),
    putMetainfo: (metainfo) => Effect.ensuring(blobs.putMetainfo(metainfo), changed(metainfo.digest)),
    openPieces: (metainfo) =>
      Effect.gen(function* () {
        // Before the file's own finalizer: told when it is closed.
        yield* Effect.addFinalizer(() => changed(metainfo.digest))
        return new MeteredFile(yield* blobs.openPieces(metainfo), use)
      })
  }
}
