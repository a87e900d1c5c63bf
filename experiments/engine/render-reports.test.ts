// Tests of rendering kept reports, with made-up experiments: new words around the same figures, the bytes that a run
// gives, and no change of a report whose figures may have changed.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Effect } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { testLaboratory } from "../../testing/experiments/trial-experiments.ts"
import { renderReports } from "./render-reports.ts"
import { runAll } from "./run-all.ts"

let folder = ""
const printed: Array<string> = []
const record = (...parts: ReadonlyArray<unknown>) => void printed.push(parts.join(" "))
const recording: Console.Console = { ...globalThis.console, log: record, error: record }
const quietly = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.provideService(effect, Console.Console, recording))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-render-"))
  await quietly(runAll({ workers: 1, quick: true }, testLaboratory(folder)))
  await quietly(runAll({ workers: 1 }, testLaboratory(folder)))
  printed.length = 0
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const full = () => join(folder, "counted")
const quick = () => join(folder, "quick", "counted")

/** Every file of the reports, the index and the quick results. */
const bytes = async (): Promise<ReadonlyArray<string>> => {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile()
  )
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
  return Promise.all(paths.map(async (path) => `${path}\n${await readFile(path, "utf8")}`))
}

const replaceIn = async (path: string, from: string, to: string) => {
  const text = await readFile(path, "utf8")
  assert.include(text, from)
  await writeFile(path, text.replaceAll(from, to))
}

describe("rendering", () => {
  it("gives the bytes that a run gives, whatever the words were", async () => {
    const made = await bytes()
    for (const result of [join(full(), "result.json"), join(quick(), "result.json")]) {
      await replaceIn(result, "As far as", "No farther than")
      await replaceIn(result, "How far do threads count?", "How far?")
    }
    await writeFile(join(full(), "index.html"), "")
    await writeFile(join(folder, "index.html"), "")
    await quietly(renderReports(testLaboratory(folder)))
    assert.deepStrictEqual(await bytes(), made)
    assert.deepStrictEqual(printed, [quick(), full(), join(folder, "index.html")])
  })

  it("leaves a report alone when the figures of its small version differ", async () => {
    await replaceIn(join(quick(), "result.json"), '"value": 601', '"value": 602')
    await replaceIn(join(full(), "result.json"), "As far as", "No farther than")
    await quietly(renderReports(testLaboratory(folder, "other")))
    assert.include(await readFile(join(full(), "result.json"), "utf8"), "No farther than")
    assert.include(await readFile(join(quick(), "result.json"), "utf8"), "As far as 602.")
    assert.include(printed.join(), `${full()} stays as it is`)
  })

  it("skips experiments without a report, and names a result or a drawing that it cannot use", async () => {
    await rm(join(full(), "chart.svg"))
    const error = await quietly(Effect.flip(renderReports(testLaboratory(folder))))
    assert.match(error.message, /chart\.svg cannot be read: /)
    await replaceIn(join(full(), "result.json"), '"cells": "6"', '"sells": "6"')
    assert.match(
      (await quietly(Effect.flip(renderReports(testLaboratory(folder))))).message,
      /result\.json is not of this version .*make it again: npm run experiment -- counted$/
    )
    await rm(full(), { recursive: true })
    await rm(quick(), { recursive: true })
    printed.length = 0
    await quietly(renderReports(testLaboratory(folder)))
    assert.lengthOf(printed, 2)
  })
})
