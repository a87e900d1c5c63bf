// The file store when things go wrong: killed before, or in the middle of, any single change to the disk; a disk that
// is full; hints and files that a crash tore.

import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import { describe, expect } from "vitest"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import { makePowerLossDisk } from "../../../testing/runtime-net/power-loss-disk.ts"
import {
  downloaded,
  expectConsistent,
  life,
  metainfoOf,
  removed,
  sha256,
  store
} from "../../../testing/runtime-net/store-life.ts"
import { coinFlips } from "../../../testing/runtime-net/torn-content.ts"
import type { BlobStore, StoreOutcome } from "../../roles/services/blob-store.ts"
import { blobFolders } from "./blob-folders.ts"
import { type Disk, type DiskDone, fenceDisk, nodeDisk } from "./disk.ts"
import { openFileBlobStore } from "./file-blob-store.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-faults-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A disk whose syncs do nothing: they are for when the power goes, and nobody here dies of that. */
const unsyncedDisk: Disk = {
  ...nodeDisk,
  sync: (_, done) => setImmediate(done, null, undefined),
  syncFolder: (_, done) => setImmediate(done, null, undefined)
}

/**
 * What happens to the change with this number: it is made, the host dies before or in the middle of it, or an error.
 */
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
    ...unsyncedDisk,
    changes: () => changes,
    // Half of the first chunk reaches the disk.
    write: change(unsyncedDisk.write, ([file, chunks, position]) =>
      unsyncedDisk.write(file, [chunks[0]!.subarray(0, chunks[0]!.length >> 1)], position, () => {})
    ),
    truncate: change(unsyncedDisk.truncate),
    sync: change(unsyncedDisk.sync),
    syncFolder: change(unsyncedDisk.syncFolder),
    rename: change(unsyncedDisk.rename),
    remove: change(unsyncedDisk.remove),
    makeFolder: change(unsyncedDisk.makeFolder)
  }
}

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
          yield* withStore(unsyncedDisk, root, (blobs) => expectConsistent(blobs, acknowledged))
        }
      }).pipe(Effect.scoped)
    )
  }
})

describe("the power goes", () => {
  const luck: Record<string, (change: number) => () => boolean> = {
    "everything that was not synced is lost": () => () => false,
    "everything had reached the disk": () => () => true,
    "some of it had": (change) => coinFlips(change)
  }

  for (const [name, draw] of Object.entries(luck)) {
    it.live(`and what was acknowledged is there: ${name}`, () =>
      Effect.gen(function* () {
        const counting = makePowerLossDisk(() => Number.POSITIVE_INFINITY)
        yield* withStore(counting.disk, "/data", (blobs) => life(blobs, new Set()))
        for (let last = 0; last <= counting.changes(); last++) {
          let powered = true
          const machine = makePowerLossDisk(() => (powered ? last : Number.POSITIVE_INFINITY))
          const acknowledged = new Set<string>()
          yield* Effect.exit(withStore(machine.disk, "/data", (blobs) => life(blobs, acknowledged)))
          machine.loseThePower(draw(last))
          powered = false
          yield* withStore(machine.disk, "/data", (blobs) => expectConsistent(blobs, acknowledged))
        }
      })
    )
  }
})

describe("killed first, and then the power goes", () => {
  const bytes = sampleBytes(4, 9_000)

  /** A store that is killed while an upload grows: its bytes were written, nobody synced them. */
  const killedInAppend = (disk: Disk) =>
    Effect.gen(function* () {
      const fenced = fenceDisk(disk)
      const scope = yield* Scope.make()
      const blobs = yield* Scope.provide(openFileBlobStore(fenced.disk, "/data"), scope)
      const upload = yield* blobs.createUpload
      const endless = Stream.concat(Stream.succeed(bytes), Stream.never)
      const appending = yield* Effect.forkChild(blobs.appendUpload(upload, 0, endless))
      while ((yield* blobs.uploadSize(upload)) < bytes.length) yield* Effect.yieldNow
      fenced.fence()
      yield* Fiber.interrupt(appending)
      yield* Scope.close(scope, Exit.void)
      return upload
    })

  for (const ending of ["told where it stands", "committed"] as const) {
    it.live(`an upload that was ${ending} in between is whole`, () =>
      Effect.gen(function* () {
        const machine = makePowerLossDisk(() => Number.POSITIVE_INFINITY)
        const upload = yield* killedInAppend(machine.disk)
        yield* withStore(machine.disk, "/data", (blobs) =>
          ending === "committed"
            ? blobs.commitUpload(upload, sha256(bytes))
            : Effect.map(blobs.uploadSize(upload), (size) => expect(size).toBe(bytes.length))
        )
        machine.loseThePower(() => false)
        yield* withStore(machine.disk, "/data", (blobs) =>
          Effect.gen(function* () {
            if (ending !== "committed") yield* blobs.commitUpload(upload, sha256(bytes))
            const chunks = yield* Stream.runCollect(blobs.read(sha256(bytes), 0, bytes.length))
            expect(sha256(Buffer.concat(chunks))).toBe(sha256(bytes))
          })
        )
      })
    )
  }
})

it.live("an upload whose sync failed is cut back to what was acknowledged, and sent again from there", () =>
  Effect.gen(function* () {
    const machine = makePowerLossDisk(() => Number.POSITIVE_INFINITY)
    let broken = false
    const disk: Disk = {
      ...machine.disk,
      sync: (file, done) =>
        broken
          ? setImmediate(done, Object.assign(new Error("EIO"), { code: "EIO" }))
          : machine.disk.sync(file, done)
    }
    const bytes = sampleBytes(5, 9_000)
    yield* withStore(disk, "/data", (blobs) =>
      Effect.gen(function* () {
        const upload = yield* blobs.createUpload
        yield* blobs.appendUpload(upload, 0, Stream.succeed(bytes.slice(0, 3_000)))
        broken = true
        const rest = Stream.succeed(bytes.slice(3_000))
        const error = yield* Effect.flip(blobs.appendUpload(upload, 3_000, rest))
        expect(error).toMatchObject({ _tag: "BlobStoreError", reason: "io" })
        broken = false
        // The kernel may have dropped the rest.
        expect(yield* blobs.uploadSize(upload)).toBe(3_000)
        yield* blobs.appendUpload(upload, 3_000, rest)
        yield* blobs.commitUpload(upload, sha256(bytes))
      })
    )
    machine.loseThePower(() => false)
    yield* withStore(machine.disk, "/data", (blobs) =>
      Effect.gen(function* () {
        const chunks = yield* Stream.runCollect(blobs.read(sha256(bytes), 0, bytes.length))
        expect(sha256(Buffer.concat(chunks))).toBe(sha256(bytes))
      })
    )
  })
)

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

  /** A file system of 4 MiB; throws where this user may not have one. */
  const mountSmall = (): string => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-full-"))
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "shoal-test", folder], { stdio: "ignore" })
    } catch (error) {
      rmSync(folder, { recursive: true })
      throw error
    }
    return folder
  }
  const unmount = (folder: string): void => {
    execFileSync("umount", [folder])
    rmSync(folder, { recursive: true })
  }
  const mayMount = (() => {
    try {
      unmount(mountSmall())
      return true
    } catch {
      process.stderr.write("not run: a store on a real full disk, because this user may not mount a tmpfs\n")
      return false
    }
  })()

  it.live.skipIf(!mayMount)("the same on a file system of 4 MiB", () =>
    Effect.gen(function* () {
      const mounted = yield* Effect.acquireRelease(Effect.sync(mountSmall), (folder) =>
        Effect.sync(() => unmount(folder))
      )
      yield* withStore(nodeDisk, mounted, (blobs) =>
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
          for (let piece = 0; piece < 192; piece++) yield* store(file, fits, piece)
          yield* file.complete
          expect((yield* blobs.list).length).toBe(1)
        }).pipe(Effect.scoped)
      )
    }).pipe(Effect.scoped)
  )
})

describe("a slow disk", () => {
  it.live("a file that is being synced for its completion is not closed under it", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const syncs: Array<() => void> = []
      const closed: Array<number> = []
      let slow = false
      let syncing = -1
      const disk: Disk = {
        ...nodeDisk,
        sync: (file, done) => {
          if (!slow) return nodeDisk.sync(file, done)
          syncing = file
          syncs.push(() => nodeDisk.sync(file, done))
        },
        close: (file, done) => {
          closed.push(file)
          nodeDisk.close(file, done)
        }
      }
      const turns = Effect.promise(async () => {
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      })
      yield* withStore(disk, root, (blobs) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const file = yield* Scope.provide(blobs.openPieces(metainfoOf(downloaded)), scope)
          for (let piece = 0; piece < 6; piece++) yield* store(file, downloaded, piece)
          slow = true
          const completing = yield* Effect.forkChild(file.complete)
          while (syncs.length === 0) yield* turns
          closed.length = 0
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
          yield* turns
          expect(closed).not.toContain(syncing)
          slow = false
          for (const sync of syncs) sync()
          yield* Fiber.join(completing)
          yield* Fiber.join(closing)
          expect(closed).toContain(syncing)
          expect((yield* blobs.list).length).toBe(1)
        })
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
      const hints = readFileSync(folders.pieces(metainfo.digest))
      expect(hints.length).toBe(1 + 14 * 32)
      hints[0] = 0b11111100
      writeFileSync(folders.pieces(metainfo.digest), hints)
      writeFileSync(join(folders.temporary, "left-over"), "half a file")
      const orphan = folders.download(sha256(removed))
      mkdirSync(join(orphan, ".."), { recursive: true })
      writeFileSync(orphan, "pieces without metainfo")
      const orphanHints = folders.pieces(sha256(removed))
      mkdirSync(join(orphanHints, ".."), { recursive: true })
      writeFileSync(orphanHints, "what is recorded of them")
      yield* withStore(nodeDisk, root, (blobs) =>
        Effect.gen(function* () {
          const file = yield* blobs.openPieces(metainfo)
          expect(file.have().count).toBe(0)
          // Its proof has taught the hash of its neighbour as well.
          expect([...file.recorded().toBytes()]).toEqual([0b00110000])
          const checks = [2, 3].map((piece) =>
            Effect.callback<boolean>((resume) =>
              file.check(piece, (isThere) => resume(Effect.succeed(isThere)))
            )
          )
          expect(yield* Effect.all(checks)).toEqual([true, false])
          expect([...file.have().toBytes()]).toEqual([0b00100000])
        })
      )
      expect(existsSync(join(folders.temporary, "left-over"))).toBe(false)
      expect([existsSync(orphan), existsSync(orphanHints)]).toEqual([false, false])
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
