// Runs a flash crowd with the shipped roles: a cluster as specified, the image on its owners, and all agents asked at
// the same instant. A run whose outcome is not credible fails.

import { Data, Effect } from "effect"
import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "./crowd-bound.ts"
import { doubtOf } from "./crowd-checks.ts"
import { type ShoalOutcome, watchFlashCrowd } from "./crowd-watch.ts"
import { type FlashCrowd, lineRate, rateOf } from "./flash-crowd.ts"
import { type ClusterOptions, makeCluster } from "./simulated-cluster.ts"

/** The flash crowd did not end, a host failed, or the outcome is not credible; `message` says which. */
export class CrowdFailed extends Data.TaggedError("CrowdFailed")<{ readonly message: string }> {}

/** Parts of the cluster that are not as shipped. */
export type CrowdOverrides = Pick<ClusterOptions, "rules" | "place" | "world">

/** Number of samples in the time of the bound: enough for a smooth chart, and for copies sent to half a percent. */
const samplesInBound = 200

/** Runs a flash crowd of the shipped roles. Equal specs and overrides give equal outcomes. */
export const runFlashCrowd = (
  spec: FlashCrowd,
  overrides: CrowdOverrides,
  progress: Progress
): Effect.Effect<ShoalOutcome, CrowdFailed> =>
  Effect.gen(function* () {
    const cluster = makeCluster({ ...spec, ...overrides })
    const outcome = yield* watchFlashCrowd({
      cluster,
      torrents: spec.blobs.map(cluster.preload),
      agents: spec.agents,
      rateOf: (agent) => lineRate(spec.links, rateOf(spec, agent)),
      originRate: lineRate(spec.links, spec.links.rate),
      sampleEvery: Math.ceil((boundOf(spec).seconds * 1e6) / samplesInBound),
      patience: spec.patience,
      progress
    })
    const doubt = doubtOf(spec, outcome)
    return doubt === undefined ? outcome : yield* new CrowdFailed({ message: doubt })
  }).pipe(
    Effect.mapError((error) =>
      error instanceof CrowdFailed ? error : new CrowdFailed({ message: error.message })
    ),
    Effect.catchDefect((defect) => Effect.fail(new CrowdFailed({ message: String(defect) })))
  )

/** Objects that die young have this much before Node looks for them, and more as others live. */
const young = { least: 100e6, most: 200e6 }

/**
 * Estimated bytes of memory of a flash crowd of the shipped roles, beside those of its process or thread: for each
 * agent the machine and the connections of each swarm, and the state of each piece. Fitted on the peaks of flash crowds
 * of 125 to 15,000 agents; it is within a third of them, because Node collects later where there is more memory.
 */
export const crowdMemory = ({ agents, blobs }: Pick<FlashCrowd, "agents" | "blobs">): number => {
  const pieces = blobs.reduce((sum, blob) => sum + pieceCount(blob), 0)
  const living = agents * (95e3 * blobs.length + 180 * pieces)
  return living + Math.min(young.most, young.least + living)
}
