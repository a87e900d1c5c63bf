// What git says of a change, in a repository made here: edited, new and removed files, whatever their names, and
// commits that do not exist.

import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { changedSince, UnknownCommit } from "./changed-files.ts"

let folder: string
const git = (...args: ReadonlyArray<string>) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: folder })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-changed-"))
  git("init", "--quiet")
  for (const name of ["same", "edited", "höhe.ts", "gone"]) writeFileSync(join(folder, name), "1")
  git("add", ".")
  git("commit", "--quiet", "--message", "first")
})
afterEach(() => rmSync(folder, { recursive: true }))

test("edited, new and removed files are named, whatever is in their names", () => {
  for (const name of ["edited", "höhe.ts", "new", "tabu\tlator", "日本.json"]) {
    writeFileSync(join(folder, name), "2")
  }
  rmSync(join(folder, "gone"))
  expect([...changedSince(folder, "HEAD")].sort()).toEqual(
    ["edited", "gone", "höhe.ts", "new", "tabu\tlator", "日本.json"].sort()
  )
})

test.each(["nonsense", "--help", "HEAD~9", "HEAD:same"])("%s is no commit, in one line", (commit) => {
  const problem = () => changedSince(folder, commit)
  expect(problem).toThrow(UnknownCommit)
  expect(problem).toThrow(/^[^\n]+$/)
})
