// The scenarios of collection in virtual time: hours of one cluster, and races of pushes, mounts and deletions
// against the collectors under many seeds. SHOAL_RACE_SEEDS sets their number.

import { Effect } from "effect"
import { expect, it } from "vitest"
import { makeSimWorld } from "../../testing/runtime-sim/scenario-world.ts"
import { collectionRace, collectionStory } from "../../testing/scenarios/collection.ts"
import { seconds } from "../protocol/kit/time.ts"

it("every origin removes deleted blobs after the grace period, and no others", () => {
  const { world, simulation } = makeSimWorld({ seed: "collection" })
  simulation.run(Effect.scoped(collectionStory(world)), { virtualTime: seconds(4 * 3600) })
}, 120_000)

const seeds = Number(process.env.SHOAL_RACE_SEEDS ?? 10)

it("every acknowledged push is readable, whatever races with the collectors", () => {
  let removed = 0
  for (let seed = 0; seed < seeds; seed++) {
    const { world, simulation } = makeSimWorld({ seed: `race ${seed}` })
    simulation.run(
      Effect.scoped(
        Effect.map(collectionRace(world, 3, 8), (blobs) => {
          removed += blobs
        })
      )
    )
  }
  // The collectors did meet the pushes.
  expect(removed).toBeGreaterThan(seeds)
}, 600_000)
