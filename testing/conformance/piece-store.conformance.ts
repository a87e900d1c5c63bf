// Conformance of blob stores, metainfo and downloads by piece: a piece is verified before it is stored, a download
// resumes after a kill with stored pieces only, and becomes a blob only if the whole digest matches.

import { Effect, Exit, Fiber, Option, Scope } from "effect"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { type Metainfo, pieceSize } from "../../src/protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../src/protocol/wire/payload.ts"
import type { BlobStore, LoadOutcome, PieceFile, StoreOutcome } from "../../src/roles/services/blob-store.ts"
import { type TestTree, testTree } from "../roles/test-trees.ts"
import { commitBytes, openBlobs, readAll } from "./blob-store.conformance.ts"
import {
  type ConformanceCase,
  ConformanceFailed,
  conformanceCase,
  expectFailure,
  expectThat,
  type StoragePlace,
  sameBytes,
  sampleBytes
} from "./conformance.ts"

export const pieceLength = 32 * 1024

export const treeOf = (place: StoragePlace, bytes: Uint8Array): TestTree =>
  testTree(place.digests.digest, bytes, pieceLength)

const metainfoOf = (place: StoragePlace, bytes: Uint8Array, digest?: Digest): Metainfo =>
  testTree(place.digests.digest, bytes, pieceLength, digest).metainfo

export const pieceOf = (bytes: Uint8Array, piece: number): Uint8Array =>
  bytes.slice(piece * pieceLength, (piece + 1) * pieceLength)

export const store = (
  file: PieceFile,
  piece: number,
  payload: Payload,
  proof: HashProof
): Effect.Effect<StoreOutcome, ConformanceFailed> =>
  later("store", (done) => file.store(piece, payload, proof, done))

export const load = (file: PieceFile, piece: number): Effect.Effect<LoadOutcome> =>
  Effect.callback((resume) => file.load(piece, (outcome) => resume(Effect.succeed(outcome))))

/** Awaits the callback of a call, which must not come before the call returns. */
const later = <A>(
  what: string,
  call: (done: (answer: A) => void) => void
): Effect.Effect<A, ConformanceFailed> =>
  Effect.callback((resume) => {
    let inside = true
    call((answer) =>
      resume(
        inside
          ? Effect.fail(new ConformanceFailed({ message: `${what} answered from inside the call` }))
          : Effect.succeed(answer)
      )
    )
    inside = false
  })

export const storePieces = Effect.fnUntraced(function* (
  place: StoragePlace,
  file: PieceFile,
  bytes: Uint8Array,
  pieces: Iterable<number>
) {
  const { proof } = treeOf(place, bytes)
  for (const piece of pieces) {
    const outcome = yield* store(file, piece, pieceOf(bytes, piece), proof(piece))
    yield* expectThat(outcome.tag === "Stored", `piece ${piece} was not stored but ${outcome.tag}`)
  }
})

const expectPiece = Effect.fnUntraced(function* (
  place: StoragePlace,
  file: PieceFile,
  bytes: Uint8Array,
  piece: number
) {
  const loaded = yield* load(file, piece)
  yield* expectThat(
    loaded.tag === "Loaded" && sameBytes(place.bytesOf(loaded.payload), pieceOf(bytes, piece)),
    `piece ${piece} is not what was stored`
  )
})

export const range = (count: number): Array<number> => Array.from({ length: count }, (_, index) => index)

const count = (file: PieceFile): number => file.have().count

/** Has every recorded piece checked. */
export const checkAll = Effect.fnUntraced(function* (file: PieceFile) {
  const recorded = file.recorded()
  for (const piece of range(recorded.length)) {
    if (!recorded.has(piece)) continue
    const isThere = yield* later<boolean>("check", (done) => file.check(piece, done))
    yield* expectThat(isThere === file.have().has(piece), `piece ${piece} was checked, but does not count so`)
  }
  yield* expectThat(file.recorded().count === 0, "a piece that was checked is still recorded")
})

const downloads = conformanceCase("a download fills in any order and becomes a blob", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(20, 10 * pieceLength + 100)
    const metainfo = metainfoOf(place, bytes)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* blobs.openPieces(metainfo)
        yield* expectThat(count(file) === 0 && file.have().length === 11, "a new download has pieces")
        yield* expectThat(file.swarm === place.digests.swarmId(metainfo), "the swarm is another one")
        yield* expectThat((yield* load(file, 3)).tag === "Failed", "a missing piece was loaded")
        yield* storePieces(place, file, bytes, [10, 3, 4, 0, 9, 1, 2, 8])
        yield* expectThat(count(file) === 8, `${count(file)} pieces after 8 were stored`)
        yield* expectThat(Option.isNone(yield* blobs.stat(metainfo.digest)), "a blob before it is whole")
        yield* expectPiece(place, file, bytes, 10)
        yield* storePieces(place, file, bytes, [7, 6, 5, 5])
        yield* file.complete
        yield* file.complete
        yield* expectPiece(place, file, bytes, 6)
      })
    )
    yield* expectThat(
      sameBytes(yield* readAll(blobs, metainfo.digest, 0, bytes.length), bytes),
      "the bytes of the blob differ"
    )
    const seeding = yield* blobs.openPieces(metainfo)
    yield* expectThat(seeding.have().isFull, "a complete blob lacks pieces")
    yield* expectPiece(place, seeding, bytes, 0)
    yield* seeding.complete
  })
)

const corruptPieces = conformanceCase("a piece with wrong bytes is never stored", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(21, 3 * pieceLength)
    const file = yield* blobs.openPieces(metainfoOf(place, bytes))
    const { proof } = treeOf(place, bytes)
    const right = pieceOf(bytes, 1)
    const flipped = right.slice()
    flipped[500]! ^= 1
    for (const wrong of [flipped, right.slice(1), pieceOf(bytes, 0), new Uint8Array(0)]) {
      const outcome = yield* store(file, 1, wrong, proof(1))
      yield* expectThat(outcome.tag === "Corrupt", `wrong bytes were ${outcome.tag}`)
    }
    yield* expectThat(count(file) === 0, "a corrupt piece counts as there")
    yield* storePieces(place, file, bytes, [1])
  })
)

const resumes = conformanceCase("a download resumes after a kill with its stored pieces", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(22, 9 * pieceLength)
    const metainfo = metainfoOf(place, bytes)
    const stored = [0, 1, 2, 5, 8]
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* (yield* openBlobs(place)).openPieces(metainfo)
        yield* storePieces(place, file, bytes, stored)
        yield* place.kill
      })
    )
    const blobs = yield* openBlobs(place)
    const file = yield* blobs.openPieces(metainfo)
    yield* expectThat(count(file) === 0, "a piece counts as there before it was checked")
    const recorded = file.recorded()
    for (const piece of range(9)) {
      if (!recorded.has(piece)) continue
      yield* expectThat(
        (yield* load(file, piece)).tag === "Failed",
        "a piece that was not checked was loaded"
      )
    }
    yield* checkAll(file)
    const have = file.have()
    yield* expectThat(
      range(9).every((piece) => !have.has(piece) || stored.includes(piece)),
      "a piece counts as there that was never stored"
    )
    yield* expectThat(have.count >= 1, "nothing of the download is left")
    for (const piece of range(9)) if (have.has(piece)) yield* expectPiece(place, file, bytes, piece)
    yield* storePieces(
      place,
      file,
      bytes,
      range(9).filter((piece) => !have.has(piece))
    )
    yield* file.complete
    yield* expectThat(Option.isSome(yield* blobs.stat(metainfo.digest)), "the completed blob is missing")
  })
)

const reopened = conformanceCase("a closed download is opened again with its pieces", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(29, 4 * pieceLength)
    const metainfo = metainfoOf(place, bytes)
    for (const piece of [2, 0, 3]) {
      yield* Effect.scoped(
        Effect.flatMap(blobs.openPieces(metainfo), (file) => storePieces(place, file, bytes, [piece]))
      )
    }
    const file = yield* blobs.openPieces(metainfo)
    const have = file.have()
    yield* expectThat(have.count === 3 && !have.has(1), `${have.count} of 3 pieces are there`)
    yield* expectPiece(place, file, bytes, 2)
    yield* storePieces(place, file, bytes, [1])
    yield* file.complete
    yield* expectThat(Option.isSome(yield* blobs.stat(metainfo.digest)), "the completed blob is missing")
  })
)

const wrongWhole = conformanceCase("a wrong whole digest discards pieces and metainfo", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(23, 4 * pieceLength)
    const promised = place.digests.digest("sha256", sampleBytes(24, 10))
    const metainfo = metainfoOf(place, bytes, promised)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* blobs.openPieces(metainfo)
        yield* storePieces(place, file, bytes, range(4))
        const wrong = yield* expectFailure(file.complete, "DigestMismatch")
        yield* expectThat(wrong.actual === place.digests.digest("sha256", bytes), "another digest is named")
      })
    )
    yield* expectThat(Option.isNone(yield* blobs.stat(promised)), "there is a blob under the wrong digest")
    yield* expectThat(Option.isNone(yield* blobs.metainfo(promised)), "the wrong metainfo is kept")
    const again = yield* blobs.openPieces(metainfo)
    yield* expectThat(count(again) === 0, "discarded pieces came back")
  })
)

const shared = conformanceCase("a blob that is open twice is one blob", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(25, 3 * pieceLength)
    const metainfo = metainfoOf(place, bytes)
    const second = yield* Effect.scoped(
      Effect.gen(function* () {
        const first = yield* blobs.openPieces(metainfo)
        yield* storePieces(place, first, bytes, [0])
        const inner = yield* blobs.openPieces(metainfo)
        yield* expectThat(inner.have().has(0), "the second opening does not see the piece of the first")
        yield* storePieces(place, inner, bytes, [1, 2])
        yield* first.complete
        return inner
      })
    )
    yield* expectThat(second.have().isFull, "pieces went away")
    const later = yield* blobs.openPieces(metainfo)
    yield* expectPiece(place, later, bytes, 2)
  })
)

const downloadRemoved = conformanceCase("a download is removed by itself, and a whole blob is not", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(27, 3 * pieceLength)
    const metainfo = metainfoOf(place, bytes)
    yield* storePieces(place, yield* blobs.openPieces(metainfo), bytes, [0])
    yield* blobs.removeDownload(metainfo.digest)
    yield* expectThat(Option.isNone(yield* blobs.metainfo(metainfo.digest)), "its metainfo is kept")
    yield* expectThat(count(yield* blobs.openPieces(metainfo)) === 0, "removed pieces came back")
    yield* commitBytes(blobs, bytes, metainfo.digest)
    yield* blobs.makeMetainfo(metainfo.digest, pieceLength)
    yield* blobs.removeDownload(metainfo.digest)
    yield* expectThat(Option.isSome(yield* blobs.stat(metainfo.digest)), "a whole blob was removed")
    yield* expectThat(Option.isSome(yield* blobs.metainfo(metainfo.digest)), "its metainfo was removed")
  })
)

const removedWhileOpen = conformanceCase("removing an open download ends it", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(26, 3 * pieceLength)
    const metainfo = metainfoOf(place, bytes)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* blobs.openPieces(metainfo)
        yield* storePieces(place, file, bytes, [0])
        yield* blobs.remove(metainfo.digest)
        const { proof } = treeOf(place, bytes)
        const outcome = yield* store(file, 1, pieceOf(bytes, 1), proof(1))
        yield* expectThat(outcome.tag === "Failed", `a piece of a removed download was ${outcome.tag}`)
      })
    )
    yield* expectThat(Option.isNone(yield* blobs.metainfo(metainfo.digest)), "its metainfo is kept")
    const again = yield* blobs.openPieces(metainfo)
    yield* expectThat(count(again) === 0, "removed pieces came back")
  })
)

const closedWhileCompleting = conformanceCase(
  "closing a download while it completes does not lose the blob",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(30, 6 * pieceLength)
      const metainfo = metainfoOf(place, bytes)
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(blobs.openPieces(metainfo), scope)
      yield* storePieces(place, file, bytes, range(6))
      const completing = yield* Effect.forkChild(file.complete, { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(completing)
      yield* expectThat(
        sameBytes(yield* readAll(blobs, metainfo.digest, 0, bytes.length), bytes),
        "the bytes of the blob differ"
      )
      const seeding = yield* blobs.openPieces(metainfo)
      yield* expectPiece(place, seeding, bytes, 3)
    })
)

const emptyDownload = conformanceCase("a download of an empty blob is complete at once", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const metainfo = metainfoOf(place, new Uint8Array(0))
    const file = yield* blobs.openPieces(metainfo)
    yield* expectThat(file.have().isFull && file.have().length === 0, "it has pieces")
    yield* file.complete
    yield* expectThat(Option.isSome(yield* blobs.stat(metainfo.digest)), "the empty blob is missing")
  })
)

const metainfoIsKept = conformanceCase(
  "metainfo is made once, found by its swarm, and survives a kill",
  (place) =>
    Effect.gen(function* () {
      const bytes = sampleBytes(27, 5 * pieceLength + 1)
      const expected = metainfoOf(place, bytes)
      const { digest } = expected
      const swarm = place.digests.swarmId(expected)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const blobs = yield* openBlobs(place)
          yield* expectFailure(blobs.makeMetainfo(digest, pieceLength), "BlobMissing")
          yield* commitBytes(blobs, bytes, digest)
          yield* expectThat(Option.isNone(yield* blobs.metainfo(digest)), "metainfo before it was made")
          const made = yield* blobs.makeMetainfo(digest, pieceLength)
          yield* expectThat(made.swarm === swarm, "the metainfo that was made is not the blob's")
          yield* expectThat(pieceSize(made.metainfo, 5) === 1, "the last piece has another size")
          const again = yield* blobs.makeMetainfo(digest, 2 * pieceLength)
          yield* expectThat(again.swarm === swarm, "metainfo was made a second time")
          yield* place.kill
        })
      )
      const blobs = yield* openBlobs(place)
      yield* expectFound(blobs, expected, swarm)
      yield* blobs.remove(digest)
      yield* expectThat(Option.isNone(yield* blobs.findSwarm(swarm)), "the swarm of a removed blob is found")
    })
)

const metainfoIsTaken = conformanceCase("metainfo from another host is stored and found", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const metainfo = metainfoOf(place, sampleBytes(28, 3 * pieceLength))
    const torrent = yield* blobs.putMetainfo(metainfo)
    yield* blobs.putMetainfo(metainfo)
    yield* expectThat(torrent.swarm === place.digests.swarmId(metainfo), "the swarm is another one")
    yield* expectFound(blobs, metainfo, torrent.swarm)
  })
)

const expectFound = Effect.fnUntraced(function* (
  blobs: BlobStore,
  metainfo: Metainfo,
  swarm: Metainfo["digest"] | string
) {
  const kept = yield* blobs.metainfo(metainfo.digest)
  yield* expectThat(
    Option.isSome(kept) && sameBytes(kept.value.metainfo.root, metainfo.root),
    "the metainfo is missing or another"
  )
  if (Option.isNone(kept)) return
  const found = yield* blobs.findSwarm(kept.value.swarm)
  yield* expectThat(
    Option.isSome(found) && found.value.swarm === swarm && found.value.metainfo.digest === metainfo.digest,
    "the swarm does not lead to the metainfo"
  )
})

export const pieceStoreConformance: ReadonlyArray<ConformanceCase> = [
  downloads,
  corruptPieces,
  resumes,
  reopened,
  wrongWhole,
  shared,
  downloadRemoved,
  removedWhileOpen,
  closedWhileCompleting,
  emptyDownload,
  metainfoIsKept,
  metainfoIsTaken
]
