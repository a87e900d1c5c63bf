// Checks that a store lost nothing: a life that uses every part of it and records each acknowledged step, and the
// conditions that hold in the remains after any fault. Tests only.

import { hash } from "node:crypto"
import { Effect, Exit, Option, Stream } from "effect"
import { expect } from "vitest"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { Metainfo } from "../../src/protocol/wire/metainfo.ts"
import type { BlobStore, LoadOutcome, PieceFile, StoreOutcome } from "../../src/roles/services/blob-store.ts"
import { digestOf } from "../../src/runtime-net/platform/node-digests.ts"
import { sameBytes, sampleBytes } from "../conformance/conformance.ts"
import { type TestTree, testTree } from "../roles/test-trees.ts"

export const sha256 = (bytes: Uint8Array): Digest => `sha256:${hash("sha256", bytes, "hex")}` as Digest

const pieceLength = 16 * 1024

export const metainfoOf = (bytes: Uint8Array, digest?: Digest): Metainfo =>
  testTree(digestOf, bytes, pieceLength, digest).metainfo

const trees = new WeakMap<Uint8Array, TestTree>()

/** Computed once, because a test stores hundreds of pieces. */
const treeOf = (bytes: Uint8Array): TestTree => {
  const tree = trees.get(bytes) ?? testTree(digestOf, bytes, pieceLength)
  trees.set(bytes, tree)
  return tree
}

export const store = (file: PieceFile, bytes: Uint8Array, piece: number) =>
  Effect.callback<StoreOutcome>((resume) =>
    file.store(
      piece,
      bytes.slice(piece * pieceLength, (piece + 1) * pieceLength),
      treeOf(bytes).proof(piece),
      (outcome) => resume(Effect.succeed(outcome))
    )
  )

const load = (file: PieceFile, piece: number) =>
  Effect.callback<LoadOutcome>((resume) => file.load(piece, (outcome) => resume(Effect.succeed(outcome))))

const uploaded = sampleBytes(1, 30_000)
export const downloaded = sampleBytes(2, 5 * pieceLength + 10)
export const removed = sampleBytes(3, 100)

/** A life of a store. Each acknowledged step is recorded. */
export const life = (blobs: BlobStore, acknowledged: Set<string>) =>
  Effect.gen(function* () {
    const note = (step: string) => Effect.sync(() => acknowledged.add(step))
    const gone = yield* blobs.createUpload
    yield* blobs.appendUpload(gone, 0, Stream.make(removed))
    yield* blobs.commitUpload(gone, sha256(removed))
    yield* blobs.remove(sha256(removed))
    yield* note("removed")
    const upload = yield* blobs.createUpload
    yield* blobs.appendUpload(
      upload,
      0,
      Stream.make(uploaded.slice(0, 10_000), uploaded.slice(10_000, 20_000))
    )
    yield* note(`upload ${upload} 20000`)
    yield* blobs.appendUpload(upload, 20_000, Stream.make(uploaded.slice(20_000)))
    yield* blobs.commitUpload(upload, sha256(uploaded))
    yield* note("committed")
    yield* blobs.makeMetainfo(sha256(uploaded), pieceLength)
    yield* note("metainfo")
    const file = yield* blobs.openPieces(metainfoOf(downloaded))
    for (const piece of [5, 0, 1, 4, 3, 2]) {
      const outcome = yield* store(file, downloaded, piece)
      if (outcome.tag === "Failed") return yield* outcome.error
    }
    yield* file.complete
    yield* note("completed")
  }).pipe(Effect.scoped)

/** The conditions that hold in a store, whatever happened before it was opened. */
export const expectConsistent = (blobs: BlobStore, acknowledged: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const contents = new Map([uploaded, downloaded, removed].map((bytes) => [sha256(bytes), bytes] as const))
    const found = new Set<Digest>()
    for (const { digest, length } of yield* blobs.list) {
      const chunks = yield* Stream.runCollect(blobs.read(digest, 0, length))
      expect(Buffer.compare(Buffer.concat(chunks), contents.get(digest)!)).toBe(0)
      found.add(digest)
    }
    if (acknowledged.has("removed")) expect(found.has(sha256(removed))).toBe(false)
    if (acknowledged.has("committed")) expect(found.has(sha256(uploaded))).toBe(true)
    if (acknowledged.has("completed")) expect(found.has(sha256(downloaded))).toBe(true)
    if (acknowledged.has("metainfo")) {
      const kept = yield* blobs.metainfo(sha256(uploaded))
      expect(Option.isSome(kept)).toBe(true)
      if (Option.isSome(kept)) expect(Option.isSome(yield* blobs.findSwarm(kept.value.swarm))).toBe(true)
    }
    for (const step of acknowledged) {
      const [kind, upload, size] = step.split(" ")
      if (kind !== "upload" || acknowledged.has("committed")) continue
      const outcome = yield* Effect.exit(blobs.uploadSize(upload!))
      // The commit may have happened without an answer.
      if (Exit.isSuccess(outcome)) expect(outcome.value).toBeGreaterThanOrEqual(Number(size))
      else expect(found.has(sha256(uploaded))).toBe(true)
    }
    const file = yield* blobs.openPieces(metainfoOf(downloaded))
    const have = file.have()
    for (let piece = 0; piece < have.length; piece++) {
      if (!have.has(piece)) {
        expect((yield* store(file, downloaded, piece)).tag).toBe("Stored")
        continue
      }
      const outcome = yield* load(file, piece)
      const expected = downloaded.slice(piece * pieceLength, (piece + 1) * pieceLength)
      expect(outcome.tag === "Loaded" && sameBytes(outcome.payload as Uint8Array, expected)).toBe(true)
    }
    yield* file.complete
  }).pipe(Effect.scoped)
