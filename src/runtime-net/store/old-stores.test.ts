// A store of version 1, whose metainfo lists the flat SHA-256 of every piece, is read: its blobs are there at once, and
// get their trees when they are first used. Its files are written here by hand, as that version wrote them.

import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import { describe, expect } from "vitest"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import { testTree } from "../../../testing/roles/test-trees.ts"
import { store } from "../../../testing/runtime-net/store-life.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { BlobStore, LoadOutcome, PieceFile } from "../../roles/services/blob-store.ts"
import { digestOf } from "../platform/node-digests.ts"
import { type BlobFolders, blobFolders } from "./blob-folders.ts"
import { type Disk, nodeDisk } from "./disk.ts"
import { openFileBlobStore } from "./file-blob-store.ts"

const pieceLength = 16 * 1024
const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest()

/** The canonical bytes of version 1. */
const version1 = (digest: Digest, bytes: Uint8Array): Buffer => {
  const sizes = Buffer.alloc(12)
  sizes.writeBigUInt64BE(BigInt(bytes.length))
  sizes.writeUInt32BE(pieceLength, 8)
  const hashes: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceLength) {
    hashes.push(sha256(bytes.subarray(at, at + pieceLength)))
  }
  return Buffer.concat([
    Buffer.from("SHOALMI1"),
    Buffer.from([digest.length]),
    Buffer.from(digest),
    sizes,
    ...hashes
  ])
}

const write = (path: string, bytes: Uint8Array | string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

const blob = sampleBytes(1, 5 * pieceLength + 7)
const download = sampleBytes(2, 3 * pieceLength)
const [blobTree, downloadTree] = [blob, download].map((bytes) => testTree(digestOf, bytes, pieceLength)) as [
  ReturnType<typeof testTree>,
  ReturnType<typeof testTree>
]

/** A folder of version 1 with a complete blob and a download that has its first two pieces. */
const oldStore = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-old-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (root) => {
    const folders = blobFolders(root)
    const swarms = [
      [blobTree.metainfo.digest, blob],
      [downloadTree.metainfo.digest, download]
    ].map(([digest, bytes]) => {
      const canonical = version1(digest as Digest, bytes as Uint8Array)
      const swarm = sha256(canonical).toString("hex") as SwarmId
      write(folders.metainfo(digest as Digest), canonical)
      write(folders.swarm(swarm), digest as string)
      return swarm
    })
    write(folders.blob(blobTree.metainfo.digest), blob)
    const partial = download.slice()
    partial.fill(0, 2 * pieceLength)
    write(folders.download(downloadTree.metainfo.digest), partial)
    write(folders.pieces(downloadTree.metainfo.digest), new Uint8Array([0b11000000]))
    return { root, folders, swarms: swarms as [SwarmId, SwarmId] }
  }
)

/** Opens the store, and counts the bytes that are read in one call of a piece or more. */
const opened = (root: string) =>
  Effect.gen(function* () {
    let read = 0
    const disk: Disk = {
      ...nodeDisk,
      read: (file, target, position, done) => {
        if (target.length >= pieceLength) read += target.length
        nodeDisk.read(file, target, position, done)
      }
    }
    const blobs = yield* openFileBlobStore(disk, root)
    return { blobs, bytesRead: () => read }
  })

const withOldStore = (
  use: (old: {
    readonly blobs: BlobStore
    readonly bytesRead: () => number
    readonly folders: BlobFolders
    readonly swarms: readonly [SwarmId, SwarmId]
    readonly root: string
  }) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  Effect.gen(function* () {
    const old = yield* oldStore
    yield* use({ ...old, ...(yield* opened(old.root)) })
  }).pipe(Effect.scoped)

const load = (file: PieceFile, piece: number) =>
  Effect.callback<LoadOutcome>((resume) => file.load(piece, (outcome) => resume(Effect.succeed(outcome))))

describe("a store of version 1", () => {
  const { digest } = blobTree.metainfo

  it.live("has its blobs at once, without reading them, and no metainfo that anyone could use", () =>
    withOldStore(({ blobs, bytesRead, swarms }) =>
      Effect.gen(function* () {
        expect((yield* blobs.list).map((found) => found.digest)).toEqual([digest])
        expect(Option.isNone(yield* blobs.metainfo(digest))).toBe(true)
        for (const swarm of swarms) expect(Option.isNone(yield* blobs.findSwarm(swarm))).toBe(true)
        expect((yield* blobs.usage).kept.map((kept) => kept.complete).sort()).toEqual([false, true])
        expect(bytesRead()).toBe(0)
      })
    )
  )

  it.live("computes the tree of a blob when its metainfo is made, once, in place of the old one", () =>
    withOldStore(({ blobs, bytesRead, folders, swarms, root }) =>
      Effect.gen(function* () {
        const made = yield* blobs.makeMetainfo(digest, pieceLength)
        expect(made.metainfo).toEqual(blobTree.metainfo)
        expect(bytesRead()).toBe(blob.length)
        expect(existsSync(folders.swarm(swarms[0]))).toBe(false)
        expect(Option.isSome(yield* blobs.findSwarm(made.swarm))).toBe(true)
        const again = yield* opened(root)
        const file = yield* again.blobs.openPieces(made.metainfo)
        const loaded = yield* load(file, 4)
        expect(loaded).toMatchObject({ tag: "Loaded" })
        if (loaded.tag === "Loaded") {
          expect(Buffer.compare(loaded.proof as Uint8Array, blobTree.proof(4))).toBe(0)
        }
        expect(again.bytesRead()).toBe(pieceLength)
      })
    )
  )

  it.live("computes the tree of a blob when it is opened by the metainfo of another host", () =>
    withOldStore(({ blobs }) =>
      Effect.gen(function* () {
        const file = yield* blobs.openPieces(blobTree.metainfo)
        expect(file.have().isFull).toBe(true)
        const loaded = yield* load(file, 5)
        expect(loaded.tag === "Loaded" && (loaded.payload as Uint8Array).length).toBe(7)
        expect(Option.isSome(yield* blobs.metainfo(digest))).toBe(true)
      })
    )
  )

  it.live("begins an unfinished download again, and finishes it", () =>
    withOldStore(({ blobs, folders, swarms }) =>
      Effect.gen(function* () {
        const file = yield* blobs.openPieces(downloadTree.metainfo)
        expect(file.have().count).toBe(0)
        expect(existsSync(folders.swarm(swarms[1]))).toBe(false)
        for (const piece of [0, 1, 2]) {
          expect((yield* store(file, download, piece)).tag).toBe("Stored")
        }
        yield* file.complete
        expect((yield* blobs.list).length).toBe(2)
      })
    )
  )

  it.live("removes a blob with all that the old version wrote for it", () =>
    withOldStore(({ blobs, folders, swarms }) =>
      Effect.gen(function* () {
        yield* blobs.remove(digest)
        for (const path of [folders.blob(digest), folders.metainfo(digest), folders.swarm(swarms[0])]) {
          expect(existsSync(path)).toBe(false)
        }
      })
    )
  )
})
