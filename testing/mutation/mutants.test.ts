// Mutants keep their names over moves, samples follow their seed, and texts contain the inserted mutants.

import { join, posix } from "node:path"
import { expect, test } from "vitest"
import { readSources } from "../../src/architecture/source-files.ts"
import { equivalence, equivalentMutants, staleEquivalents } from "./equivalent.ts"
import { mutantsOf, mutate, nameOf, overlap, sampleOf } from "./mutants.ts"
import { productOf } from "./product.ts"

const text = `const f = (a: number) => a + 1
const g = (a: number) => a * 2 - a * 2
`

const mutants = mutantsOf("src/a/b.ts", text)

test("a mutant has its position", () => {
  const [first] = mutants
  expect(first).toMatchObject({ line: 1, column: 26, original: "a + 1", replacement: "a - 1" })
})

test("a mutant keeps its name when its file moves and lines come above it", () => {
  const moved = mutantsOf("src/c/d/b.ts", `// a header\n\n${text}`)
  expect(moved.map(nameOf)).toEqual(mutants.map(nameOf))
})

test("two equal changes in one line differ by their occurrence", () => {
  const twice = mutants.filter(({ original, replacement }) => original === "a * 2" && replacement === "a / 2")
  expect(twice.map(({ occurrence }) => occurrence)).toEqual([0, 1])
})

test("mutants are inserted together", () => {
  const ones = mutants.filter(({ operator }) => operator === "arithmetic")
  const apart = ones.filter((one) => ones.every((other) => one === other || !overlap(one, other)))
  expect(apart).toHaveLength(1)
  const halves = ones.filter(({ original }) => original === "a * 2")
  expect(mutate(text, [halves[1]!, halves[0]!, apart[0]!])).toBe(`const f = (a: number) => a - 1
const g = (a: number) => a / 2 - a / 2
`)
})

test("a sample follows from its seed, and stays when files move", () => {
  const sample = sampleOf(mutants, 4, "1")
  expect(sample).toHaveLength(4)
  expect(sampleOf(mutants.toReversed(), 4, "1")).toEqual(sample)
  expect(sampleOf(mutantsOf("b.ts", text), 4, "1").map(nameOf)).toEqual(sample.map(nameOf))
  const others = ["2", "3", "4"].map((seed) => sampleOf(mutants, 4, seed))
  expect(others.some((other) => JSON.stringify(other) !== JSON.stringify(sample))).toBe(true)
})

test("a larger sample contains the smaller one", () => {
  const large = sampleOf(mutants, 6, "1")
  for (const mutant of sampleOf(mutants, 3, "1")) expect(large).toContainEqual(mutant)
})

test("an equivalent mutant is found by its name", () => {
  const [first, second] = mutants
  const known = [{ ...nameOf(first!), reason: "it makes no difference" }]
  expect(equivalence(first!, known)).toBe("it makes no difference")
  expect(equivalence(second!, known)).toBeUndefined()
})

test("of equivalent mutants with one name, the one is meant that is counted", () => {
  const [first, second] = mutants.filter(
    ({ original, replacement }) => original === "a * 2" && replacement === "a / 2"
  )
  const known = [{ ...nameOf(second!), occurrence: 1, reason: "it makes no difference" }]
  expect(equivalence(first!, known)).toBeUndefined()
  expect(equivalence(second!, known)).toBe("it makes no difference")
})

test("an equivalent mutant whose line has changed is stale", () => {
  const known = { ...nameOf(mutants[0]!), reason: "it makes no difference" }
  const gone = { ...known, line: "const f = 1" }
  expect(staleEquivalents(mutants, [known, gone, { ...gone, file: "c.ts" }])).toEqual([gone])
})

test("every equivalent mutant has a reason", () => {
  for (const { file, line, reason } of equivalentMutants) {
    expect(reason.length, `${file}: ${line}`).toBeGreaterThan(20)
  }
})

test("every equivalent mutant is one of the product", () => {
  const names = new Set(equivalentMutants.map(({ file }) => file))
  const files = productOf(readSources(join(import.meta.dirname, "..", "..")))
  const all = files
    .filter(({ path }) => names.has(posix.basename(path)))
    .flatMap(({ path, text: source }) => mutantsOf(path, source))
  const found = equivalentMutants.filter((known) =>
    all.some((mutant) => equivalence(mutant, [known]) !== undefined)
  )
  // Delete one whose line has changed, and judge what the line is now.
  expect(equivalentMutants.filter((known) => !found.includes(known))).toEqual([])
})
