// The tests that are chosen after a change, on sources made up here.

import { describe, expect, test } from "vitest"
import { nearestTests } from "./nearest-tests.ts"
import { sourceFile } from "./source-files.ts"

const files = Object.entries({
  "src/a.ts": "",
  "src/a.test.ts": 'import "./a.ts"',
  "src/b.ts": 'import type { A } from "./a.ts"',
  "src/b.test.ts": 'import "./b.ts"',
  "src/fast.test.ts": 'import "./b.ts"',
  "src/c.ts": 'import "./b.ts"',
  "src/c.test.ts": 'import "./c.ts"',
  "src/other.test.ts": "",
  "src/golden.test.ts": 'snapshot("./golden-hashes.json")',
  "src/pages.golden.test.ts": "page(`../docs/openapi/${" + 'role}.json`, "../docs/settings.md")',
  "src/versions.ts": 'read(join(root, "package.json"))',
  "src/versions.test.ts": 'import "./versions.ts"',
  "src/a.long.test.ts": 'import "./a.ts"',
  "test/processes/a.test.ts": 'import "../../src/a.ts"'
}).map(([path, text]) => sourceFile(path, text))

const milliseconds = (path: string) => (path === "src/fast.test.ts" ? 1 : 10)

const after = (changed: ReadonlyArray<string>, budget: number) =>
  nearestTests(files, changed, milliseconds, budget)

describe("the tests chosen after a change", () => {
  test("are all that need it, the nearest first and of the same distance the fastest", () => {
    expect(after(["src/a.ts"], 1000)).toEqual({
      chosen: ["src/a.test.ts", "src/fast.test.ts", "src/b.test.ts", "src/c.test.ts"],
      left: []
    })
  })

  test("fit into the budget, and the others are named", () => {
    expect(after(["src/a.ts"], 21)).toEqual({
      chosen: ["src/a.test.ts", "src/fast.test.ts", "src/b.test.ts"],
      left: ["src/c.test.ts"]
    })
  })

  test("hold a changed test whatever it takes", () => {
    expect(after(["src/c.test.ts", "src/a.ts"], 0)).toEqual({
      chosen: ["src/c.test.ts"],
      left: ["src/a.test.ts", "src/fast.test.ts", "src/b.test.ts"]
    })
  })

  test.each([
    ["src/golden-hashes.json", "src/golden.test.ts"],
    ["package.json", "src/versions.test.ts"],
    ["docs/settings.md", "src/pages.golden.test.ts"],
    ["docs/openapi/agent.json", "src/pages.golden.test.ts"]
  ])("are, for %s that is no source, those whose sources name it", (path, test) => {
    expect(after([path], 1000)).toEqual({ chosen: [test], left: [] })
  })

  test("are none when nothing needs what changed", () => {
    expect(after(["docs/architecture.md"], 1000)).toEqual({ chosen: [], left: [] })
  })
})
