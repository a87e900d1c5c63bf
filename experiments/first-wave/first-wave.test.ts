// Tests of first-wave at a small size: equal seeds give equal reports byte by byte, in this process and in another one.

import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { makeReport, measureHere, planReport } from "../engine/report.ts"
import { firstWave } from "./first-wave.ts"

const options = { agents: "24", origins: "2", size: "6MiB" }

const reportOf = (given: Readonly<Record<string, string>>, seed = 1) =>
  planReport(firstWave, { seeds: String(seed), options: given }).pipe(
    Effect.flatMap((plan) => makeReport(plan, measureHere(silentProgress))),
    Effect.runPromise
  )
const report = (seed: number) => reportOf(options, seed)

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-first-wave-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe("first wave", () => {
  it("gives the same report twice in one process", async () => {
    const [first, second] = [await report(1), await report(1)]
    assert.deepStrictEqual(second.files, first.files)
  })

  it("gives the same report in another process", async () => {
    const module = (name: string) => new URL(name, import.meta.url).href
    const program = `
      import { Effect } from "effect"
      import { laboratory } from ${JSON.stringify(module("../laboratory.ts"))}
      import { runExperiment } from ${JSON.stringify(module("../engine/run-experiment.ts"))}
      const request = { seeds: "1", workers: 1, options: ${JSON.stringify(options)} }
      const fingerprints = () => Effect.succeed({ report: "sources", cell: "sources" })
      const lab = { ...laboratory, reports: ${JSON.stringify(folder)}, fingerprints }
      await Effect.runPromise(runExperiment("first-wave", request, lab))`
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", program],
      {
        cwd: import.meta.dirname
      }
    )
    assert.strictEqual(stderr, "", "nothing is written to a piped stderr: no progress line")
    const { result, files } = await reportOf(options, 1)
    assert.include(stdout, `trace hash ${result.trace_hash}`)
    for (const file of files)
      assert.strictEqual(
        await readFile(join(folder, "own", "first-wave", file.name), "utf8"),
        file.text,
        file.name
      )
  })

  it("measures one agent that pulls one piece", async () => {
    const { result } = await reportOf({ agents: "1", size: "1kB" })
    assert.strictEqual(result.figures.piece_transfers?.value, 1)
    assert.strictEqual(result.figures.share_from_agents?.value, 0)
    assert.isAbove(result.strategies.shoal!.blob!.ratio.max, 1)
  })
})
