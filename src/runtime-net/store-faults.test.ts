// The file store when things go wrong: killed before, or in the middle of, any single change to the disk; a disk that
// is full; hints and files that a crash tore.

import { execFileSync } from "node:child_process"
import { hash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Exit, Option, type Scope, Stream } from "effect"
import { describe, expect } from "vitest"
import type { Digest } from "../protocol/digest.ts"
import type { Metainfo } from "../protocol/metainfo.ts"
import type { BlobStore, LoadOutcome, PieceFile, StoreOutcome } from "../roles/services/blob-store.ts"
import { sampleBytes, sameBytes } from "../roles/services/conformance.ts"
import { blobFolders } from "./blob-folders.ts"
import { type Disk, type DiskDone, nodeDisk } from "./disk.ts"
import { openFileBlobStore } from "./file-blob-store.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-faults-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** What happens to the change with this number: it is made, the host dies before or in the middle of it, or an error. */
type Fate = "made" | "dies" | "torn" | "ENOSPC"

/** A disk whose changes meet a fate each; after a death nothing changes any more. */
const fatedDisk = (fate: (change: number) => Fate): Disk & { readonly changes: () => number } => {
  let changes = 0
  let dead = false
  const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })
  const change =
    <Arguments extends ReadonlyArray<unknown>>(
      make: (...args: [...Arguments, DiskDone<void>]) => void,
      tear: (args: Arguments) => void = () => {}
    ) =>
    (...args: [...Arguments, DiskDone<void>]): void => {
      const done = args[args.length - 1] as DiskDone<void>
      const what: Fate = dead ? "dies" : fate(changes++)
      if (what === "made") {
        make(...args)
        return
      }
      dead ||= what !== "ENOSPC"
      if (what !== "dies") tear(args.slice(0, -1) as unknown as Arguments)
      setImmediate(done, failure(what === "ENOSPC" ? "ENOSPC" : "ESHUTDOWN"))
    }
  return {
    ...nodeDisk,
    changes: () => changes,
    // Half of the first chunk reaches the disk.
    write: change(nodeDisk.write, ([file, chunks, position]) =>
      nodeDisk.write(file, [chunks[0]!.subarray(0, chunks[0]!.length >> 1)], position, () => {})
    ),
    truncate: change(nodeDisk.truncate),
    sync: change(nodeDisk.sync),
    syncFolder: change(nodeDisk.syncFolder),
    rename: change(nodeDisk.rename),
    remove: change(nodeDisk.remove),
    makeFolder: change(nodeDisk.makeFolder)
  }
}

const sha256 = (bytes: Uint8Array): Digest => `sha256:${hash("sha256", bytes, "hex")}` as Digest

const pieceLength = 4096

const metainfoOf = (bytes: Uint8Array, digest = sha256(bytes)): Metainfo => {
  const hashes: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += pieceLength) {
    hashes.push(hash("sha256", bytes.subarray(at, at + pieceLength), "buffer"))
  }
  return { digest, length: bytes.length, pieceLength, pieceHashes: new Uint8Array(Buffer.concat(hashes)) }
}

const store = (file: PieceFile, bytes: Uint8Array, piece: number) =>
  Effect.callback<StoreOutcome>((resume) =>
    file.store(piece, bytes.slice(piece * pieceLength, (piece + 1) * pieceLength), (outcome) =>
      resume(Effect.succeed(outcome))
    )
  )

const load = (file: PieceFile, piece: number) =>
  Effect.callback<LoadOutcome>((resume) => file.load(piece, (outcome) => resume(Effect.succeed(outcome))))

const uploaded = sampleBytes(1, 30_000)
const downloaded = sampleBytes(2, 5 * pieceLength + 10)
const removed = sampleBytes(3, 100)

/** A life of a store; each step that was acknowledged is written down. */
const life = (blobs: BlobStore, acknowledged: Set<string>) =>
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

/** What must hold in a store whatever happened before it was opened. */
const expectConsistent = (blobs: BlobStore, acknowledged: ReadonlySet<string>) =>
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
      // It may have been committed though nobody was told.
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

const withStore = <A, E>(
  disk: Disk,
  root: string,
  use: (blobs: BlobStore) => Effect.Effect<A, E, Scope.Scope>
) => Effect.scoped(Effect.flatMap(openFileBlobStore(disk, root), use))

describe("a store that dies", () => {
  for (const death of ["dies", "torn"] as const) {
    it.live(`is consistent after a host ${death === "dies" ? "died before" : "died in"} any change`, () =>
      Effect.gen(function* () {
        const counting = fatedDisk(() => "made")
        const whole = yield* temporaryFolder
        yield* withStore(counting, whole, (blobs) => life(blobs, new Set()))
        expect(counting.changes()).toBeGreaterThan(50)
        for (let last = 0; last <= counting.changes(); last++) {
          const root = yield* temporaryFolder
          const acknowledged = new Set<string>()
          const disk = fatedDisk((change) => (change === last ? death : "made"))
          yield* Effect.exit(withStore(disk, root, (blobs) => life(blobs, acknowledged)))
          yield* withStore(nodeDisk, root, (blobs) => expectConsistent(blobs, acknowledged))
        }
      }).pipe(Effect.scoped)
    )
  }
})

describe("a disk that is full", () => {
  it.live("fails by reason, loses nothing acknowledged, and goes on when there is room", () =>
    Effect.gen(function* () {
      const counting = fatedDisk(() => "made")
      yield* withStore(counting, yield* temporaryFolder, (blobs) => life(blobs, new Set()))
      for (let full = 0; full <= counting.changes(); full++) {
        const root = yield* temporaryFolder
        let room = false
        const disk = fatedDisk((change) => (!room && change >= full ? "ENOSPC" : "made"))
        const acknowledged = new Set<string>()
        const outcome = yield* Effect.exit(withStore(disk, root, (blobs) => life(blobs, acknowledged)))
        if (Exit.isFailure(outcome) && full > 20) expect(String(outcome.cause)).toContain("disk is full")
        room = true
        yield* withStore(disk, root, (blobs) => expectConsistent(blobs, acknowledged))
      }
    }).pipe(Effect.scoped)
  )

  const mounted = (() => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-full-"))
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "shoal-test", folder], { stdio: "ignore" })
      return folder
    } catch {
      rmSync(folder, { recursive: true })
      console.log("not run: a store on a real full disk, because this user may not mount a tmpfs")
      return undefined
    }
  })()

  it.live.skipIf(mounted === undefined)("the same on a file system of 4 MiB", () =>
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          execFileSync("umount", [mounted!])
          rmSync(mounted!, { recursive: true })
        })
      )
      yield* withStore(nodeDisk, mounted!, (blobs) =>
        Effect.gen(function* () {
          const upload = yield* blobs.createUpload
          const chunks = Array.from({ length: 64 }, (_, index) => sampleBytes(index, 128 * 1024))
          const error = yield* Effect.flip(blobs.appendUpload(upload, 0, Stream.fromIterable(chunks)))
          expect(error).toMatchObject({ _tag: "BlobStoreError", reason: "full" })
          expect(yield* blobs.uploadSize(upload)).toBeLessThan(4 * 1024 * 1024)
          yield* blobs.abortUpload(upload)
          const large = sampleBytes(98, 5 * 1024 * 1024)
          yield* Effect.gen(function* () {
            const file = yield* blobs.openPieces(metainfoOf(large))
            let piece = 0
            let outcome: StoreOutcome = { tag: "Stored" }
            while (outcome.tag === "Stored") outcome = yield* store(file, large, piece++)
            expect(outcome).toMatchObject({ tag: "Failed", error: { reason: "full" } })
            expect(file.have().count).toBe(piece - 1)
          }).pipe(Effect.scoped)
          yield* blobs.remove(sha256(large))
          const fits = sampleBytes(97, 3 * 1024 * 1024)
          const file = yield* blobs.openPieces(metainfoOf(fits))
          for (let piece = 0; piece < 768; piece++) yield* store(file, fits, piece)
          yield* file.complete
          expect((yield* blobs.list).length).toBe(1)
        }).pipe(Effect.scoped)
      )
    }).pipe(Effect.scoped)
  )
})

describe("what a crash tore", () => {
  it.live("pieces that only the hints claim do not count; leftovers are cleaned away", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const folders = blobFolders(root)
      const metainfo = metainfoOf(downloaded)
      yield* withStore(nodeDisk, root, (blobs) =>
        Effect.flatMap(blobs.openPieces(metainfo), (file) => store(file, downloaded, 2))
      )
      writeFileSync(folders.pieces(metainfo.digest), new Uint8Array([0b11111100]))
      writeFileSync(join(folders.temporary, "left-over"), "half a file")
      const orphan = folders.download(sha256(removed))
      mkdirSync(join(orphan, ".."), { recursive: true })
      writeFileSync(orphan, "pieces without metainfo")
      yield* withStore(nodeDisk, root, (blobs) =>
        Effect.gen(function* () {
          const file = yield* blobs.openPieces(metainfo)
          expect([...file.have().toBytes()]).toEqual([0b00100000])
        })
      )
      expect(existsSync(join(folders.temporary, "left-over"))).toBe(false)
      expect(existsSync(orphan)).toBe(false)
    }).pipe(Effect.scoped)
  )

  it.live("metainfo that is torn counts as absent", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const folders = blobFolders(root)
      const metainfo = metainfoOf(downloaded)
      yield* withStore(nodeDisk, root, (blobs) => blobs.putMetainfo(metainfo))
      writeFileSync(folders.metainfo(metainfo.digest), "SHOALMI1 torn")
      yield* withStore(nodeDisk, root, (blobs) =>
        Effect.gen(function* () {
          expect(Option.isNone(yield* blobs.metainfo(metainfo.digest))).toBe(true)
          yield* blobs.putMetainfo(metainfo)
          expect(Option.isSome(yield* blobs.metainfo(metainfo.digest))).toBe(true)
        })
      )
    }).pipe(Effect.scoped)
  )
})
