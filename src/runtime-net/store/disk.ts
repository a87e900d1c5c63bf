// The only way in which runtime-net touches a disk: about a dozen calls with a callback, each of which does its whole
// work (a write writes every byte, a read stops short only at the end of the file). It is an interface, so that a test
// can fill a disk and a scenario can kill a host: a fenced disk changes nothing any more. It does not know what the
// files mean.

import fs from "node:fs"

export type DiskDone<A> = (error: NodeJS.ErrnoException | null, value: A) => void

/** How a file is opened: for reading, for reading and writing (created if absent), or new and empty. */
export type OpenMode = "read" | "update" | "replace"

export interface FileStat {
  readonly length: number
  readonly isFile: boolean
  /** Bytes allocated on the medium: fewer than the length where nothing was written yet. */
  readonly allocated: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

export interface Disk {
  readonly open: (path: string, mode: OpenMode, done: DiskDone<number>) => void
  readonly close: (file: number, done: DiskDone<void>) => void
  /**
   * Fills `target` from `position`. `value` is the number of bytes read, less than its length only at the end of the
   * file.
   */
  readonly read: (file: number, target: Uint8Array, position: number, done: DiskDone<number>) => void
  /** Writes all `chunks` in order from `position`. They must not change before `done`. */
  readonly write: (
    file: number,
    chunks: ReadonlyArray<Uint8Array>,
    position: number,
    done: DiskDone<void>
  ) => void
  readonly truncate: (file: number, length: number, done: DiskDone<void>) => void
  /** When it is done, content and length are on the medium. */
  readonly sync: (file: number, done: DiskDone<void>) => void
  /** When it is done, the names in the folder are on the medium. */
  readonly syncFolder: (path: string, done: DiskDone<void>) => void
  readonly rename: (from: string, to: string, done: DiskDone<void>) => void
  readonly remove: (path: string, done: DiskDone<void>) => void
  readonly makeFolder: (path: string, done: DiskDone<void>) => void
  readonly list: (path: string, done: DiskDone<ReadonlyArray<string>>) => void
  readonly stat: (path: string, done: DiskDone<FileStat>) => void
  /** Sets `modifiedAt` of a file, in milliseconds since 1970. Not synced. */
  readonly setModified: (path: string, at: number, done: DiskDone<void>) => void
}

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  update: fs.constants.O_RDWR | fs.constants.O_CREAT,
  replace: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC
}

const readWhole: Disk["read"] = (file, target, position, done) => {
  const readFrom = (offset: number): void => {
    fs.read(file, target, offset, target.length - offset, position + offset, (error, count) => {
      if (error !== null || count === 0 || offset + count === target.length) done(error, offset + count)
      else readFrom(offset + count)
    })
  }
  if (target.length === 0) setImmediate(done, null, 0)
  else readFrom(0)
}

const writeWhole: Disk["write"] = (file, chunks, position, done) => {
  const afterWrite = (remaining: ReadonlyArray<Uint8Array>, at: number) => {
    const expected = remaining.reduce((sum, chunk) => sum + chunk.length, 0)
    return (error: NodeJS.ErrnoException | null, count: number): void => {
      if (error !== null || count === expected) done(error)
      else if (count === 0) done(Object.assign(new Error("the disk took no bytes"), { code: "EIO" }))
      else writeFrom(dropBytes(remaining, count), at + count)
    }
  }
  const writeFrom = (remaining: ReadonlyArray<Uint8Array>, at: number): void => {
    const written = afterWrite(remaining, at)
    const [first] = remaining
    if (first === undefined) setImmediate(done, null)
    else if (remaining.length === 1) fs.write(file, first, 0, first.length, at, written)
    else fs.writev(file, remaining, at, written)
  }
  writeFrom(
    chunks.filter((chunk) => chunk.length > 0),
    position
  )
}

const dropBytes = (chunks: ReadonlyArray<Uint8Array>, count: number): ReadonlyArray<Uint8Array> => {
  let rest = count
  for (const [index, chunk] of chunks.entries()) {
    if (rest < chunk.length) return [chunk.subarray(rest), ...chunks.slice(index + 1)]
    rest -= chunk.length
  }
  return []
}

/** Bytes per block in stat's count, for every file system (POSIX). */
const blockBytes = 512

/** The disks of this machine. */
export const nodeDisk: Disk = {
  open: (path, mode, done) => fs.open(path, openFlags[mode], 0o644, done),
  close: (file, done) => fs.close(file, done as fs.NoParamCallback),
  read: readWhole,
  write: writeWhole,
  truncate: (file, length, done) => fs.ftruncate(file, length, done as fs.NoParamCallback),
  sync: (file, done) => fs.fsync(file, done as fs.NoParamCallback),
  syncFolder: (path, done) =>
    fs.open(path, "r", (openError, folder) => {
      if (openError !== null) return done(openError)
      fs.fsync(folder, (syncError) => fs.close(folder, (closeError) => done(syncError ?? closeError)))
    }),
  rename: (from, to, done) => fs.rename(from, to, done as fs.NoParamCallback),
  remove: (path, done) => fs.unlink(path, done as fs.NoParamCallback),
  makeFolder: (path, done) => fs.mkdir(path, { recursive: true }, (error) => done(error)),
  list: (path, done) => fs.readdir(path, (error, names) => done(error, names)),
  stat: (path, done) =>
    fs.stat(path, (error, stats) =>
      error !== null
        ? done(error, { length: 0, isFile: false, allocated: 0, modifiedAt: 0 })
        : done(null, {
            length: stats.size,
            isFile: stats.isFile(),
            allocated: stats.blocks * blockBytes,
            modifiedAt: stats.mtimeMs
          })
    ),
  setModified: (path, at, done) => fs.utimes(path, at / 1000, at / 1000, done as fs.NoParamCallback)
}

export interface FencedDisk {
  readonly disk: Disk
  /** From now on every changing call fails, as if the host were dead. */
  readonly fence: () => void
}

/** A disk that can be taken from a host at once, as kill -9 does. Reads still work, but nobody is left to see them. */
export const fenceDisk = (disk: Disk): FencedDisk => {
  let fenced = false
  const refuse = (done: (error: NodeJS.ErrnoException) => void): void =>
    process.nextTick(done, Object.assign(new Error("the host was killed"), { code: "ESHUTDOWN" }))
  const unlessFenced =
    <Arguments extends ReadonlyArray<unknown>>(
      call: (...args: [...Arguments, DiskDone<void>]) => void
    ): ((...args: [...Arguments, DiskDone<void>]) => void) =>
    (...args) => {
      if (!fenced) return call(...args)
      refuse(args[args.length - 1] as DiskDone<void>)
    }
  return {
    fence: () => {
      fenced = true
    },
    disk: {
      ...disk,
      open: (path, mode, done) =>
        fenced && mode !== "read" ? refuse((error) => done(error, -1)) : disk.open(path, mode, done),
      write: unlessFenced(disk.write),
      truncate: unlessFenced(disk.truncate),
      sync: unlessFenced(disk.sync),
      syncFolder: unlessFenced(disk.syncFolder),
      rename: unlessFenced(disk.rename),
      remove: unlessFenced(disk.remove),
      makeFolder: unlessFenced(disk.makeFolder),
      setModified: unlessFenced(disk.setModified)
    }
  }
}
