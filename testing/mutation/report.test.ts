// The figures of the report, and the compiler's errors that kill a mutant.

import { expect, test } from "vitest"
import { importedPath, sourceFile } from "../../src/architecture/source-files.ts"
import { type Mutant, mutantsOf } from "./mutants.ts"
import { loadersOf, productOf } from "./product.ts"
import { deathsOf, jsonOf, survivors, totalsOf } from "./report.ts"
import type { Finding } from "./survey.ts"
import { typeErrors } from "./type-check.ts"

const findings: ReadonlyArray<Finding> = [
  { tag: "Killed", by: "a.test.ts", why: "it fails" },
  { tag: "Killed", by: "a.test.ts", why: "it fails" },
  { tag: "Rejected", error: "a.ts(1,1): error TS2322: no" },
  { tag: "Survived", tests: 3 },
  { tag: "Survived", tests: 0 },
  { tag: "Equivalent", reason: "a cache" }
]

const found: ReadonlyMap<Mutant, Finding> = new Map(
  findings.map((finding, index) => [mutantsOf(`src/${index}.ts`, "\n  x = true")[1]!, finding])
)

test("the score excludes equivalent mutants, and has a second value for those that compile", () => {
  expect(totalsOf(found)).toEqual({
    mutants: 6,
    killedByTests: 2,
    killedByTypes: 1,
    survived: 2,
    equivalent: 1,
    score: 3 / 5,
    scoreOfTests: 2 / 4
  })
})

test("survivors are named by place and change", () => {
  expect(survivors(found)).toEqual([
    "src/3.ts:2:7  true -> false",
    "src/4.ts:2:7  true -> false  (no test runs it)"
  ])
})

test("the JSON has every mutant", () => {
  const json = JSON.parse(jsonOf(found, "1"))
  expect(json.seed).toBe("1")
  expect(json.mutants).toHaveLength(6)
  expect(json.mutants[0]).toMatchObject({ path: "src/0.ts", change: "true -> false", tag: "Killed" })
})

test("the dead of a report are known again, wherever their files are by then", () => {
  const known = deathsOf(jsonOf(found, "1"))
  const moved = [...found.keys()].map((mutant) =>
    known({ ...mutant, path: `src/a/${mutant.path.slice(4)}`, line: 9 })
  )
  expect(moved).toEqual([...findings.slice(0, 3), undefined, undefined, undefined])
})

test("complaints about the form are not errors", () => {
  const output = `src/a.ts(3,1): error TS2322: Type 'string' is not assignable to type 'number'.
  The types of 'a' are incompatible.
src/a.ts(4,1): error TS6133: 'b' is declared but its value is never read.
`
  expect(typeErrors(output)).toEqual([output.split("\n")[0]])
})

test("the product is what the entries reach, and every importer of a file loads it", () => {
  const files = [
    sourceFile("src/cli/main.ts", 'import "../protocol/a.ts"'),
    sourceFile("src/protocol/a.ts", 'import { b } from "./b.ts"\nimport type { c } from "./c.ts"'),
    sourceFile("src/protocol/b.ts", ""),
    sourceFile("src/protocol/c.ts", ""),
    sourceFile("src/protocol/b.test.ts", 'import "./b.ts"')
  ]
  expect(importedPath(files[0]!, files[0]!.imports[0]!)).toBe("src/protocol/a.ts")
  expect(productOf(files).map(({ path }) => path)).toEqual(["src/protocol/a.ts", "src/protocol/b.ts"])
  expect([...loadersOf(files)("src/protocol/b.ts")].sort()).toEqual([
    "src/cli/main.ts",
    "src/protocol/a.ts",
    "src/protocol/b.test.ts",
    "src/protocol/b.ts"
  ])
})
