// The verdicts of the hunt, with functions as test files: it finds the mutants that die, and no mutant dies for the
// fault of another one that is tried together with it.

import { expect, test } from "vitest"
import { type Attempt, Hunt, type Verdict } from "./hunt.ts"
import { type Mutant, mutantsOf } from "./mutants.ts"

const mutants = Array.from({ length: 24 }, (_, index) => mutantsOf(`src/f${index}.ts`, "x = true")[0]!)
const number = ({ path }: Mutant): number => Number(/\d+/.exec(path)![0])

/** A test file fails when this returns true for the inserted mutants. */
type Fails = (numbers: ReadonlyArray<number>) => boolean

const hunt = async (
  files: Readonly<Record<string, { readonly millis: number; readonly fails: Fails }>>,
  reaching: (mutant: Mutant) => ReadonlyArray<string> = () => Object.keys(files)
) => {
  const runs: Array<{ readonly together: number; readonly tests: ReadonlyArray<string> }> = []
  const attempt: Attempt = async (put, tests) => {
    runs.push({ together: put.length, tests })
    const passed = new Map<string, number>()
    for (const file of tests) {
      if (files[file]!.fails(put.map(number))) return { passed, failed: [{ test: file, why: "it fails" }] }
      passed.set(file, 1)
    }
    return { passed, failed: [] }
  }
  const verdicts = new Map<number, Verdict>()
  const plan = {
    mutants,
    reaching,
    usual: new Map(Object.entries(files).map(([file, { millis }]) => [file, millis])),
    budget: 1000,
    together: 8,
    onVerdict: (mutant: Mutant, verdict: Verdict) => void verdicts.set(number(mutant), verdict),
    onProgress: () => {}
  }
  await new Hunt(plan, [attempt, attempt]).run()
  const killed = [...verdicts].filter(([, { tag }]) => tag === "Killed").map(([one]) => one)
  return { runs, verdicts, killed: killed.sort((one, other) => one - other) }
}

test("kills a mutant that a test notices, alone or among others", async () => {
  const { killed, verdicts } = await hunt({
    "a.test.ts": { millis: 10, fails: (put) => put.includes(1) },
    "slow.test.ts": { millis: 5000, fails: (put) => put.includes(2) || put.includes(3) || put.includes(17) }
  })
  expect(killed).toEqual([1, 2, 3, 17])
  expect(verdicts.get(3)).toEqual({ tag: "Killed", by: "slow.test.ts", why: "it fails" })
  expect(verdicts.get(4)).toEqual({ tag: "Survived", tests: 2 })
})

test("a fault that two mutants have only together kills neither", async () => {
  const { killed } = await hunt({
    "a.test.ts": { millis: 10, fails: () => false },
    "slow.test.ts": { millis: 5000, fails: (put) => put.includes(4) && put.includes(5) }
  })
  expect(killed).toEqual([])
})

test("slow tests run once for many mutants", async () => {
  const { runs } = await hunt({
    "a.test.ts": { millis: 10, fails: () => false },
    "slow.test.ts": { millis: 5000, fails: () => false }
  })
  const slow = runs.filter(({ tests }) => tests.includes("slow.test.ts"))
  expect(slow.map(({ together }) => together)).toEqual([8, 8, 8])
})

test("a mutant meets only tests that reach it, and its own first", async () => {
  const { runs, verdicts } = await hunt(
    {
      "src/f0.test.ts": { millis: 20, fails: () => false },
      "src/a.test.ts": { millis: 20, fails: () => false }
    },
    (mutant) => (number(mutant) === 0 ? ["src/a.test.ts", "src/f0.test.ts"] : [])
  )
  expect(runs[0]!.tests).toEqual(["src/f0.test.ts", "src/a.test.ts"])
  expect(runs.slice(1).every(({ tests }) => tests.length === 0)).toBe(true)
  expect(verdicts.get(1)).toEqual({ tag: "Survived", tests: 0 })
})
