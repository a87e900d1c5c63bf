// Conformance of blob stores, arrivals: what a host receives piece by piece, and what others download of it meanwhile,
// becomes a blob by its digest alone; nothing of an arrival that ended early is left after a restart.

import { Effect, Option } from "effect"
import type { PieceFile, StoreOutcome } from "../../src/roles/services/blob-store.ts"
import { commitBytes, openBlobs, readAll } from "./blob-store.conformance.ts"
import {
  type ConformanceCase,
  conformanceCase,
  expectFailure,
  expectThat,
  type StoragePlace,
  sameBytes,
  sampleBytes
} from "./conformance.ts"
import { load, pieceLength, pieceOf, range, store, treeOf } from "./piece-store.conformance.ts"

const blobOf = (place: StoragePlace, bytes: Uint8Array, of = bytes) => ({
  digest: place.digests.digest("sha256", of),
  length: bytes.length,
  pieceLength
})

/** The host receives a piece. */
const put = (
  file: { readonly put: (piece: number, bytes: Uint8Array, done: (outcome: StoreOutcome) => void) => void },
  bytes: Uint8Array,
  piece: number
) =>
  Effect.flatMap(
    Effect.callback<StoreOutcome>((resume) =>
      file.put(piece, pieceOf(bytes, piece), (outcome) => resume(Effect.succeed(outcome)))
    ),
    ({ tag }) => expectThat(tag === "Stored", `piece ${piece} was received, but ${tag}`)
  )

/** Another host gets a piece with its signature. */
const passOn = (from: PieceFile, to: PieceFile, piece: number) =>
  Effect.gen(function* () {
    const loaded = yield* load(from, piece)
    if (loaded.tag === "Failed") return yield* loaded.error
    yield* expectThat(loaded.proof.byteLength === 64, "a piece of an arrival has no signature")
    return yield* store(to, piece, loaded.payload, loaded.proof)
  })

const received = conformanceCase(
  "a blob that arrives is loaded meanwhile, and has its metainfo in the end",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(50, 4 * pieceLength + 9)
      const blob = blobOf(place, bytes)
      const { metainfo } = treeOf(place, bytes)
      const file = yield* blobs.openArrival(blob)
      yield* expectThat(file.metainfo.key.length === 32, "an arrival has no key")
      yield* expectThat(file.swarm === place.digests.swarmId(file.metainfo), "the swarm is another one")
      yield* put(file, bytes, 0)
      yield* put(file, bytes, 1)
      const loaded = yield* load(file, 1)
      yield* expectThat(
        loaded.tag === "Loaded" && sameBytes(place.bytesOf(loaded.payload), pieceOf(bytes, 1)),
        "a piece that arrived is not loaded"
      )
      yield* expectThat((yield* load(file, 2)).tag === "Failed", "a piece was loaded before it arrived")
      yield* expectThat(Option.isNone(yield* blobs.stat(blob.digest)), "a blob before it is whole")
      yield* expectThat(
        Option.isNone(yield* blobs.metainfo(blob.digest)),
        "metainfo before the root is known"
      )
      for (const piece of [2, 3, 4]) yield* put(file, bytes, piece)
      yield* file.complete
      const torrent = yield* blobs.metainfo(blob.digest)
      yield* expectThat(
        Option.isSome(torrent) && torrent.value.swarm === place.digests.swarmId(metainfo),
        "the metainfo is not that of the blob"
      )
      yield* expectThat(
        sameBytes(yield* readAll(blobs, blob.digest, 0, bytes.length), bytes),
        "the bytes of the blob differ"
      )
      const whole = yield* blobs.openPieces(metainfo)
      const proved = yield* load(whole, 3)
      const still = yield* load(file, 3)
      yield* expectThat(
        proved.tag === "Loaded" && proved.proof.byteLength === 3 * 32,
        "a blob that arrived is not served by its metainfo"
      )
      yield* expectThat(
        still.tag === "Loaded" && still.proof.byteLength === 64,
        "a blob that arrived is not served by its arrival any more"
      )
    })
)

const passedOn = conformanceCase(
  "a download of an arrival takes signed pieces, in any order, and no others",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(51, 3 * pieceLength)
      const file = yield* blobs.openArrival(blobOf(place, bytes))
      for (const piece of [0, 1, 2]) yield* put(file, bytes, piece)
      const { metainfo } = file
      const other = yield* Effect.flatMap(place.start, (storage) => storage.blobs("another host"))
      const copy = yield* other.openPieces(metainfo)
      const loaded = yield* load(file, 1)
      if (loaded.tag === "Failed") return yield* loaded.error
      const wrong = pieceOf(bytes, 1)
      wrong[5]! ^= 1
      const flipped = new Uint8Array(loaded.proof as Uint8Array)
      flipped[9]! ^= 1
      for (const [what, payload, proof] of [
        ["other bytes", wrong, loaded.proof],
        ["the bytes of another piece", pieceOf(bytes, 2), loaded.proof],
        ["a wrong signature", loaded.payload, flipped],
        ["half of a signature", loaded.payload, loaded.proof.subarray(0, 32)],
        ["no signature", loaded.payload, new Uint8Array(0)]
      ] as const) {
        const outcome = yield* store(copy, 1, payload, proof)
        yield* expectThat(outcome.tag === "Corrupt", `a piece with ${what} was ${outcome.tag}`)
      }
      for (const piece of [2, 0, 1]) {
        const outcome = yield* passOn(file, copy, piece)
        yield* expectThat(outcome.tag === "Stored", `piece ${piece} was ${outcome.tag}`)
      }
      yield* copy.complete
      const torrent = yield* other.metainfo(metainfo.digest)
      yield* expectThat(
        Option.isSome(torrent) &&
          torrent.value.swarm === place.digests.swarmId(treeOf(place, bytes).metainfo),
        "a download of an arrival has no metainfo, or other one"
      )
    })
)

const wrongWhole = conformanceCase(
  "an arrival with another digest is no blob, and another one may begin",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(52, 2 * pieceLength)
      const expected = sampleBytes(53, 2 * pieceLength)
      const blob = blobOf(place, bytes, expected)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* blobs.openArrival(blob)
          for (const piece of [0, 1]) yield* put(file, bytes, piece)
          const failed = yield* expectFailure(file.complete, "DigestMismatch")
          yield* expectThat(failed.expected === blob.digest, "the digest that was expected is another one")
        })
      )
      yield* expectThat(Option.isNone(yield* blobs.stat(blob.digest)), "wrong bytes became a blob")
      yield* expectThat(Option.isNone(yield* blobs.metainfo(blob.digest)), "wrong bytes have metainfo")
      const again = yield* blobs.openArrival(blob)
      yield* expectThat(again.have().count === 0, "a new arrival begins with old pieces")
      for (const piece of [0, 1]) yield* put(again, expected, piece)
      yield* again.complete
      yield* expectThat(Option.isSome(yield* blobs.stat(blob.digest)), "the right bytes are no blob")
    })
)

const restarted = conformanceCase("nothing of an arrival is left after a kill", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(54, 3 * pieceLength)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* (yield* openBlobs(place)).openArrival(blobOf(place, bytes))
        for (const piece of [0, 1]) yield* put(file, bytes, piece)
        yield* place.kill
      })
    )
    const later = yield* openBlobs(place)
    const usage = yield* later.usage
    yield* expectThat(usage.kept.length === 0, "pieces that nothing proves were kept")
    const download = yield* later.openPieces(treeOf(place, bytes).metainfo)
    yield* expectThat(
      download.have().count === 0 && download.recorded().count === 0,
      "a download begins with pieces of an arrival"
    )
  })
)

const exclusive = conformanceCase("a blob is received once at a time, and not while it is there", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(55, 2 * pieceLength)
    const blob = blobOf(place, bytes)
    const arrival = yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* blobs.openArrival(blob)
        yield* expectFailure(blobs.openArrival(blob), "BlobStoreError")
        yield* expectFailure(blobs.openPieces(treeOf(place, bytes).metainfo), "BlobStoreError")
        yield* put(file, bytes, 0)
        return file.metainfo
      })
    )
    const copy = yield* Effect.scoped(
      Effect.map(blobs.openPieces(arrival), (file) => range(2).map((piece) => file.have().has(piece)))
    )
    yield* expectThat(
      copy.join() === "true,false",
      `the pieces of an arrival that was closed: ${copy.join()}`
    )
    yield* commitBytes(blobs, bytes, blob.digest)
    yield* expectFailure(blobs.openPieces(arrival), "BlobStoreError")
    yield* expectFailure(blobs.openArrival(blob), "BlobStoreError")
  })
)

export const arrivalConformance: ReadonlyArray<ConformanceCase> = [
  received,
  passedOn,
  wrongWhole,
  restarted,
  exclusive
]
