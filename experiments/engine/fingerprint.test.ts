// Tests of fingerprints: code that is moved, renamed, commented, typed or imported in another order keeps its
// fingerprint, and code that does something else has another one. Modules that only draw count for reports, not for
// cells.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { laboratory } from "../laboratory.ts"
import { experiments } from "../registry.ts"
import { fingerprintsOf, watchSources } from "./fingerprint.ts"

type Sources = Readonly<Record<string, string>>

const sources = {
  "package.json": '{"dependencies": {"effect": "1.0.0", "unrelated": "1.0.0"}}',
  "experiments/race/race.ts": `import { fast, slow } from "../../src/a.ts"
import type { B } from "./types.ts"
import { chart } from "./race-charts.ts"
import { readFile } from "node:fs"
import { Effect } from "effect"
const file = new URL("./measured.json", import.meta.url)
const measure = (seed: B) => Effect.sync(() => slow(seed) - fast(seed))
export const race = { measure, chart, file, read: readFile }`,
  "experiments/race/types.ts": "export type B = number",
  "experiments/race/race-charts.ts":
    'import { paper } from "./chart-theme.ts"\nexport const chart = { paper }',
  "experiments/race/chart-theme.ts": 'export const paper = "white"',
  "experiments/race/race.test.ts": 'import { race } from "./race.ts"',
  "experiments/other.ts": "export const other = 1",
  "experiments/race/measured.json": "{}",
  "src/a.ts": `import { b } from "./b.ts"
const [limit, floor] = [9, 3]
/** Slow. */
export const slow = (seed: number): number => Math.min(limit, seed * b)
export const fast = (seed: number): number => {
  const doubled = seed * 2
  return Math.max(floor, doubled)
}`,
  "src/b.ts": "export const b = 5"
} satisfies Sources

let root = ""
const write = async (path: string, text: string) => {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}
const writeAll = async (files: Sources) => {
  await rm(root, { recursive: true, force: true })
  for (const [path, text] of Object.entries(files)) await write(path, text)
}
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shoal-sources-"))
  await writeAll(sources)
})
afterEach(() => rm(root, { recursive: true, force: true }))

const fingerprints = () => Effect.runPromise(fingerprintsOf("race", root))

/** The sources with texts of one file replaced. Every text must be present. */
const edited = (path: keyof typeof sources, ...edits: ReadonlyArray<readonly [string, string]>): Sources => {
  const text = edits.reduce<string>((before, [from, to]) => {
    assert.include(before, from)
    return before.replaceAll(from, to)
  }, sources[path])
  return { ...sources, [path]: text }
}
const without = (path: string, files: Sources): Sources =>
  Object.fromEntries(Object.entries(files).filter(([name]) => name !== path))

describe("a fingerprint stays when", () => {
  const tidied: Readonly<Record<string, Sources>> = {
    "a file moves into another folder": without("src/b.ts", {
      ...edited("src/a.ts", ["./b.ts", "./kit/b.ts"]),
      "src/kit/b.ts": sources["src/b.ts"]
    }),
    "a file has another name": without("src/b.ts", {
      ...edited("src/a.ts", ["./b.ts", "./five.ts"]),
      "src/five.ts": sources["src/b.ts"]
    }),
    "a file that is read by URL moves": without("experiments/race/measured.json", {
      ...edited("experiments/race/race.ts", ["./measured.json", "./numbers/all.json"]),
      "experiments/race/numbers/all.json": "{}"
    }),
    "comments change": edited("src/a.ts", ["Slow.", "Not fast."], ["\nconst", "\n// Constants.\nconst"]),
    "imports have another order": edited(
      "experiments/race/race.ts",
      ['import { Effect } from "effect"\n', ""],
      ["import { fast", 'import { Effect } from "effect"\nimport { fast'],
      ["fast, slow", "slow, fast"],
      ['import { chart } from "./race-charts.ts"\n', ""],
      ["import { slow", 'import { chart } from "./race-charts.ts"\nimport { slow']
    ),
    "a type changes": edited("src/a.ts", ["seed: number", "seed: 1 | 2"]),
    "a variable has another name": edited("src/a.ts", ["doubled", "twice"], ["limit", "min"]),
    "an exported function has another name": {
      ...edited("src/a.ts", ["slow", "leisurely"]),
      ...{ "experiments/race/race.ts": sources["experiments/race/race.ts"].replaceAll("slow", "leisurely") }
    },
    "a variable is not called what a property is any more": edited(
      "experiments/race/race.ts",
      ["const measure =", "const difference ="],
      ["{ measure,", "{ measure: difference,"]
    ),
    "a file is merged into its only user": without("src/b.ts", {
      ...edited("src/a.ts", ['import { b } from "./b.ts"', "const b = 5"])
    }),
    "tests, other experiments and other packages change": {
      ...edited("package.json", ['unrelated": "1', 'unrelated": "2']),
      "experiments/race/race.test.ts": "",
      "experiments/other.ts": "export const other = 2"
    },
    "something unused comes": edited("src/b.ts", ["export", "export const c = (d: number) => d\nexport"])
  }
  it.each(Object.entries(tidied))("%s", async (_, files) => {
    const before = await fingerprints()
    await writeAll(files)
    assert.deepStrictEqual(await fingerprints(), before)
  })
})

describe("a fingerprint changes when", () => {
  const changed: Readonly<Record<string, Sources>> = {
    "a constant changes": edited("experiments/race/race.ts", ["slow(seed) -", "slow(seed) + 1 -"]),
    "a module that another one imports changes": edited("src/b.ts", ["5", "6"]),
    "a package that is imported has another version": edited("package.json", ["1.0.0", "1.0.1"]),
    "something else is imported from a package": edited("experiments/race/race.ts", [
      "{ readFile }",
      "{ read as readFile }"
    ]),
    "a file that is read by URL changes": { ...sources, "experiments/race/measured.json": "[]" },
    "a file that is read by URL comes into being": without("experiments/race/measured.json", sources),
    "a property has another name": edited("experiments/race/race.ts", [
      "{ measure,",
      "{ measureIt: measure,"
    ]),
    "two functions of one form change places": edited("experiments/race/race.ts", [
      "slow(seed) - fast(seed)",
      "fast(seed) - slow(seed)"
    ]),
    "another constant is used": edited("src/a.ts", ["Math.min(limit,", "Math.min(floor,"]),
    "a default changes": edited("src/a.ts", ["fast = (seed: number)", "fast = (seed: number = 2)"])
  }
  it.each(Object.entries(changed))("%s", async (_, files) => {
    const before = await fingerprints()
    await writeAll(files)
    const after = await fingerprints()
    assert.notStrictEqual(after.report, before.report)
    assert.notStrictEqual(after.cell, before.cell)
  })

  it("a worker's module changes, or one that it imports", async () => {
    const named = edited("src/a.ts", ["Math.min(", 'Math.min(+new URL("./worker.ts", import.meta.url), '])
    const workers = {
      "src/worker.ts": 'import { c } from "./c.ts"\nconsole.log(c)',
      "src/c.ts": "export const c = 1"
    }
    await writeAll({ ...named, ...workers })
    const before = await fingerprints()
    await write("src/c.ts", "export const c = 2")
    const after = await fingerprints()
    assert.notStrictEqual(after.cell, before.cell)
    await write("src/worker.ts", 'import { c } from "./c.ts"\nconsole.log(-c)')
    assert.notStrictEqual((await fingerprints()).cell, after.cell)
  })
})

describe("fingerprints", () => {
  it("of cells leave out modules that only draw", async () => {
    const before = await fingerprints()
    for (const [from, to] of [
      ["= { paper }", "= { ink: paper }"],
      ["white", "black"]
    ] as const) {
      const path = from === "white" ? "experiments/race/chart-theme.ts" : "experiments/race/race-charts.ts"
      await writeAll(edited(path, [from, to]))
      const after = await fingerprints()
      assert.strictEqual(after.cell, before.cell, path)
      assert.notStrictEqual(after.report, before.report, path)
    }
  })

  it("fail in one line that names the unreadable file", async () => {
    const error = await Effect.runPromise(Effect.flip(fingerprintsOf("nothing", root)))
    assert.match(error.message, /^the sources of nothing cannot be read .*nothing\.ts/)
    assert.notInclude(error.message, "\n")
  })

  it("exist for a real experiment", async () => {
    const { report, cell } = await Effect.runPromise(fingerprintsOf(experiments[0]!.name))
    assert.match(`${report} ${cell}`, /^[0-9a-f]{16} [0-9a-f]{16}$/)
    assert.notStrictEqual(report, cell)
  })
})

describe("watched sources", () => {
  it("differ as soon as the text of one of them changes", async () => {
    const areTheSame = await Effect.runPromise(watchSources(join(root, "experiments/race/race.ts")))
    assert.isTrue(areTheSame())
    await write("src/b.ts", `${sources["src/b.ts"]} `)
    assert.isFalse(areTheSame())
    await write("src/b.ts", sources["src/b.ts"])
    assert.isTrue(areTheSame())
  })

  it("cover all experiments of the laboratory", async () => {
    assert.isTrue((await Effect.runPromise(laboratory.watchSources))())
  })
})
