// Tests of every experiment of the registry: full and quick versions are understood, labels of cells differ, inputs are
// plain data, estimates are numbers, and the module is in the file of its name. Answers of the kept reports are plain,
// and those of quick results follow from their figures.

import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../testing/experiments/plain-answer.ts"
import { findExperiment } from "./engine/find-experiment.ts"
import { planReport, quickRequest, type ReportRequest } from "./engine/report.ts"
import { experiments } from "./registry.ts"
import { decodeResult } from "./report/result.ts"

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

  it.each(experiments)("$name has its question in docs/laboratory.md", ({ name, question }) => {
    const page = readFileSync(join(import.meta.dirname, "..", "docs", "laboratory.md"), "utf8")
    assert.include(page, `| \`${name}\` | ${question} |`)
  })

  it("is found by its name, and a wrong name gets the nearest one suggested", async () => {
    for (const experiment of experiments) {
      const found = await Effect.runPromise(findExperiment(experiment.name, experiments))
      assert.strictEqual(found, experiment)
    }
    const error = await Effect.runPromise(Effect.flip(findExperiment("first-wav", experiments)))
    assert.include(error.message, "did you mean first-wave?")
  })
})

describe("the kept report", () => {
  const kept = (...path: ReadonlyArray<string>) => {
    const file = join(import.meta.dirname, "..", "reports", ...path, "result.json")
    return Effect.runPromise(decodeResult(readFileSync(file, "utf8")))
  }
  const names = experiments.map(({ name }) => name)

  it.each(names)("of %s answers in short sentences", async (name) => {
    const { answer, question } = await kept(name)
    assertPlain(answer)
    assert.match(question, /\?$/)
  })

  it.each(experiments)(
    "of $name, quick, answers from its figures, in short sentences",
    async (experiment) => {
      const result = await kept("quick", experiment.name)
      const plan = await Effect.runPromise(planReport(experiment, quickRequest(experiment)))
      const renew = "npm run experiment -- render"
      assert.strictEqual(assertPlain(result.answer), plan.answer(result), `to word it again: ${renew}`)
      assert.strictEqual(result.question, experiment.question, `to word it again: ${renew}`)
    }
  )
})
