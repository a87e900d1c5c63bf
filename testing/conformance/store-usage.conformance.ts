// Conformance of blob stores, usage: the bytes on the medium per digest and in total, which stay right after a kill,
// and the last use of each blob.

import { Effect, Option } from "effect"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { BlobStore, PieceFile, StoreUsage } from "../../src/roles/services/blob-store.ts"
import { testTree } from "../roles/test-trees.ts"
import { chunked, commitBytes, openBlobs } from "./blob-store.conformance.ts"
import { type ConformanceCase, conformanceCase, expectThat, sampleBytes } from "./conformance.ts"

const kept = (usage: StoreUsage, digest: Digest) => usage.kept.find((blob) => blob.digest === digest)

const measured = conformanceCase(
  "blobs and uploads are measured, also after a kill, until they are removed",
  (place) =>
    Effect.gen(function* () {
      const bytes = sampleBytes(17, 300_000)
      const digest = place.digests.digest("sha256", bytes)
      const unfinished = yield* Effect.scoped(
        Effect.gen(function* () {
          const blobs = yield* openBlobs(place)
          const before = yield* blobs.usage
          yield* expectThat(before.kept.length === 0, "a new store keeps something")
          yield* expectThat(
            Option.isNone(yield* blobs.measure(digest)),
            "a blob that is not there is measured"
          )
          yield* commitBytes(blobs, bytes, digest)
          const bare = Option.getOrThrow(yield* blobs.measure(digest))
          yield* blobs.makeMetainfo(digest, 16 * 1024)
          const whole = Option.getOrThrow(yield* blobs.measure(digest))
          yield* expectThat(whole.complete && whole.bytes >= bytes.length, `measured ${whole.bytes} bytes`)
          yield* expectThat(whole.bytes > bare.bytes, "the metainfo takes nothing")
          const upload = yield* blobs.createUpload
          yield* blobs.appendUpload(upload, 0, chunked(bytes))
          const { other } = yield* blobs.usage
          yield* expectThat(other >= before.other + bytes.length, "an upload takes nothing")
          yield* place.kill
          return { upload, whole }
        })
      )
      const blobs = yield* openBlobs(place)
      const after = yield* blobs.usage
      yield* expectThat(
        kept(after, digest)?.bytes === unfinished.whole.bytes,
        `${kept(after, digest)?.bytes} bytes after a kill, ${unfinished.whole.bytes} before`
      )
      yield* expectThat(after.other >= bytes.length, "after a kill the upload takes nothing")
      yield* blobs.abortUpload(unfinished.upload)
      yield* blobs.remove(digest)
      const end = yield* blobs.usage
      yield* expectThat(end.kept.length === 0, "a removed blob is still measured")
      yield* expectThat(end.other < bytes.length, `${end.other} bytes are left of nothing`)
      yield* expectThat(Option.isNone(yield* blobs.measure(digest)), "a removed blob is measured")
    })
)

const usesAreNoted = conformanceCase("the last use of a blob outlives a kill", (place) =>
  Effect.gen(function* () {
    // The order of the last uses differs from the order of the writes.
    const contents = [2, 0, 1].map((minute, index) => {
      const bytes = sampleBytes(40 + index, 1000)
      return { bytes, digest: place.digests.digest("sha256", bytes), minute }
    })
    const long = 1_700_000_000_000
    yield* Effect.scoped(
      Effect.gen(function* () {
        const blobs = yield* openBlobs(place)
        for (const { bytes, digest } of contents) yield* commitBytes(blobs, bytes, digest)
        for (const { digest, minute } of contents) {
          const written = Option.getOrThrow(yield* blobs.measure(digest)).usedAt
          yield* expectThat(written > long, `a blob was written at ${written}`)
          yield* blobs.noteUse(digest, long + minute * 60_000)
        }
        yield* blobs.noteUse(place.digests.digest("sha256", sampleBytes(50, 1)), long)
        yield* place.kill
      })
    )
    const usage = yield* (yield* openBlobs(place)).usage
    const ages = contents.map(({ digest }) => (kept(usage, digest)!.usedAt - long) / 60_000)
    yield* expectThat(ages.join() === "2,0,1", `the last uses are ${ages.join()}, not 2,0,1`)
  })
)

const pieces = Array.from({ length: 32 }, (_, piece) => piece)

const store = (file: PieceFile, piece: number, bytes: Uint8Array, proof: Uint8Array) =>
  Effect.callback<void>((resume) => file.store(piece, bytes, proof, () => resume(Effect.void)))

const downloadIsMeasured = conformanceCase(
  "a download is measured by its stored pieces, and as nothing after its removal",
  (place) =>
    Effect.gen(function* () {
      const long = 64 * 1024
      const bytes = sampleBytes(31, 32 * long)
      const { metainfo, proof } = testTree(place.digests.digest, bytes, long)
      const at = (piece: number) => bytes.slice(piece * long, (piece + 1) * long)
      const takes = (blobs: BlobStore) =>
        Effect.map(
          blobs.measure(metainfo.digest),
          Option.match({ onNone: () => 0, onSome: (of) => of.bytes })
        )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const blobs = yield* openBlobs(place)
          const file = yield* blobs.openPieces(metainfo)
          const opened = yield* takes(blobs)
          yield* expectThat(opened > 0 && opened < long, `an empty download takes ${opened} bytes`)
          for (const piece of [3, 20, 31]) yield* store(file, piece, at(piece), proof(piece))
          const some = yield* takes(blobs)
          yield* expectThat(some >= 3 * long && some < 16 * long, `three of 32 pieces take ${some} bytes`)
          yield* place.kill
        })
      )
      const blobs = yield* openBlobs(place)
      const [left, ...others] = (yield* blobs.usage).kept
      yield* expectThat(left !== undefined && others.length === 0, "a download is not the only content")
      yield* expectThat(
        left?.complete === false && left.bytes >= long && left.bytes < 16 * long,
        `after a kill the download takes ${left?.bytes} bytes`
      )
      const file = yield* blobs.openPieces(metainfo)
      for (const piece of pieces) yield* store(file, piece, at(piece), proof(piece))
      yield* file.complete
      const whole = Option.getOrThrow(yield* blobs.measure(metainfo.digest))
      yield* expectThat(
        whole.complete && whole.bytes >= bytes.length && whole.bytes < bytes.length + long,
        `the whole takes ${whole.bytes} of ${bytes.length} bytes`
      )
      yield* blobs.remove(metainfo.digest)
      yield* expectThat((yield* blobs.usage).kept.length === 0, "a removed blob takes something")
    })
)

export const storeUsageConformance: ReadonlyArray<ConformanceCase> = [
  measured,
  usesAreNoted,
  downloadIsMeasured
]
