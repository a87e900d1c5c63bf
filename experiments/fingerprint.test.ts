// Holds the fingerprint to what it names: everything that an experiment imports, nothing else; what only draws is in a
// report's, not in a cell's.

import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { fingerprintsOf } from "./fingerprint.ts"
import { experiments } from "./registry.ts"

const sources: Readonly<Record<string, string>> = {
  "package.json": '{"dependencies": {"effect": "1.0.0", "unrelated": "1.0.0"}}',
  "experiments/race.ts": `import { a } from "../src/protocol/a.ts"
import type { B } from "./types.ts"
import { chart } from "./race-charts.ts"
import { readFile } from "node:fs"
import { Effect } from "effect"`,
  "experiments/types.ts": "export type B = 1",
  "experiments/race-charts.ts": 'export * from "./chart-theme.ts"',
  "experiments/chart-theme.ts": "",
  "experiments/race.test.ts": 'import { race } from "./race.ts"',
  "experiments/other.ts": "",
  "src/protocol/a.ts": `export {
  b
} from "./b.ts"
const worker = new URL("./c.ts", import.meta.url)
const folder = new URL("../protocol", import.meta.url)
const later = new URL("./measured.json", import.meta.url)`,
  "src/protocol/b.ts": 'const later = () => import("../../experiments/race.ts")',
  "src/protocol/c.ts": ""
}

let root = ""
const write = async (path: string, text: string) => {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shoal-sources-"))
  for (const [path, text] of Object.entries(sources)) await write(path, text)
})
afterEach(() => rm(root, { recursive: true, force: true }))

const fingerprints = () => Effect.runPromise(fingerprintsOf("race", root))

describe("fingerprints", () => {
  it("change with every source that the experiment reaches, in any way of importing", async () => {
    const before = await fingerprints()
    for (const path of [
      "experiments/race.ts",
      "experiments/types.ts",
      "src/protocol/b.ts",
      "src/protocol/c.ts"
    ]) {
      await write(path, `${sources[path]}\n`)
      const after = await fingerprints()
      assert.notStrictEqual(after.report, before.report, path)
      assert.notStrictEqual(after.cell, before.cell, path)
      await write(path, sources[path]!)
    }
    assert.deepStrictEqual(await fingerprints(), before)
  })

  it("change when a file that is read comes into being", async () => {
    const before = await fingerprints()
    await write("src/protocol/measured.json", "{}")
    assert.notStrictEqual((await fingerprints()).cell, before.cell)
  })

  it("change with the version of a package that is imported", async () => {
    const before = await fingerprints()
    await write("package.json", sources["package.json"]!.replace("1.0.0", "1.0.1"))
    assert.notStrictEqual((await fingerprints()).cell, before.cell)
  })

  it("do not change with tests, other experiments and other packages", async () => {
    const before = await fingerprints()
    await write("experiments/race.test.ts", "")
    await write("experiments/other.ts", "export const changed = 1")
    await write("package.json", sources["package.json"]!.replace('unrelated": "1', 'unrelated": "2'))
    assert.deepStrictEqual(await fingerprints(), before)
  })

  it("of cells leave out what only draws", async () => {
    const before = await fingerprints()
    for (const path of ["experiments/race-charts.ts", "experiments/chart-theme.ts"]) {
      await write(path, `${sources[path]}\n// blue`)
      const after = await fingerprints()
      assert.strictEqual(after.cell, before.cell, path)
      assert.notStrictEqual(after.report, before.report, path)
      await write(path, sources[path]!)
    }
  })

  it("tell in a line what could not be read", async () => {
    const error = await Effect.runPromise(Effect.flip(fingerprintsOf("nothing", root)))
    assert.match(error.message, /^the sources of nothing could not be read .*nothing\.ts/)
  })

  it("exist for every experiment of the registry", async () => {
    for (const { name } of experiments) {
      const { report, cell } = await Effect.runPromise(fingerprintsOf(name))
      assert.match(`${report} ${cell}`, /^[0-9a-f]{16} [0-9a-f]{16}$/)
    }
  })
})
