// Conformance of blob stores, uploads and complete blobs: appends, commits, refusals, and what survives a kill. Cases
// of downloads and metainfo are in piece-store.conformance.ts.

import { Effect, Option, type Scope, Stream } from "effect"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { BlobStore, BlobStoreError } from "../../src/roles/services/blob-store.ts"
import {
  type ConformanceCase,
  conformanceCase,
  expectFailure,
  expectThat,
  type StoragePlace,
  sameBytes,
  sampleBytes
} from "./conformance.ts"

const folder = "blobs-under-test"

export const openBlobs = (place: StoragePlace): Effect.Effect<BlobStore, BlobStoreError, Scope.Scope> =>
  Effect.flatMap(place.start, (storage) => storage.blobs(folder))

/** `bytes` in chunks of `size` bytes. */
export const chunked = (bytes: Uint8Array, size = 1000): Stream.Stream<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size))
  return Stream.fromIterable(chunks)
}

export const readAll = (blobs: BlobStore, digest: Digest, start: number, end: number) =>
  Stream.mkUint8Array(blobs.read(digest, start, end))

/** Commits `bytes` as one upload. */
export const commitBytes = Effect.fnUntraced(function* (blobs: BlobStore, bytes: Uint8Array, digest: Digest) {
  const upload = yield* blobs.createUpload
  yield* blobs.appendUpload(upload, 0, chunked(bytes))
  return yield* blobs.commitUpload(upload, digest)
})

const sha256 = (place: StoragePlace, bytes: Uint8Array) => place.digests.digest("sha256", bytes)

const roundTrip = (name: string, length: number, algorithm: "sha256" | "sha512") =>
  conformanceCase(name, (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(1, length)
      const digest = place.digests.digest(algorithm, bytes)
      yield* expectThat(Option.isNone(yield* blobs.stat(digest)), "a blob is there before it was uploaded")
      const committed = yield* commitBytes(blobs, bytes, digest)
      yield* expectThat(committed.length === length, `committed ${committed.length} of ${length} bytes`)
      const stat = yield* blobs.stat(digest)
      yield* expectThat(Option.isSome(stat) && stat.value.length === length, "stat does not find the blob")
      yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, length), bytes), "the bytes differ")
      const listed = yield* blobs.list
      yield* expectThat(listed.length === 1 && listed[0]?.digest === digest, "list does not name the blob")
      yield* blobs.remove(digest)
      yield* expectThat(Option.isNone(yield* blobs.stat(digest)), "a removed blob is still there")
      yield* expectFailure(Stream.runDrain(blobs.read(digest, 0, length)), "BlobMissing")
      yield* blobs.remove(digest)
    })
  )

const ranges = conformanceCase("any range of a blob is read, in chunks of at most 1 MiB", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const MiB = 1024 * 1024
    const bytes = sampleBytes(2, 2 * MiB + 5)
    const digest = sha256(place, bytes)
    yield* commitBytes(blobs, bytes, digest)
    for (const [start, end] of [
      [0, 1],
      [0, bytes.length],
      [MiB - 1, MiB + 1],
      [2 * MiB + 4, 2 * MiB + 5],
      [7, 7]
    ] as const) {
      const chunks = yield* Stream.runCollect(blobs.read(digest, start, end))
      yield* expectThat(
        chunks.every((chunk) => chunk.length <= MiB),
        "a chunk is longer than 1 MiB"
      )
      const read = yield* readAll(blobs, digest, start, end)
      yield* expectThat(sameBytes(read, bytes.slice(start, end)), `bytes [${start}, ${end}) differ`)
    }
  })
)

const appends = conformanceCase("an upload grows append by append; a wrong offset changes nothing", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(3, 5000)
    const upload = yield* blobs.createUpload
    yield* expectThat((yield* blobs.uploadSize(upload)) === 0, "a new upload is not empty")
    const first = yield* blobs.appendUpload(upload, 0, chunked(bytes.slice(0, 2000)))
    yield* expectThat(first === 2000, `the first append gave size ${first}`)
    for (const offset of [0, 1999, 2001]) {
      const wrong = yield* expectFailure(
        blobs.appendUpload(upload, offset, chunked(sampleBytes(9, 10))),
        "UploadOffsetWrong"
      )
      yield* expectThat(wrong.expected === 2000 && wrong.got === offset, "the error names other offsets")
    }
    yield* blobs.appendUpload(upload, 2000, Stream.empty)
    yield* blobs.appendUpload(upload, 2000, chunked(bytes.slice(2000)))
    const digest = sha256(place, bytes)
    yield* blobs.commitUpload(upload, digest)
    yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, 5000), bytes), "the bytes differ")
    yield* expectFailure(blobs.uploadSize(upload), "UploadUnknown")
  })
)

const unknownUploads = conformanceCase(
  "every call with an unknown upload fails with UploadUnknown",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const aborted = yield* blobs.createUpload
      yield* blobs.abortUpload(aborted)
      for (const upload of ["no-such-upload", "../../etc/passwd", "", aborted]) {
        yield* expectFailure(blobs.uploadSize(upload), "UploadUnknown")
        yield* expectFailure(blobs.appendUpload(upload, 0, Stream.empty), "UploadUnknown")
        yield* expectFailure(blobs.commitUpload(upload, sha256(place, sampleBytes(1, 1))), "UploadUnknown")
        yield* expectFailure(blobs.abortUpload(upload), "UploadUnknown")
      }
    })
)

const mismatch = conformanceCase("a wrong digest discards the upload", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(4, 3000)
    const promised = sha256(place, sampleBytes(5, 3000))
    const upload = yield* blobs.createUpload
    yield* blobs.appendUpload(upload, 0, chunked(bytes))
    const wrong = yield* expectFailure(blobs.commitUpload(upload, promised), "DigestMismatch")
    yield* expectThat(
      wrong.expected === promised && wrong.actual === sha256(place, bytes),
      "the error names other digests"
    )
    yield* expectThat(Option.isNone(yield* blobs.stat(promised)), "the wrong digest has a blob")
    yield* expectThat(
      Option.isNone(yield* blobs.stat(wrong.actual)),
      "the actual digest has a blob without a commit"
    )
    yield* expectFailure(blobs.uploadSize(upload), "UploadUnknown")
  })
)

const brokenSource = conformanceCase(
  "bytes that arrived before the source failed are kept, and the upload is resumed",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(6, 4000)
      const upload = yield* blobs.createUpload
      const failing = Stream.concat(
        chunked(bytes.slice(0, 3000)),
        Stream.fail({ _tag: "HungUp", message: "the client hung up" } as const)
      )
      yield* expectFailure(blobs.appendUpload(upload, 0, failing), "HungUp")
      const size = yield* blobs.uploadSize(upload)
      yield* expectThat(size === 3000, `the upload holds ${size} of the 3000 bytes that arrived`)
      yield* blobs.appendUpload(upload, size, chunked(bytes.slice(size)))
      yield* blobs.commitUpload(upload, sha256(place, bytes))
    })
)

const uploadSurvivesKill = conformanceCase("an upload keeps its acknowledged bytes after a kill", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(7, 6000)
    const upload = yield* Effect.scoped(
      Effect.gen(function* () {
        const blobs = yield* openBlobs(place)
        const upload = yield* blobs.createUpload
        yield* blobs.appendUpload(upload, 0, chunked(bytes.slice(0, 2500)))
        yield* place.kill
        return upload
      })
    )
    const blobs = yield* openBlobs(place)
    const size = yield* blobs.uploadSize(upload)
    yield* expectThat(size === 2500, `the upload holds ${size} of the 2500 acknowledged bytes`)
    yield* blobs.appendUpload(upload, size, chunked(bytes.slice(size)))
    const digest = sha256(place, bytes)
    yield* blobs.commitUpload(upload, digest)
    yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, 6000), bytes), "the bytes differ")
  })
)

const appendIsCut = conformanceCase(
  "an append that a kill cuts leaves what was acknowledged before",
  (place) =>
    Effect.gen(function* () {
      const bytes = sampleBytes(9, 6000)
      const upload = yield* Effect.scoped(
        Effect.gen(function* () {
          const blobs = yield* openBlobs(place)
          const upload = yield* blobs.createUpload
          yield* blobs.appendUpload(upload, 0, chunked(bytes.slice(0, 2500)))
          // The store has written the first two chunks when it takes the third, and the kill comes then.
          const cut = Stream.concat(
            chunked(bytes.slice(2500, 4500)),
            Stream.fromEffect(Effect.andThen(place.kill, Effect.fail({ _tag: "Killed" } as const)))
          )
          yield* Effect.exit(blobs.appendUpload(upload, 2500, cut))
          return upload
        })
      )
      const blobs = yield* openBlobs(place)
      const size = yield* blobs.uploadSize(upload)
      yield* expectThat(size >= 2500 && size <= 4500, `the upload holds ${size} bytes`)
      yield* blobs.appendUpload(upload, size, chunked(bytes.slice(size)))
      const digest = sha256(place, bytes)
      yield* blobs.commitUpload(upload, digest)
      yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, 6000), bytes), "the bytes differ")
    })
)

const blobSurvivesKill = conformanceCase("a committed blob survives a kill", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(8, 6000)
    const digest = sha256(place, bytes)
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* commitBytes(yield* openBlobs(place), bytes, digest)
        yield* place.kill
      })
    )
    const blobs = yield* openBlobs(place)
    yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, 6000), bytes), "the bytes differ")
  })
)

const concurrentUploads = conformanceCase(
  "concurrent uploads are independent, also of the same bytes",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const contents = [0, 1, 2, 3, 4, 5].map((index) => sampleBytes(10 + (index >> 1), 20_000))
      yield* Effect.forEach(contents, (bytes) => commitBytes(blobs, bytes, sha256(place, bytes)), {
        concurrency: "unbounded",
        discard: true
      })
      for (const bytes of contents) {
        const read = yield* readAll(blobs, sha256(place, bytes), 0, bytes.length)
        yield* expectThat(sameBytes(read, bytes), "the bytes differ")
      }
      yield* expectThat((yield* blobs.list).length === 3, "list does not name three blobs")
    })
)

const racingAppends = conformanceCase("one of two appends at the same offset succeeds", (place) =>
  Effect.gen(function* () {
    const blobs = yield* openBlobs(place)
    const bytes = sampleBytes(16, 9000)
    const upload = yield* blobs.createUpload
    const outcomes = yield* Effect.forEach(
      [0, 1],
      () =>
        blobs.appendUpload(upload, 0, chunked(bytes)).pipe(
          Effect.as("appended"),
          Effect.catchTag("UploadOffsetWrong", () => Effect.succeed("refused"))
        ),
      { concurrency: "unbounded" }
    )
    yield* expectThat(outcomes.filter((outcome) => outcome === "appended").length === 1, outcomes.join())
    yield* blobs.commitUpload(upload, sha256(place, bytes))
  })
)

const received = (name: string, length: number, algorithm: "sha256" | "sha512") =>
  conformanceCase(name, (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(21, length)
      const digest = place.digests.digest(algorithm, bytes)
      const stat = yield* blobs.receive(digest, chunked(bytes))
      yield* expectThat(stat.digest === digest && stat.length === length, "the answer names another blob")
      yield* expectThat(sameBytes(yield* readAll(blobs, digest, 0, length), bytes), "the bytes differ")
      const again = yield* blobs.receive(digest, chunked(bytes))
      yield* expectThat(again.length === length, "a blob that is there cannot be received again")
      const listed = yield* blobs.list
      yield* expectThat(listed.length === 1 && listed[0]?.digest === digest, "list does not name the blob")
    })
  )

const receivesNothing = conformanceCase(
  "a blob whose source fails, or that has another digest, leaves nothing",
  (place) =>
    Effect.gen(function* () {
      const blobs = yield* openBlobs(place)
      const bytes = sampleBytes(22, 4000)
      const digest = sha256(place, bytes)
      const before = (yield* blobs.usage).other
      const failing = Stream.concat(
        chunked(bytes.slice(0, 3000)),
        Stream.fail({ _tag: "HungUp", message: "the sender hung up" } as const)
      )
      yield* expectFailure(blobs.receive(digest, failing), "HungUp")
      const other = chunked(sampleBytes(23, 4000))
      const wrong = yield* expectFailure(blobs.receive(digest, other), "DigestMismatch")
      yield* expectThat(wrong.expected === digest, "the error names another digest")
      yield* expectThat(Option.isNone(yield* blobs.stat(digest)), "something is there")
      const usage = yield* blobs.usage
      yield* expectThat(usage.kept.length === 0 && usage.other === before, "bytes are left")
      yield* blobs.receive(digest, chunked(bytes))
    })
)

const receivingIsCut = conformanceCase("a blob that a kill cuts leaves nothing at the next start", (place) =>
  Effect.gen(function* () {
    const bytes = sampleBytes(24, 6000)
    const digest = sha256(place, bytes)
    const before = yield* Effect.scoped(
      Effect.gen(function* () {
        const blobs = yield* openBlobs(place)
        const { other } = yield* blobs.usage
        const cut = Stream.concat(
          chunked(bytes.slice(0, 4000)),
          Stream.fromEffect(Effect.andThen(place.kill, Effect.fail({ _tag: "Killed" } as const)))
        )
        yield* Effect.exit(blobs.receive(digest, cut))
        return other
      })
    )
    const blobs = yield* openBlobs(place)
    yield* expectThat(Option.isNone(yield* blobs.stat(digest)), "half a blob is complete")
    const { other } = yield* blobs.usage
    yield* expectThat(other === before, `${other - before} bytes are left`)
    yield* blobs.receive(digest, chunked(bytes))
  })
)

export const blobStoreConformance: ReadonlyArray<ConformanceCase> = [
  roundTrip("a blob is uploaded, found, read, listed and removed", 10_000, "sha256"),
  roundTrip("the same by SHA-512", 10_000, "sha512"),
  roundTrip("an empty blob is uploaded, found, read, listed and removed", 0, "sha256"),
  ranges,
  appends,
  unknownUploads,
  mismatch,
  brokenSource,
  uploadSurvivesKill,
  appendIsCut,
  blobSurvivesKill,
  concurrentUploads,
  racingAppends,
  received("a blob is received in one go, also twice", 10_000, "sha256"),
  received("the same by SHA-512", 10_000, "sha512"),
  received("an empty blob is received", 0, "sha256"),
  receivesNothing,
  receivingIsCut
]
