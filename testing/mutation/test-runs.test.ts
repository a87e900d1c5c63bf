// The possible outcomes of a test file in a run: it passes, fails, does not load, ends its process, or hangs and is
// killed. The runs are real ones, of a folder with small test files.

import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { TestRuns } from "./test-runs.ts"

const config = `export default { test: { maxConcurrency: 1, projects: [{ test: {
  name: "here", include: ["**/*.test.ts"], isolate: false, testTimeout: 120_000 } }] } }`

const files = {
  "vitest.config.ts": config,
  "value.ts": "export const value = 1",
  "a.test.ts": `import { expect, test } from "vitest"
import { value } from "./value.ts"
test("is one", () => expect(value).toBe(1))`,
  "b.test.ts": `import { expect, test } from "vitest"
test("is two", () => expect(1).toBe(2))`,
  "broken.test.ts": `import "./nowhere.ts"`,
  "hangs.test.ts": `import { test } from "vitest"
test("hangs", () => { for (;;) {} })`
}

let root = ""
let runs: TestRuns

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "shoal-test-runs-")))
  symlinkSync(join(import.meta.dirname, "..", "..", "node_modules"), join(root, "node_modules"))
  for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text)
  runs = new TestRuns(root, new Map())
})

afterAll(() => {
  runs.kill()
  rmSync(root, { recursive: true })
})

const run = (...tests: ReadonlyArray<string>) => runs.run({ tests, changed: [], bail: true })

test("tests run in the given order, until a file fails", async () => {
  const { passed, failed } = await run("a.test.ts", "b.test.ts", "hangs.test.ts")
  expect([...passed.keys()]).toEqual(["a.test.ts"])
  expect(failed).toEqual([{ test: "b.test.ts", why: expect.stringContaining("is two: ") }])
})

test("a file that does not load fails, and ends the run", async () => {
  const { failed } = await run("broken.test.ts", "hangs.test.ts")
  expect(failed).toEqual([{ test: "broken.test.ts", why: expect.stringContaining("nowhere") }])
})

test("every run sees the changed sources", async () => {
  const change = async (text: string) => {
    writeFileSync(join(root, "value.ts"), text)
    return runs.run({ tests: ["a.test.ts"], changed: ["value.ts"], bail: true })
  }
  expect((await change("export const value = 2")).failed).toHaveLength(1)
  expect((await change("export const value = 1")).failed).toEqual([])
})

test("a file that hangs is killed, and the next run works", async () => {
  const impatient = new TestRuns(root, new Map([["hangs.test.ts", 1]]), { graceMillis: 2000 })
  try {
    const { failed } = await impatient.run({ tests: ["hangs.test.ts"], changed: [], bail: true })
    expect(failed).toEqual([{ test: "hangs.test.ts", why: expect.stringContaining("hangs") }])
  } finally {
    impatient.kill()
  }
  expect((await run("a.test.ts")).failed).toEqual([])
})
