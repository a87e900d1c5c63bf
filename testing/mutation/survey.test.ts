// A survey that is ended while the compiler runs leaves no copy and no process behind, in a repository with a compiler
// made here that never ends and writes all the time.

import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, test } from "vitest"
import { sourceFile } from "../../src/architecture/source-files.ts"
import { mutantsOf } from "./mutants.ts"
import { Survey } from "./survey.ts"

const text = "export const two = 1 + 1\n"
const compiler = `#!/bin/sh
echo $$ > "$COMPILER_PID"
while :; do mkdir -p "$PWD/.types"; sleep 0.01; done
`

let folder: string
const before = { TMPDIR: process.env.TMPDIR, COMPILER_PID: process.env.COMPILER_PID }
const setEnvironment = (values: Readonly<Record<string, string | undefined>>) => {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-survey-"))
  for (const path of ["repository/node_modules/.bin", "copies"])
    mkdirSync(join(folder, path), { recursive: true })
  writeFileSync(join(folder, "repository", "two.ts"), text)
  writeFileSync(join(folder, "repository", ".gitignore"), "node_modules\n")
  writeFileSync(join(folder, "repository", "node_modules", ".bin", "tsc"), compiler, { mode: 0o755 })
  execFileSync("git", ["init", "--quiet"], { cwd: join(folder, "repository") })
  setEnvironment({ TMPDIR: join(folder, "copies"), COMPILER_PID: join(folder, "pid") })
})
afterEach(() => {
  setEnvironment(before)
  rmSync(folder, { recursive: true })
})

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test("an end while the compiler runs leaves nothing behind", async () => {
  const survey = new Survey({
    ...{ repository: join(folder, "repository"), files: [sourceFile("two.ts", text)] },
    ...{ mutants: mutantsOf("two.ts", text), tests: "", workers: 1, budget: 1, together: 1 },
    ...{ onFinding: () => {}, onProgress: () => {} }
  })
  const ran = expect(survey.run()).rejects.toThrow("tsc fails")
  const pid = join(folder, "pid")
  while (!existsSync(pid) || readFileSync(pid, "utf8") === "") await sleep(5)
  const compiling = Number(readFileSync(pid, "utf8"))
  try {
    await survey.end()
    expect(isRunning(compiling)).toBe(false)
    expect(readdirSync(join(folder, "copies"))).toEqual([])
    await ran
  } finally {
    if (isRunning(compiling)) process.kill(compiling, "SIGKILL")
  }
})
