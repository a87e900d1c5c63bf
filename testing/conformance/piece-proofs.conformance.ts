// Conformance of blob stores, proofs: a piece is stored only by the uncles that lead it to the root, what they vouch
// for is kept over a restart, and every stored piece is loaded with its whole proof.

import { Effect } from "effect"
import { unclesMissing } from "../../src/protocol/wire/hash-tree.ts"
import type { PieceFile } from "../../src/roles/services/blob-store.ts"
import { commitBytes, openBlobs } from "./blob-store.conformance.ts"
import {
  type ConformanceCase,
  conformanceCase,
  expectFailure,
  expectThat,
  sameBytes,
  sampleBytes
} from "./conformance.ts"
import {
  checkAll,
  load,
  pieceLength,
  pieceOf,
  range,
  store,
  storePieces,
  treeOf
} from "./piece-store.conformance.ts"

/** Proofs that prove piece 1 of three to nobody who knows the root alone. */
const wrongProofs = (proof: (piece: number) => Uint8Array): ReadonlyArray<readonly [string, Uint8Array]> => {
  const flipped = (at: number): Uint8Array => {
    const wrong = proof(1).slice()
    wrong[at]! ^= 1
    return wrong
  }
  return [
    ["no proof", new Uint8Array(0)],
    ["half of a proof", proof(1).subarray(0, 32)],
    ["a wrong lower uncle", flipped(0)],
    ["a wrong upper uncle", flipped(63)],
    ["the proof of another piece", proof(2)]
  ]
}

const corruptProofs = conformanceCase("a piece with a wrong or short proof is never stored", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(36, 3 * pieceLength)
    const { metainfo, proof } = treeOf(place, bytes)
    const file = yield* blobs.openPieces(metainfo)
    for (const [why, wrong] of wrongProofs(proof)) {
      const outcome = yield* store(file, 1, pieceOf(bytes, 1), wrong)
      yield* expectThat(outcome.tag === "Corrupt", `a piece with ${why} was ${outcome.tag}`)
    }
    yield* expectThat(file.have().count === 0, "a piece that was not proved counts as there")
    yield* storePieces(place, file, bytes, [1])
  })
)

const proofs = conformanceCase("a piece needs the uncles that stored pieces do not vouch for", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(32, 5 * pieceLength + 1)
    const { metainfo, proof } = treeOf(place, bytes)
    const file = yield* blobs.openPieces(metainfo)
    const lasts = [
      [3, 3],
      [2, 0],
      [0, 1],
      [5, 2],
      [4, 0],
      [1, 0]
    ] as const
    for (const [piece, uncles] of lasts) {
      if (uncles > 0) {
        const short = proof(piece).subarray(0, 32 * (uncles - 1))
        const refused = yield* store(file, piece, pieceOf(bytes, piece), short)
        yield* expectThat(refused.tag === "Corrupt", `piece ${piece} was ${refused.tag} by a short proof`)
      }
      const enough = proof(piece).subarray(0, 32 * uncles)
      const stored = yield* store(file, piece, pieceOf(bytes, piece), enough)
      yield* expectThat(stored.tag === "Stored", `piece ${piece} was ${stored.tag} by ${uncles} uncles`)
      yield* expectProof(file, piece, proof(piece))
    }
    yield* file.complete
    yield* expectProof(file, 5, proof(5))
  })
)

const keepsProofs = conformanceCase("proofs are served after a restart, of downloads and of blobs", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(33, 6 * pieceLength)
    const { metainfo, proof } = treeOf(place, bytes)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* (yield* openBlobs(place)).openPieces(metainfo)
        yield* storePieces(place, file, bytes, [4, 1, 0])
        yield* place.kill
      })
    )
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* (yield* openBlobs(place)).openPieces(metainfo)
        yield* checkAll(file)
        const have = file.have()
        for (const piece of range(6)) {
          if (have.has(piece)) yield* expectProof(file, piece, proof(piece))
          // What the restart left vouches for its uncles.
          const missing = unclesMissing(have, piece)
          const outcome = yield* store(
            file,
            piece,
            pieceOf(bytes, piece),
            proof(piece).subarray(0, 32 * missing)
          )
          yield* expectThat(outcome.tag === "Stored", `piece ${piece} was ${outcome.tag} after a restart`)
        }
        yield* file.complete
        yield* place.kill
      })
    )
    const file = yield* (yield* openBlobs(place)).openPieces(metainfo)
    for (const piece of range(6)) yield* expectProof(file, piece, proof(piece))
  })
)

const expectProof = Effect.fnUntraced(function* (file: PieceFile, piece: number, proof: Uint8Array) {
  const loaded = yield* load(file, piece)
  yield* expectThat(
    loaded.tag === "Loaded" && sameBytes(loaded.proof as Uint8Array, proof),
    `piece ${piece} is loaded with another proof`
  )
})

const wrongRoot = conformanceCase(
  "metainfo with the root of another blob does not open a complete one",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(34, 3 * pieceLength)
      const { metainfo } = treeOf(place, bytes)
      yield* commitBytes(blobs, bytes, metainfo.digest)
      const other = treeOf(place, sampleBytes(35, 3 * pieceLength)).metainfo
      yield* expectFailure(blobs.openPieces({ ...metainfo, root: other.root }), "BlobStoreError")
      const file = yield* blobs.openPieces(metainfo)
      yield* expectThat(file.have().isFull, "the right metainfo does not open it either")
    })
)

export const pieceProofConformance: ReadonlyArray<ConformanceCase> = [
  corruptProofs,
  proofs,
  keepsProofs,
  wrongRoot
]
