// Instrumented sources report the blocks that tests reach, and compute the same as before.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { mutantsOf } from "./mutants.ts"
import { instrument, readReached } from "./reach.ts"
import { folderVariable, testVariable } from "./reach-environment.ts"

let folder = ""

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-reach-"))
  vi.stubEnv(folderVariable, folder)
})

afterEach(() => {
  vi.unstubAllEnvs()
  Reflect.deleteProperty(globalThis, "mutationReached")
  rmSync(folder, { recursive: true })
})

const source = `const limit = 5
const early = () => 7
const start = early()
function big(n) { if (n > limit) { return 1 } return 0 }
const named = (n) => ({ n: n + 1 })
function name(n) { switch (n) { case 1: return "one"; default: return "many" } }
return { big, named, name, start }`

const whole = `(function () {${source}})`

test("reports the blocks that a test enters, and computes the same as the source", () => {
  const mutants = mutantsOf("a.ts", whole)
  const { text, blocks } = instrument(whole, mutants, 10)
  expect(text).not.toContain("\n".repeat(2))
  expect(text.split("\n")).toHaveLength(whole.split("\n").length)
  vi.stubEnv(testVariable, undefined)
  const { big, named, name, start } = new Function(`${text.replace(";(function", "; return (function")}`)()()
  expect(start).toBe(7)
  vi.stubEnv(testVariable, "0")
  expect([big(1), named(1)]).toEqual([0, { n: 2 }])
  vi.stubEnv(testVariable, "1")
  expect([big(9), name(1), name(2)]).toEqual([1, "one", "many"])

  const { byTest, whileLoading } = readReached(folder, 3)
  const reachedBy = (original: string): ReadonlyArray<number | "loading"> => {
    const block = blocks.get(mutants.find((mutant) => mutant.original === original)!)!
    const tests = byTest.flatMap((numbers, index) => (numbers.has(block) ? [index] : []))
    return whileLoading.has(block) ? ["loading", ...tests] : tests
  }
  expect(reachedBy("5")).toEqual(["loading"])
  expect(reachedBy("7")).toEqual(["loading"])
  expect(reachedBy("n > limit")).toEqual([0, 1])
  expect(reachedBy("{ n: n + 1 }")).toEqual([0])
  expect(reachedBy('"one"')).toEqual([1])
})

test("a mutant outside of every function has no block", () => {
  const mutants = mutantsOf("a.ts", "const a = 5")
  expect(instrument("const a = 5", mutants, 0).blocks.size).toBe(0)
})
