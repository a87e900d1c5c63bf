// Observer between a role and its store: it is called for every piece that is verified and stored, so that an
// experiment sees pieces arrive without calling the agents. The role does not notice it; it delays and changes nothing.

import { Effect } from "effect"
import type { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import type { SwarmInfo } from "../../src/protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../src/protocol/wire/payload.ts"
import type { HostProgram, StartedRole } from "../../src/roles/host-program.ts"
import type { BlobStore, LoadOutcome, PieceFile, StoreOutcome } from "../../src/roles/services/blob-store.ts"
import { BlobStoreLayer } from "../../src/roles/services/blob-store-layer.ts"
import { HostStorage } from "../../src/roles/services/host-storage.ts"

/** Called at the instant in which the role learns that the piece is stored. */
export type PieceStored = (piece: number) => void

/** Gives the callback for the pieces of a blob that the role begins to store. */
export type ObserveBlob = (metainfo: SwarmInfo) => PieceStored

class ObservedFile implements PieceFile {
  readonly swarm: PieceFile["swarm"]
  readonly metainfo: PieceFile["metainfo"]
  readonly #file: PieceFile
  readonly #stored: PieceStored

  constructor(file: PieceFile, stored: PieceStored) {
    this.swarm = file.swarm
    this.metainfo = file.metainfo
    this.#file = file
    this.#stored = stored
  }

  get complete(): PieceFile["complete"] {
    return this.#file.complete
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
    this.#file.load(piece, done)
  }

  store(piece: number, payload: Payload, proof: HashProof, done: (outcome: StoreOutcome) => void): void {
    this.#file.store(piece, payload, proof, (outcome) => {
      if (outcome.tag === "Stored") this.#stored(piece)
      done(outcome)
    })
  }
}

class ObservedStore extends BlobStoreLayer {
  readonly #observe: ObserveBlob

  constructor(store: BlobStore, observe: ObserveBlob) {
    super(store)
    this.#observe = observe
  }

  override openPieces(metainfo: SwarmInfo): ReturnType<BlobStore["openPieces"]> {
    return Effect.map(
      this.below.openPieces(metainfo),
      (file) => new ObservedFile(file, this.#observe(metainfo))
    )
  }
}

/** The same program with an observer of its stored pieces. */
export const observingPieces = <Role extends StartedRole>(
  program: HostProgram<Role>,
  observe: ObserveBlob
): HostProgram<Role> =>
  Effect.updateService(program, HostStorage, (storage) => ({
    ...storage,
    blobs: (folder, use) =>
      Effect.map(storage.blobs(folder, use), (store) => new ObservedStore(store, observe))
  }))
