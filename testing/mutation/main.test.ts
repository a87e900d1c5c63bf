// The command npm run mutation as a process: wrong arguments are named before anything is copied or compiled.

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"

const main = join(import.meta.dirname, "main.ts")
const file = "src/protocol/kit/backoff.ts"

let temporary: string
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), "shoal-mutation-test-"))
})
afterEach(() => rmSync(temporary, { recursive: true, force: true }))

test.each([
  [["--tests", "no-such-test", file], "--tests no-such-test is in the path of no test file"],
  [["--out", "/no/such/folder/out.json", file], "--out /no/such/folder/out.json: ENOENT"],
  [[`${file}:1`], `${file}:1 has nothing to mutate`]
])("%j is refused before anything is copied", async (args, problem) => {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["ignore", "ignore", "pipe"]
  })
  let said = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  const [code] = await once(child, "close")
  expect(said).toContain(`mutation: ${problem}`)
  expect(said.split("\n").at(-2)).toMatch(/; --help shows how$/)
  expect(code).toBe(2)
  expect(readdirSync(temporary)).toEqual([])
})
