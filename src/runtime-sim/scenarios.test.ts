// The scenario suite in the simulator. SHOAL_SCENARIO selects by a part of the name. Every scenario is played twice:
// the same seed must give the same run, event for event.

import { describe, expect, it } from "vitest"
import { Effect } from "effect"
import type { Scenario } from "../roles/scenarios/suite.ts"
import { selectScenarios } from "../roles/scenarios/selection.ts"
import { makeSimWorld } from "./scenario-world.ts"

const play = (scenario: Scenario): string => {
  const { world, simulation } = makeSimWorld({ seed: scenario.name })
  simulation.run(Effect.scoped(scenario.run(world)))
  return simulation.traceHash()
}

describe("scenarios in the simulator", () => {
  for (const scenario of selectScenarios(process.env.SHOAL_SCENARIO)) {
    it(scenario.name, () => {
      expect(play(scenario)).toBe(play(scenario))
    }, 60_000)
  }
})
