// Disk calls as Effects for the stores. A failure is a BlobStoreError that says what, where and what to do. A small
// file is replaced so that a crash leaves the old one or the new one, never a mixture.
//
// Invariant: when replaceFile, installFile, removeFile or makeFolder succeeds, a crash does not undo it.

import { randomUUID } from "node:crypto"
import { dirname, join } from "node:path"
import { Effect, Option, type Scope } from "effect"
import { BlobStoreError } from "../../roles/services/blob-store.ts"
import type { Disk, DiskDone, FileStat, OpenMode } from "./disk.ts"
import { shareFolderSyncs } from "./folder-syncs.ts"

export interface DiskFiles {
  readonly disk: Disk
  /** The open file closes with the scope. */
  readonly open: (path: string, mode: OpenMode) => Effect.Effect<number, BlobStoreError, Scope.Scope>
  /** Like open, but the caller closes it. */
  readonly openUnscoped: (path: string, mode: OpenMode) => Effect.Effect<number, BlobStoreError>
  readonly close: (file: number) => Effect.Effect<void>
  readonly read: (
    path: string,
    file: number,
    target: Uint8Array,
    at: number
  ) => Effect.Effect<number, BlobStoreError>
  readonly truncate: (path: string, file: number, length: number) => Effect.Effect<void, BlobStoreError>
  readonly sync: (path: string, file: number) => Effect.Effect<void, BlobStoreError>
  /** Syncs a file that this process does not have open. */
  readonly syncFile: (path: string) => Effect.Effect<void, BlobStoreError>
  readonly makeFolder: (path: string) => Effect.Effect<void, BlobStoreError>
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<string>, BlobStoreError>
  readonly stat: (path: string) => Effect.Effect<Option.Option<FileStat>, BlobStoreError>
  /** Returns whether there was such a file. Not synced, so a crash may undo it. */
  readonly setModified: (path: string, at: number) => Effect.Effect<boolean, BlobStoreError>
  /** The whole of a small file; none when it does not exist. */
  readonly readSmall: (path: string) => Effect.Effect<Option.Option<Uint8Array>, BlobStoreError>
  /** Makes an empty file. Not synced, so a crash may undo it until `syncName` of it succeeds. */
  readonly createFile: (path: string) => Effect.Effect<void, BlobStoreError>
  readonly syncName: (path: string) => Effect.Effect<void, BlobStoreError>
  /** Writes a small file under a temporary name in `temporary`, syncs it and moves it into place. */
  readonly replaceFile: (
    path: string,
    bytes: Uint8Array,
    temporary: string
  ) => Effect.Effect<void, BlobStoreError>
  /** Renames a synced file to its final name durably. */
  readonly installFile: (from: string, to: string) => Effect.Effect<void, BlobStoreError>
  /** Removes a file durably and returns whether there was one. */
  readonly removeFile: (path: string) => Effect.Effect<boolean, BlobStoreError>
}

const advice: Record<string, string> = {
  ENOSPC: "the disk is full: free some space",
  EDQUOT: "the disk quota is used up: free some space or raise it",
  EACCES: "permission denied: make the folder writable for this user",
  EPERM: "not permitted: make the folder writable for this user",
  EROFS: "the file system is read-only: choose another folder",
  ENOTDIR: "part of the path is a file: choose another folder",
  EMFILE: "too many open files: raise the limit (ulimit -n)",
  ENFILE: "too many open files on this machine",
  EIO: "the disk failed to read or write: check it"
}

/** One line that says what failed, where, and what to do. */
export const diskError = (operation: string, path: string, cause: NodeJS.ErrnoException): BlobStoreError =>
  new BlobStoreError({
    reason: cause.code === "ENOSPC" || cause.code === "EDQUOT" ? "full" : "io",
    message: `cannot ${operation} ${path}: ${advice[cause.code ?? ""] ?? cause.message}`
  })

/** Names that are free for any file. Nothing under such a name is ever read back. */
const temporaryName = (folder: string): string => join(folder, randomUUID())

export const makeDiskFiles = (disk: Disk): DiskFiles => {
  const call = <A>(
    operation: string,
    path: string,
    start: (done: DiskDone<A>) => void
  ): Effect.Effect<A, BlobStoreError> =>
    Effect.callback<A, BlobStoreError>((resume) => {
      start((error, value) =>
        resume(error === null ? Effect.succeed(value) : Effect.fail(diskError(operation, path, error)))
      )
    }).pipe(Effect.uninterruptible)

  /** None when the file does not exist. */
  const optional = <A>(
    operation: string,
    path: string,
    start: (done: DiskDone<A>) => void
  ): Effect.Effect<Option.Option<A>, BlobStoreError> =>
    call<Option.Option<A>>(operation, path, (done) =>
      start((error, value) =>
        error?.code === "ENOENT" ? done(null, Option.none()) : done(error, Option.some(value))
      )
    )

  const openUnscoped = (path: string, mode: OpenMode) =>
    call<number>("open", path, (done) => disk.open(path, mode, done))
  /** A failing close loses nothing, because everything that matters was synced before. */
  const close = (file: number) =>
    Effect.callback<void>((resume) => disk.close(file, () => resume(Effect.void))).pipe(
      Effect.uninterruptible
    )
  const open = (path: string, mode: OpenMode) => Effect.acquireRelease(openUnscoped(path, mode), close)
  const sync = (path: string, file: number) => call<void>("sync", path, (done) => disk.sync(file, done))
  const sharedSync = shareFolderSyncs(disk)
  const syncFolder = (path: string) => call<void>("sync folder", path, (done) => sharedSync(path, done))
  const list = (path: string) => call<ReadonlyArray<string>>("list", path, (done) => disk.list(path, done))
  const stat = (path: string) => optional<FileStat>("look at", path, (done) => disk.stat(path, done))
  const read = (path: string, file: number, target: Uint8Array, at: number) =>
    call<number>("read", path, (done) => disk.read(file, target, at, done))

  const installFile = (from: string, to: string) =>
    call<void>("rename to", to, (done) => disk.rename(from, to, done)).pipe(
      Effect.andThen(syncFolder(dirname(to))),
      Effect.uninterruptible
    )

  const readSmall = Effect.fnUntraced(function* (path: string) {
    const found = yield* stat(path)
    if (Option.isNone(found) || !found.value.isFile) return Option.none<Uint8Array>()
    const file = yield* open(path, "read")
    const bytes = new Uint8Array(found.value.length)
    const count = yield* read(path, file, bytes, 0)
    return Option.some(bytes.subarray(0, count))
  }, Effect.scoped)

  const replaceFile = Effect.fnUntraced(function* (path: string, bytes: Uint8Array, temporary: string) {
    const draft = temporaryName(temporary)
    yield* Effect.gen(function* () {
      const file = yield* open(draft, "replace")
      yield* call<void>("write", path, (done) => disk.write(file, [bytes], 0, done))
      yield* sync(path, file)
    }).pipe(
      Effect.scoped,
      Effect.andThen(installFile(draft, path)),
      Effect.onError(() => Effect.ignore(call<void>("remove", draft, (done) => disk.remove(draft, done))))
    )
  }, Effect.uninterruptible)

  const removeFile = (path: string) =>
    optional<void>("remove", path, (done) => disk.remove(path, done)).pipe(
      Effect.flatMap((removed) =>
        Option.isNone(removed) ? Effect.succeed(false) : Effect.as(syncFolder(dirname(path)), true)
      ),
      Effect.uninterruptible
    )

  /** Folders that exist durably: those of the layout, at most 256 for each kind and algorithm. */
  const made = new Set<string>()
  /** Folders of `made` of which the folders inside were looked up. */
  const listed = new Set<string>()
  const makeFolder = (path: string): Effect.Effect<void, BlobStoreError> =>
    Effect.gen(function* () {
      if (made.has(path)) return
      const parent = dirname(path)
      // Each new folder is a name in its parent, which is new as well or already durable.
      if (Option.isNone(yield* stat(parent))) yield* makeFolder(parent)
      // What an earlier process made may not be synced yet. One sync does it for all of them.
      const inside = made.has(parent) && !listed.has(parent) ? yield* list(parent) : []
      yield* call<void>("make folder", path, (done) => disk.makeFolder(path, done))
      yield* syncFolder(parent)
      made.add(path)
      if (!made.has(parent)) return
      listed.add(parent)
      for (const name of inside) made.add(join(parent, name))
    })

  return {
    disk,
    open,
    openUnscoped,
    close,
    read,
    truncate: (path, file, length) => call("truncate", path, (done) => disk.truncate(file, length, done)),
    sync,
    syncFile: (path) => Effect.scoped(Effect.flatMap(open(path, "update"), (file) => sync(path, file))),
    makeFolder,
    list,
    stat,
    setModified: (path, at) =>
      Effect.map(
        optional<void>("note the use of", path, (done) => disk.setModified(path, at, done)),
        Option.isSome
      ),
    readSmall,
    createFile: (path) => Effect.scoped(Effect.asVoid(open(path, "replace"))),
    syncName: (path) => syncFolder(dirname(path)),
    replaceFile,
    installFile,
    removeFile
  }
}
