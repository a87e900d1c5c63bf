// One run of several images: the shipped roles with a catalogue on their origins, every agent asked for its own blobs
// at the same instant. A run is not credible, and fails, when its last host beats the fluid bound, a host its own
// floor, or bytes do not add up. What is kept is plain data.

import { Effect } from "effect"
import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import type { CellOutcome } from "../engine/experiment.ts"
import type { Progress } from "../engine/progress.ts"
import { CrowdFailed } from "../flash-crowd/crowd-run.ts"
import { type ShoalOutcome, watchFlashCrowd } from "../flash-crowd/crowd-watch.ts"
import type { CrowdLinkUse } from "../flash-crowd/link-use.ts"
import { makeCluster, ownersOf } from "../flash-crowd/simulated-cluster.ts"
import { ascending } from "../report/quantiles.ts"
import { type Catalogue, drawCatalogue, wantersOf } from "./catalogue.ts"
import { type FluidCrowd, fluidMakespan, originsFloor, ownFloor } from "./fluid-bound.ts"

export interface SeveralImages {
  readonly seed: number
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  readonly catalogue: number
  readonly wanted: number
  readonly shortest: number
  readonly longest: number
  /** Bytes per second, each way, of every host. */
  readonly rate: number
  /** Microseconds, one way, between any two hosts. */
  readonly latency: number
  readonly links: LinkModel
}

/** What is kept of a run. Times are seconds. */
export interface ImagesOutcome extends CellOutcome {
  /** The bound, the largest floor of a host, and that of the origins. */
  readonly bound: number
  readonly hostsFloor: number
  readonly originsFloor: number
  /** Until each host had what it wants, in ascending order. */
  readonly completions: ReadonlyArray<number>
  /** The same over the floor of that host, in ascending order. */
  readonly overFloors: ReadonlyArray<number>
  /** Of each blob: the hosts that want it, its bytes, and when the last of them had it. */
  readonly blobs: ReadonlyArray<{ readonly wanters: number; readonly bytes: number; readonly last: number }>
  /** When every piece was stored by at least one host, and the bytes that origins had sent by then, over the least. */
  readonly allOutside: number
  readonly copiesUntilOutside: number
  /** Bytes that origins sent in all, over the least. */
  readonly copies: number
  /** Share of the piece bytes that hosts received from each other. */
  readonly shareFromAgents: number
  readonly rejectsPerPiece: number
  readonly duplicatesPerPiece: number
  readonly linkUse: CrowdLinkUse
  readonly originLinkUse: CrowdLinkUse
}

const seconds = (micros: number): number => micros / 1e6

const fluidOf = (spec: SeveralImages, { blobs, wants }: Catalogue): FluidCrowd => ({
  lengths: blobs.map(({ length }) => length),
  owners: blobs.map((blob) => ownersOf(blob, spec.origins)),
  origins: spec.origins,
  wants,
  rate: spec.rate,
  latency: seconds(spec.latency)
})

/** The most virtual time of a run, as a multiple of its bound; then it counts as stuck. */
const patience = 20

/** Number of samples in the time of the bound. */
const samplesInBound = 200

/** Seconds. Measured times are whole microseconds, the bound is not. */
const tolerance = 1e-6

/** What of an outcome its checks look at. */
type Checked = Pick<
  ShoalOutcome,
  "completions" | "blobCompletions" | "pieceTransfers" | "bytesFromAgents" | "bytesFromOrigins" | "bytesSent"
>

/** Why the outcome is not credible, in a line, or undefined. */
export const doubtOf = (fluid: FluidCrowd, { blobs }: Catalogue, outcome: Checked): string | undefined => {
  const { completions, blobCompletions, pieceTransfers, bytesFromAgents, bytesFromOrigins } = outcome
  const bound = fluidMakespan(fluid)
  const makespan = seconds(Math.max(...completions))
  if (!(makespan >= bound - tolerance)) {
    return `the last host was done after ${makespan} s, before the fluid bound of ${bound} s`
  }
  for (const [host, wanted] of fluid.wants.entries()) {
    const floor = ownFloor(fluid, host)
    const at = completions[host] ?? 0
    if (!(seconds(at) >= floor - tolerance)) {
      return `host ${host + 1} was done after ${seconds(at)} s, before its floor of ${floor} s`
    }
    if (Math.max(...wanted.map((blob) => blobCompletions[blob]?.[host] ?? Number.NaN)) !== at) {
      return `host ${host + 1} was done after ${seconds(at)} s, which is not when it had its last blob`
    }
  }
  const wanted = fluid.wants.flat()
  const pieces = wanted.reduce((sum, blob) => sum + pieceCount(blobs[blob]!), 0)
  const bytes = wanted.reduce((sum, blob) => sum + fluid.lengths[blob]!, 0)
  if (pieceTransfers !== pieces) return `${pieceTransfers} pieces were stored, not ${pieces}`
  const received = bytesFromAgents + bytesFromOrigins
  return received >= bytes && received <= outcome.bytesSent
    ? undefined
    : `${received} piece bytes were received and ${outcome.bytesSent} sent, for ${bytes} that were stored`
}

const outcomeOf = (fluid: FluidCrowd, catalogue: Catalogue, outcome: ShoalOutcome): ImagesOutcome => {
  const once = fluid.lengths.reduce((sum, length) => sum + length, 0)
  const floors = catalogue.wants.map((_, host) => ownFloor(fluid, host))
  const wanters = wantersOf(catalogue)
  return {
    traceHash: outcome.traceHash,
    events: outcome.events,
    bound: fluidMakespan(fluid),
    hostsFloor: Math.max(...floors),
    originsFloor: originsFloor(fluid),
    completions: ascending(outcome.completions.map(seconds)),
    overFloors: ascending(outcome.completions.map((at, host) => seconds(at) / floors[host]!)),
    blobs: fluid.lengths.map((bytes, blob) => ({
      wanters: wanters[blob]!,
      bytes,
      last: seconds(Math.max(...outcome.blobCompletions[blob]!.filter((at) => at !== undefined)))
    })),
    allOutside: seconds(outcome.allOutside.at),
    copiesUntilOutside: outcome.allOutside.sentByOrigins / once,
    copies: outcome.origins.bytesSent / once,
    shareFromAgents: outcome.bytesFromAgents / (outcome.bytesFromAgents + outcome.bytesFromOrigins),
    rejectsPerPiece: outcome.agents.rejectsReceived / outcome.pieceTransfers,
    duplicatesPerPiece: outcome.agents.piecesDuplicate / outcome.pieceTransfers,
    linkUse: outcome.linkUse,
    originLinkUse: outcome.originLinkUse
  }
}

/** Runs several images. Equal specs give equal outcomes. */
export const runSeveralImages = (
  spec: SeveralImages,
  progress: Progress
): Effect.Effect<ImagesOutcome, CrowdFailed> =>
  Effect.gen(function* () {
    const catalogue = drawCatalogue(spec)
    const fluid = fluidOf(spec, catalogue)
    const bound = fluidMakespan(fluid)
    const { links: model, rate, latency } = spec
    const cluster = makeCluster({ ...spec, links: { model, rate, burst: 0, latency } })
    const outcome = yield* watchFlashCrowd({
      cluster,
      torrents: catalogue.blobs.map(cluster.preload),
      agents: spec.agents,
      wants: (agent) => catalogue.wants[agent]!,
      rateOf: () => rate,
      originRate: rate,
      sampleEvery: Math.ceil((bound * 1e6) / samplesInBound),
      patience: Math.ceil(bound * 1e6 * patience),
      progress
    })
    const doubt = doubtOf(fluid, catalogue, outcome)
    if (doubt !== undefined) return yield* new CrowdFailed({ message: doubt })
    return outcomeOf(fluid, catalogue, outcome)
  }).pipe(
    Effect.mapError((error) =>
      error instanceof CrowdFailed ? error : new CrowdFailed({ message: error.message })
    ),
    Effect.catchDefect((defect) => Effect.fail(new CrowdFailed({ message: String(defect) })))
  )
