// Who asks for the sync of a folder shares one that begins later, and gets its outcome.

import { expect, test } from "vitest"
import type { DiskDone } from "./disk.ts"
import { shareFolderSyncs } from "./folder-syncs.ts"

test("what is asked for during a sync of the folder shares the next one", () => {
  const begun: Array<readonly [path: string, done: DiskDone<void>]> = []
  const answered: Array<string> = []
  const sync = shareFolderSyncs({ syncFolder: (path, done) => begun.push([path, done]) })
  const ask = (name: string, path: string) =>
    sync(path, (error) => answered.push(`${name}: ${error?.message ?? "synced"}`))
  const end = (index: number, error: Error | null = null) => begun[index]![1](error, undefined)

  ask("first", "/a")
  ask("second", "/a")
  ask("third", "/a")
  ask("elsewhere", "/b")
  expect(begun.map(([path]) => path)).toEqual(["/a", "/b"])
  end(0)
  expect(answered).toEqual(["first: synced"])
  ask("fourth", "/a")
  expect(begun.map(([path]) => path)).toEqual(["/a", "/b", "/a"])
  end(2, new Error("bad medium"))
  expect(answered).toEqual(["first: synced", "second: bad medium", "third: bad medium"])
  end(3)
  ask("fifth", "/a")
  expect(begun.length).toBe(5)
  expect(answered.at(-1)).toBe("fourth: synced")
})
