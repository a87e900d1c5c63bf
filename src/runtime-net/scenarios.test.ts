// The scenario suite on loopback sockets and real folders. SHOAL_SCENARIO selects by a part of the name. Scenarios
// spend most of their time waiting for what is slow on purpose, so a few are played at once, each in a world of its
// own.

import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeNetWorld } from "../../testing/runtime-net/scenario-world.ts"
import { selectScenarios } from "../../testing/scenarios/selection.ts"

describe.concurrent("scenarios on sockets", () => {
  for (const scenario of selectScenarios(process.env.SHOAL_SCENARIO)) {
    it.live(scenario.name, () => Effect.scoped(Effect.flatMap(makeNetWorld, scenario.run)))
  }
})
