// The scenario suite on loopback sockets and real folders. SHOAL_SCENARIO selects by a part of the name.

import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { selectScenarios } from "../roles/scenarios/selection.ts"
import { makeNetWorld } from "./scenario-world.ts"

describe("scenarios on sockets", () => {
  for (const scenario of selectScenarios(process.env.SHOAL_SCENARIO)) {
    it.live(scenario.name, () => Effect.scoped(Effect.flatMap(makeNetWorld, scenario.run)), 60_000)
  }
})
