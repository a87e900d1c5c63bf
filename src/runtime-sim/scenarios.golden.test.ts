// The scenario suite in the simulator. SHOAL_SCENARIO selects scenarios by a part of the name. Every scenario is
// played twice, silent and with every log line, and the same seed must give the same run, event for event. What it
// costs stands in a file in scenario-figures/, so that a change of time, traffic or counts shows in review. `npm run
// golden` writes these files anew.

import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { playScenario } from "../../testing/runtime-sim/scenario-figures.ts"
import { selectScenarios } from "../../testing/scenarios/selection.ts"
import { scenarios } from "../../testing/scenarios/suite.ts"

const folder = join(import.meta.dirname, "scenario-figures")
const fileOf = (name: string): string => `${name.replace(/[^a-zA-Z0-9]+/g, "-")}.json`

describe("scenarios in the simulator", () => {
  let lines = 0
  for (const scenario of selectScenarios(process.env.SHOAL_SCENARIO)) {
    it(scenario.name, async () => {
      const options = { seed: scenario.name, logLevel: "Trace" } as const
      const silent = playScenario(scenario, options)
      const figures = `${JSON.stringify(silent.figures, undefined, 2)}\n`
      await expect(figures).toMatchFileSnapshot(join(folder, fileOf(scenario.name)))
      const log = () => {
        lines++
      }
      const talking = playScenario(scenario, { ...options, log })
      expect(talking.traceHash).toBe(silent.traceHash)
    }, 60_000)
  }

  it("log something when logging is on", () => {
    expect(lines).toBeGreaterThan(0)
  })

  it("leave no figures of a scenario that is gone", () => {
    expect(scenarios.map(({ name }) => fileOf(name))).toEqual(expect.arrayContaining(readdirSync(folder)))
  })
})
