// Tests of making folders: all levels that are missing, errors where none can be made, and a probe that leaves nothing.

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { makeFolder, probeFolder } from "./make-folder.ts"

let root = ""
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "shoal-folders-"))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe("a folder", () => {
  it("is made with all that are missing above it, and stays as it is when it is there", () => {
    const deep = join(root, "a", "b", "c")
    assert.deepStrictEqual(makeFolder(deep), [join(root, "a"), join(root, "a", "b"), deep])
    assert.deepStrictEqual(makeFolder(deep), [])
  })

  it("below a file, or where nothing can be made, is an error and no endless loop", () => {
    writeFileSync(join(root, "file"), "")
    assert.throws(() => makeFolder(join(root, "file", "below")), /ENOTDIR/)
    assert.throws(() => makeFolder("/dev/null/below"), /ENOTDIR/)
    if (existsSync("/proc/self")) assert.throws(() => makeFolder("/proc/nowhere/below"), /ENOENT/)
  })

  it("is probed without a trace", () => {
    probeFolder(join(root, "a", "b"))
    probeFolder(root)
    assert.deepStrictEqual(readdirSync(root), [])
    writeFileSync(join(root, "file"), "")
    assert.throws(() => probeFolder(join(root, "file")), /ENOTDIR/)
  })
})
