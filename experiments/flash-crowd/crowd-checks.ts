// Checks of the outcome of a flash crowd, for every strategy: no last agent before the bound, no agent before its floor
// with the image or with one blob, and bytes that add up. An outcome that passes may be bad; one that fails is a defect
// of the simulator, of the verification or of the bound.

import type { Micros } from "../../src/protocol/kit/time.ts"
import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import { boundOf, floorOf } from "./crowd-bound.ts"
import type { CrowdBlob, CrowdOutcome, FlashCrowd } from "./flash-crowd.ts"

/** Seconds. Measured times are whole microseconds, the bound is not. */
const tolerance = 1e-6

/** Why the outcome is not credible, in a line, or undefined. */
export const doubtOf = (spec: FlashCrowd, outcome: CrowdOutcome): string | undefined => {
  const { agents, blobs, spread = 0 } = spec
  const { completions, blobCompletions } = outcome
  if (completions.length !== agents || blobCompletions.length !== blobs.length) {
    return `${completions.length} agents and ${blobCompletions.length} blobs completed, not ${agents} and ${blobs.length}`
  }
  const bound = boundOf(spec)
  const last = completions.reduce((latest, at) => Math.max(latest, at), 0) / 1e6
  // The bound is that of one start: an agent that begins later finds more uploaders, and has its floor alone.
  if (spread === 0 && last < bound.seconds - tolerance) {
    return `the last agent completed after ${last} s, before the ${bound.name} of ${bound.seconds} s`
  }
  const early =
    earlyAgent(spec, completions, blobs, "completed") ??
    blobs
      .map((blob, index) => earlyAgent(spec, blobCompletions[index] ?? [], [blob], `had ${blob.name}`))
      .find((found) => found !== undefined)
  if (early !== undefined) return early
  return lateBlob(outcome) ?? lostBytes(spec, outcome)
}

/** The first agent that completed before its floor, in words. */
const earlyAgent = (
  spec: FlashCrowd,
  completions: ReadonlyArray<Micros>,
  blobs: ReadonlyArray<CrowdBlob>,
  what: string
): string | undefined => {
  // Agents of equal rates have equal floors, and the slow agents are the last ones.
  const slowFrom = spec.agents - (spec.links.slow?.agents ?? 0)
  const floors = [floorOf(spec, 0, blobs), floorOf(spec, spec.agents - 1, blobs)] as const
  const early = completions
    .map((at, agent) => ({ agent, seconds: at / 1e6, floor: floors[agent < slowFrom ? 0 : 1] }))
    .find(({ seconds, floor }) => !(seconds >= floor - tolerance))
  return early === undefined
    ? undefined
    : `agent ${early.agent + 1} ${what} after ${early.seconds} s, before the floor of one host, ${early.floor} s`
}

const lateBlob = ({ completions, blobCompletions }: CrowdOutcome): string | undefined => {
  const lastBlobOf = (agent: number): number =>
    Math.max(...blobCompletions.map((blob) => blob[agent] ?? Number.NaN))
  const agent = completions.findIndex((at, index) => lastBlobOf(index) !== at)
  return agent === -1
    ? undefined
    : `agent ${agent + 1} had the image after ${completions[agent]} us, which is not when it had its last blob`
}

const lostBytes = ({ agents, blobs }: FlashCrowd, outcome: CrowdOutcome): string | undefined => {
  const pieces = blobs.reduce((sum, blob) => sum + pieceCount(blob), 0)
  const bytes = blobs.reduce((sum, { length }) => sum + length, 0)
  if (outcome.pieceTransfers !== agents * pieces) {
    return `${outcome.pieceTransfers} pieces were stored, not ${pieces} by each of ${agents} agents`
  }
  const received = outcome.bytesFromAgents + outcome.bytesFromOrigins
  if (received < agents * bytes) {
    return `agents received ${received} piece bytes, less than the ${agents * bytes} that they stored`
  }
  if (received > outcome.bytesSent) {
    return `agents received ${received} piece bytes, but only ${outcome.bytesSent} bytes were sent`
  }
  return undefined
}
