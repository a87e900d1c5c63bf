// Tests of disk calls as Effects over a real folder whose disk records the calls that change something, and fails those
// that the test names.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type Disk, type DiskDone, nodeDisk } from "./disk.ts"
import { diskError, makeDiskFiles } from "./disk-files.ts"

const makeFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-disk-files-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`it is ${code}`), { code })

/** Files in a new folder. `calls` are the names of calls in order; `failing` has the code with which a call fails. */
const staged = Effect.map(makeFolder, (folder) => {
  const calls: string[] = []
  const failing = new Map<string, string>()
  const recorded = Object.fromEntries(
    Object.entries(nodeDisk).map(([name, call]) => [
      name,
      (...args: Array<unknown>) => {
        calls.push(name)
        const code = failing.get(name)
        if (code === undefined) return (call as (...args: Array<unknown>) => void)(...args)
        setImmediate(args.at(-1) as DiskDone<void>, failure(code))
      }
    ])
  ) as unknown as Disk
  return { folder, calls, failing, files: makeDiskFiles(recorded) }
})

describe("disk calls", () => {
  it("fail with a reason that says whether there is no room", () => {
    const reasonOf = (code: string) => diskError("write", "/data/x", failure(code)).reason
    expect(["ENOSPC", "EDQUOT", "EIO", "EACCES", "EOTHER"].map(reasonOf)).toEqual([
      ...["full", "full", "io", "io", "io"]
    ])
    const { message } = diskError("write", "/data/x", failure("EOTHER"))
    expect(message).toBe("cannot write /data/x: it is EOTHER")
  })

  it.live("replace a file by a synced draft, so that a failure leaves the old one and no draft", () =>
    Effect.gen(function* () {
      const { folder, files, calls, failing } = yield* staged
      const path = join(folder, "note")
      yield* files.replaceFile(path, Buffer.from("old"), folder)
      expect(calls).toEqual(["open", "write", "sync", "close", "rename", "syncFolder"])
      for (const call of ["open", "write", "sync", "rename"]) {
        failing.clear()
        failing.set(call, "EIO")
        const error = yield* Effect.flip(files.replaceFile(path, Buffer.from("new"), folder))
        expect(error.reason).toBe("io")
        expect(readFileSync(path, "utf8")).toBe("old")
        expect(readdirSync(folder)).toEqual(["note"])
      }
      failing.clear()
      yield* files.replaceFile(path, Buffer.from("new"), folder)
      expect(readFileSync(path, "utf8")).toBe("new")
    })
  )

  it.live("read the whole of a small file, and none where there is no file", () =>
    Effect.gen(function* () {
      const { folder, files, failing } = yield* staged
      writeFileSync(join(folder, "note"), "some text")
      const read = (name: string) =>
        Effect.map(
          files.readSmall(join(folder, name)),
          Option.map((bytes) => `${Buffer.from(bytes)}`)
        )
      expect(yield* read("note")).toEqual(Option.some("some text"))
      expect(yield* read("absent")).toEqual(Option.none())
      mkdirSync(join(folder, "inner"))
      expect(yield* read("inner")).toEqual(Option.none())
      failing.set("stat", "EACCES")
      expect((yield* Effect.flip(read("note"))).message).toContain("cannot look at ")
    })
  )

  it.live("remove and touch a file durably, and say whether there was one", () =>
    Effect.gen(function* () {
      const { folder, files, calls, failing } = yield* staged
      const path = join(folder, "note")
      writeFileSync(path, "")
      expect(yield* files.setModified(path, 5000)).toBe(true)
      expect(Option.getOrThrow(yield* files.stat(path)).modifiedAt).toBe(5000)
      expect(yield* files.removeFile(path)).toBe(true)
      expect(calls.slice(-2)).toEqual(["remove", "syncFolder"])
      calls.length = 0
      expect(yield* files.removeFile(path)).toBe(false)
      expect(yield* files.setModified(path, 5000)).toBe(false)
      expect(yield* files.stat(path)).toEqual(Option.none())
      expect(calls).toEqual(["remove", "setModified", "stat"])
      failing.set("remove", "EACCES")
      expect((yield* Effect.flip(files.removeFile(path))).message).toContain("cannot remove ")
    })
  )

  it.live("make a folder with its parents, each synced into the one above, and once", () =>
    Effect.gen(function* () {
      const { folder, files, calls } = yield* staged
      const inner = join(folder, "a", "b", "c")
      yield* files.makeFolder(inner)
      expect(existsSync(inner)).toBe(true)
      expect(calls.filter((name) => name !== "stat" && name !== "list")).toEqual(
        ["a", "b", "c"].flatMap(() => ["makeFolder", "syncFolder"])
      )
      calls.length = 0
      yield* files.makeFolder(inner)
      yield* files.makeFolder(join(folder, "a"))
      expect(calls).toEqual([])
      yield* files.makeFolder(join(folder, "a", "d"))
      expect(calls).toEqual(["stat", "makeFolder", "syncFolder"])
    })
  )

  it.live("sync all folders that an earlier process made beside each other at once", () =>
    Effect.gen(function* () {
      const { folder, files, calls } = yield* staged
      for (const name of ["one", "two"]) mkdirSync(join(folder, "kind", name), { recursive: true })
      yield* files.makeFolder(join(folder, "kind"))
      calls.length = 0
      yield* files.makeFolder(join(folder, "kind", "one"))
      expect(calls).toEqual(["stat", "list", "makeFolder", "syncFolder"])
      yield* files.makeFolder(join(folder, "kind", "two"))
      expect(calls).toEqual(["stat", "list", "makeFolder", "syncFolder"])
      yield* files.makeFolder(join(folder, "kind", "three"))
      expect(calls.filter((name) => name === "syncFolder").length).toBe(2)
    })
  )

  it.live("sync a file that is not open, and close what they opened", () =>
    Effect.gen(function* () {
      const { folder, files, calls } = yield* staged
      writeFileSync(join(folder, "note"), "")
      yield* files.syncFile(join(folder, "note"))
      expect(calls).toEqual(["open", "sync", "close"])
      expect((yield* files.list(folder)).map((name) => basename(name))).toEqual(["note"])
    })
  )
})
