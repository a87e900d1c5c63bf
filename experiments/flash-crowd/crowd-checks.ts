// Decides when a wave's outcome is not to be believed, whichever strategy gave it: the last agent before the bound, an
// agent before its own floor, with the image or with one blob, or bytes that do not add up. What is believed may be
// bad; what is not believed is a defect of the simulator, of the verification, or of the bound.

import type { Micros } from "../../src/protocol/kit/time.ts"
import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import { boundOf, floorOf } from "./crowd-bound.ts"
import type { CrowdBlob, CrowdOutcome, FlashCrowd } from "./flash-crowd.ts"

/** Seconds. Measured times are whole microseconds, the bound is not. */
const tolerance = 1e-6

/** Why the outcome cannot be believed, in a line, or undefined. */
export const doubtOf = (spec: FlashCrowd, outcome: CrowdOutcome): string | undefined => {
  const { agents, blobs } = spec
  const { completions, blobCompletions } = outcome
  if (completions.length !== agents || blobCompletions.length !== blobs.length) {
    return `${completions.length} agents and ${blobCompletions.length} blobs completed, not ${agents} and ${blobs.length}`
  }
  const bound = boundOf(spec)
  const last = completions.reduce((latest, at) => Math.max(latest, at), 0) / 1e6
  if (last < bound.seconds - tolerance) {
    return `the last agent completed after ${last} s, before the ${bound.name} of ${bound.seconds} s`
  }
  const early =
    earlyAgent(spec, completions, blobs, "completed") ??
    blobs
      .map((blob, index) => earlyAgent(spec, blobCompletions[index]!, [blob], `had ${blob.name}`))
      .find((found) => found !== undefined)
  if (early !== undefined) return early
  return lateBlob(outcome) ?? lostBytes(spec, outcome)
}

/** The first agent that was before its own floor, in words. */
const earlyAgent = (
  spec: FlashCrowd,
  completions: ReadonlyArray<Micros>,
  blobs: ReadonlyArray<CrowdBlob>,
  what: string
): string | undefined => {
  // Agents of one rate have one floor, and the slow ones are the last.
  const slowFrom = spec.agents - (spec.links.slow?.agents ?? 0)
  const floors = [floorOf(spec, 0, blobs), floorOf(spec, spec.agents - 1, blobs)] as const
  const floor = (agent: number): number => floors[agent < slowFrom ? 0 : 1]
  const agent = completions.findIndex((at, index) => !(at / 1e6 >= floor(index) - tolerance))
  return agent === -1
    ? undefined
    : `agent ${agent + 1} ${what} after ${completions[agent]! / 1e6} s, before the floor of one host, ${floor(agent)} s`
}

const lateBlob = ({ completions, blobCompletions }: CrowdOutcome): string | undefined => {
  const agent = completions.findIndex(
    (at, index) =>
      blobCompletions.every((blob) => blob[index]! < at) || blobCompletions.some((blob) => blob[index]! > at)
  )
  return agent === -1
    ? undefined
    : `agent ${agent + 1} had the image after ${completions[agent]} us, which is not when it had the last of its blobs`
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
