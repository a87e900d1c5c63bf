// Holds every experiment of the registry to what the runner relies on: full and quick versions are understood, cells are
// told apart by their labels, inputs are plain data, estimates are numbers, and the module is where its sources are sought.

import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { findExperiment } from "./engine/find-experiment.ts"
import { planReport, quickRequest, type ReportRequest } from "./engine/report.ts"
import { experiments } from "./registry.ts"

const versions = experiments.flatMap((experiment) => {
  const full: ReportRequest = { options: {} }
  return [
    { name: experiment.name, version: "full", experiment, request: full },
    { name: experiment.name, version: "quick", experiment, request: quickRequest(experiment) }
  ]
})

describe("every experiment", () => {
  it.each(versions)("$name, $version, is a set of cells", async ({ experiment, request }) => {
    const { cells } = await Effect.runPromise(planReport(experiment, request))
    assert.isAbove(cells.length, 0)
    assert.strictEqual(new Set(cells.map(({ label }) => label)).size, cells.length)
    for (const { label, input, cost, memory } of cells) {
      assert.deepStrictEqual(JSON.parse(JSON.stringify(input)), input, label)
      assert.isTrue(Number.isFinite(cost) && cost >= 0, `${label}: cost ${cost}`)
      assert.isTrue(Number.isFinite(memory) && memory > 0, `${label}: memory ${memory}`)
    }
  })

  it.each(experiments.map(({ name }) => name))("%s has its module in a file of its name", (name) => {
    assert.isTrue(existsSync(join(import.meta.dirname, name, `${name}.ts`)))
  })

  it("is found by its name, and a wrong name is answered with the nearest", async () => {
    for (const experiment of experiments) {
      const found = await Effect.runPromise(findExperiment(experiment.name, experiments))
      assert.strictEqual(found, experiment)
    }
    const error = await Effect.runPromise(Effect.flip(findExperiment("first-wav", experiments)))
    assert.include(error.message, "did you mean first-wave?")
  })
})
