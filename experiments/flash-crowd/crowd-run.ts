// Decides how a wave is run with the roles that ship: a cluster as the spec says, the image on its owners, every agent
// asked at once, and an outcome that is refused when it is too good to be true.

import { Data, Effect } from "effect"
import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "./crowd-bound.ts"
import { doubtOf } from "./crowd-checks.ts"
import { type ShoalOutcome, watchFlashCrowd } from "./crowd-watch.ts"
import type { FlashCrowd } from "./flash-crowd.ts"
import { type ClusterOptions, makeCluster } from "./simulated-cluster.ts"

/** The wave never ended, a host failed, or the outcome is not to be believed; `message` says which. */
export class CrowdFailed extends Data.TaggedError("CrowdFailed")<{ readonly message: string }> {}

/** What is not as it ships. */
export type CrowdOverrides = Pick<ClusterOptions, "rules" | "place" | "world">

/** Samples in the time that the bound takes: enough for a smooth chart, and for copies sent to half a percent. */
const samplesInBound = 200

/** Runs a wave of the shipped roles. The same spec and overrides give the same outcome. */
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

/**
 * Bytes of memory that a wave of the shipped roles needs, estimated: a process, and for every agent its machine, its
 * connections and what it knows of each piece. Fitted on what the bench's waves and `scale`'s largest complete with;
 * where there is more, more is taken before it is collected.
 */
export const crowdMemory = ({ agents, blobs }: FlashCrowd): number => {
  const pieces = blobs.reduce((sum, blob) => sum + pieceCount(blob), 0)
  return 150e6 + agents * (90e3 + 350 * pieces)
}
