// The scenario suite in the simulator. SHOAL_SCENARIO selects scenarios by a part of the name. Every scenario is
// played twice, silent and with every log line, and the same seed must give the same run, event for event.

import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeSimWorld } from "../../testing/runtime-sim/scenario-world.ts"
import type { Scenario } from "../../testing/scenarios/scenario.ts"
import { selectScenarios } from "../../testing/scenarios/selection.ts"

const play = (scenario: Scenario, log?: (line: string) => void): string => {
  const { world, simulation } = makeSimWorld({ seed: scenario.name, log, logLevel: "Trace" })
  simulation.run(Effect.scoped(scenario.run(world)))
  return simulation.traceHash()
}

describe("scenarios in the simulator", () => {
  let lines = 0
  for (const scenario of selectScenarios(process.env.SHOAL_SCENARIO)) {
    it(scenario.name, () => {
      const silent = play(scenario)
      const talking = play(scenario, () => {
        lines++
      })
      expect(talking).toBe(silent)
    }, 60_000)
  }

  it("log something when logging is on", () => {
    expect(lines).toBeGreaterThan(0)
  })
})
