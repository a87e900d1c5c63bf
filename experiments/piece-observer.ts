// Decides how an experiment sees pieces arrive without asking the agents: it stands between a role and its store, and
// is told of every piece that was verified and stored. The role does not notice; nothing is delayed or changed.

import { Effect } from "effect"
import type { Metainfo } from "../src/protocol/metainfo.ts"
import type { HostProgram, StartedRole } from "../src/roles/host-program.ts"
import type { BlobStore, PieceFile } from "../src/roles/services/blob-store.ts"
import { HostStorage } from "../src/roles/services/host-storage.ts"

/** Called at the instant in which the role learns that the piece is stored. */
export type PieceStored = (piece: number) => void

/** Gives, for a blob that the role begins to store, who is told of its pieces. */
export type ObserveBlob = (metainfo: Metainfo) => PieceStored

const observedFile = (file: PieceFile, stored: PieceStored): PieceFile => ({
  swarm: file.swarm,
  metainfo: file.metainfo,
  have: () => file.have(),
  load: (piece, done) => file.load(piece, done),
  store: (piece, payload, done) =>
    file.store(piece, payload, (outcome) => {
      if (outcome.tag === "Stored") stored(piece)
      done(outcome)
    }),
  complete: file.complete
})

const observedStore = (store: BlobStore, observe: ObserveBlob): BlobStore => ({
  ...store,
  openPieces: (metainfo) =>
    Effect.map(store.openPieces(metainfo), (file) => observedFile(file, observe(metainfo)))
})

/** The same program, whose stored pieces are told. */
export const observingPieces = <Role extends StartedRole>(
  program: HostProgram<Role>,
  observe: ObserveBlob
): HostProgram<Role> =>
  Effect.updateService(program, HostStorage, (storage) => ({
    ...storage,
    blobs: (folder) => Effect.map(storage.blobs(folder), (store) => observedStore(store, observe))
  }))
