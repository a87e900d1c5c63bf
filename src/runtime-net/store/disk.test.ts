// Tests of the disk: every call does its whole work, whatever part of it the system does at once, and a fenced disk
// changes nothing any more.

import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest"
import { type Disk, type DiskDone, fenceDisk, nodeDisk } from "./disk.ts"

let folder = ""
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "shoal-disk-"))
})
afterAll(() => fs.rmSync(folder, { recursive: true }))
afterEach(() => vi.restoreAllMocks())

const calls = <A>(call: (done: DiskDone<A>) => void): Promise<A> =>
  new Promise((resolve, reject) => call((error, value) => (error === null ? resolve(value) : reject(error))))

const codeOf = (call: (done: DiskDone<void>) => void): Promise<string | undefined> =>
  new Promise((resolve) => call((error) => resolve(error?.code)))

/** An open new file with this text, and its path. */
const fileWith = async (text: string): Promise<{ readonly path: string; readonly file: number }> => {
  const path = join(folder, `file-${text.length}-${process.hrtime.bigint()}`)
  const file = await calls<number>((done) => nodeDisk.open(path, "replace", done))
  if (text !== "") await calls<void>((done) => nodeDisk.write(file, [Buffer.from(text)], 0, done))
  return { path, file }
}

/** Lets the system move at most `most` bytes per call. */
const slowSystem = (most: number): void => {
  const { read, write, writev } = fs
  vi.spyOn(fs, "read").mockImplementation(((
    file: number,
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: () => void
  ) => read(file, target, offset, Math.min(length, most), position, done)) as never)
  vi.spyOn(fs, "write").mockImplementation(((
    file: number,
    source: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: () => void
  ) => write(file, source, offset, Math.min(length, most), position, done)) as never)
  vi.spyOn(fs, "writev").mockImplementation(((
    file: number,
    chunks: ReadonlyArray<Uint8Array>,
    position: number,
    done: () => void
  ) => {
    const first = Buffer.concat(chunks).subarray(0, most)
    return writev(file, [first], position, done)
  }) as never)
}

describe("a read", () => {
  const read = async (file: number, length: number, position: number): Promise<string> => {
    const target = new Uint8Array(length)
    const count = await calls<number>((done) => nodeDisk.read(file, target, position, done))
    return Buffer.from(target.subarray(0, count)).toString()
  }

  test("fills its target, in as many steps as the system takes", async () => {
    const { file } = await fileWith("0123456789")
    slowSystem(3)
    expect(await read(file, 8, 1)).toBe("12345678")
    expect(vi.mocked(fs.read)).toHaveBeenCalledTimes(3)
  })

  test("stops short at the end of the file, and reads nothing beyond it", async () => {
    const { file } = await fileWith("0123456789")
    slowSystem(3)
    expect(await read(file, 8, 6)).toBe("6789")
    expect(await read(file, 8, 10)).toBe("")
    expect(await read(file, 0, 2)).toBe("")
  })

  test("of a file that is not open fails", async () => {
    const { file } = await fileWith("")
    await calls<void>((done) => nodeDisk.close(file, done))
    expect(await codeOf((done) => nodeDisk.read(file, new Uint8Array(1), 0, done as never))).toBe("EBADF")
  })
})

describe("a write", () => {
  const chunks = ["ab", "", "cde", "f", "ghij"].map((text) => Buffer.from(text))

  test("takes every byte of its chunks in order, in as many steps as the system takes", async () => {
    for (const most of [1, 2, 4, 7, 100]) {
      const { path, file } = await fileWith("..............")
      slowSystem(most)
      await calls<void>((done) => nodeDisk.write(file, chunks, 3, done))
      vi.restoreAllMocks()
      expect(fs.readFileSync(path, "utf8")).toBe("...abcdefghij.")
    }
  })

  test("of nothing does nothing", async () => {
    const { path, file } = await fileWith("text")
    await calls<void>((done) => nodeDisk.write(file, [], 0, done))
    await calls<void>((done) => nodeDisk.write(file, [new Uint8Array(0)], 0, done))
    expect(fs.readFileSync(path, "utf8")).toBe("text")
  })

  test("fails when the disk takes no bytes", async () => {
    const { file } = await fileWith("")
    vi.spyOn(fs, "write").mockImplementation(((...args: ReadonlyArray<unknown>) =>
      (args.at(-1) as (error: null, count: number) => void)(null, 0)) as never)
    expect(await codeOf((done) => nodeDisk.write(file, [Buffer.from("a")], 0, done))).toBe("EIO")
  })

  test("to a file that is open for reading fails", async () => {
    const { path } = await fileWith("text")
    const file = await calls<number>((done) => nodeDisk.open(path, "read", done))
    expect(await codeOf((done) => nodeDisk.write(file, [Buffer.from("a")], 0, done))).toBe("EBADF")
  })
})

test("a file is opened as it is to be updated, and empty to be replaced", async () => {
  const { path } = await fileWith("text")
  await calls<number>((done) => nodeDisk.open(path, "update", done))
  expect(fs.readFileSync(path, "utf8")).toBe("text")
  await calls<number>((done) => nodeDisk.open(path, "replace", done))
  expect(fs.readFileSync(path, "utf8")).toBe("")
  const absent = join(folder, "absent")
  expect(await codeOf((done) => nodeDisk.open(absent, "read", done as never))).toBe("ENOENT")
  await calls<number>((done) => nodeDisk.open(absent, "update", done))
  expect(fs.existsSync(absent)).toBe(true)
})

test("stat says what a file is, what it takes on the medium, and when it was changed", async () => {
  const { path, file } = await fileWith("x".repeat(5000))
  await calls<void>((done) => nodeDisk.setModified(path, 1_234_567_000, done))
  const stat = await calls((done: DiskDone<unknown>) => nodeDisk.stat(path, done as never))
  expect(stat).toEqual({
    length: 5000,
    isFile: true,
    allocated: fs.statSync(path).blocks * 512,
    modifiedAt: 1_234_567_000
  })
  await calls<void>((done) => nodeDisk.truncate(file, 7, done))
  expect(fs.statSync(path).size).toBe(7)
  expect(await calls((done: DiskDone<unknown>) => nodeDisk.stat(folder, done as never))).toMatchObject({
    isFile: false
  })
  expect(await codeOf((done) => nodeDisk.stat(join(folder, "none"), done as never))).toBe("ENOENT")
})

test("a folder that cannot be opened or synced is reported, and a synced one is closed again", async () => {
  expect(await codeOf((done) => nodeDisk.syncFolder(join(folder, "none"), done))).toBe("ENOENT")
  const close = vi.spyOn(fs, "close")
  await calls<void>((done) => nodeDisk.syncFolder(folder, done))
  expect(close).toHaveBeenCalledTimes(1)
  vi.spyOn(fs, "fsync").mockImplementation(((_: number, done: (error: Error) => void) =>
    done(Object.assign(new Error("bad medium"), { code: "EIO" }))) as never)
  expect(await codeOf((done) => nodeDisk.syncFolder(folder, done))).toBe("EIO")
  expect(close).toHaveBeenCalledTimes(2)
})

describe("a fenced disk", () => {
  const changes: ReadonlyArray<readonly [string, (disk: Disk, file: number, done: DiskDone<void>) => void]> =
    [
      ["open to update", (disk, _, done) => disk.open(join(folder, "new"), "update", done as never)],
      ["open to replace", (disk, _, done) => disk.open(join(folder, "new"), "replace", done as never)],
      ["write", (disk, file, done) => disk.write(file, [Buffer.from("a")], 0, done)],
      ["truncate", (disk, file, done) => disk.truncate(file, 0, done)],
      ["sync", (disk, file, done) => disk.sync(file, done)],
      ["sync of a folder", (disk, _, done) => disk.syncFolder(folder, done)],
      ["rename", (disk, _, done) => disk.rename(join(folder, "kept"), join(folder, "moved"), done)],
      ["remove", (disk, _, done) => disk.remove(join(folder, "kept"), done)],
      ["make a folder", (disk, _, done) => disk.makeFolder(join(folder, "inner"), done)],
      ["set the time", (disk, _, done) => disk.setModified(join(folder, "kept"), 0, done)]
    ]

  test("refuses every change, and still reads", async () => {
    fs.writeFileSync(join(folder, "kept"), "text")
    const { disk, fence } = fenceDisk(nodeDisk)
    const file = await calls<number>((done) => disk.open(join(folder, "kept"), "update", done))
    fence()
    const before = fs.readdirSync(folder)
    const codes = await Promise.all(changes.map(([, change]) => codeOf((done) => change(disk, file, done))))
    expect(codes).toEqual(changes.map(() => "ESHUTDOWN"))
    expect(fs.readdirSync(folder)).toEqual(before)
    expect(fs.readFileSync(join(folder, "kept"), "utf8")).toBe("text")
    const again = await calls<number>((done) => disk.open(join(folder, "kept"), "read", done))
    const target = new Uint8Array(4)
    expect(await calls<number>((done) => disk.read(again, target, 0, done))).toBe(4)
    expect(await calls((done: DiskDone<ReadonlyArray<string>>) => disk.list(folder, done))).toEqual(before)
  })

  test("does what it is told before the fence", async () => {
    fs.writeFileSync(join(folder, "kept"), "text")
    const { disk } = fenceDisk(nodeDisk)
    const file = await calls<number>((done) => disk.open(join(folder, "kept"), "update", done))
    const codes = []
    for (const [, change] of changes) codes.push(await codeOf((done) => change(disk, file, done)))
    // The file is gone under its name once it is renamed.
    expect(codes.filter((code) => code !== undefined)).toEqual(["ENOENT", "ENOENT"])
  })
})
