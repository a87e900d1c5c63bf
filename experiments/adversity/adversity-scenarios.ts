// Scenarios of the experiment adversity: what goes wrong, alone and together, and when. Instants are shares of the
// least time of the flash crowd, so that trouble comes while all hosts still pull. Scenarios are plain data.

import type { Micros } from "../../src/protocol/kit/time.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"

export interface AdversityOptions {
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  readonly size: number
  readonly rate: number
  readonly latency: Micros
  readonly links: LinkModel
  /** Percent of the agents that leave per minute. */
  readonly churn: number
  /** Percent of the frames that are lost. */
  readonly loss: number
  /** Bytes per second of the slow tenth. */
  readonly "slow-rate": number
}

export interface Span {
  readonly from: Micros
  readonly until: Micros
}

/** What goes wrong. Instants are since all agents were asked. */
export interface Adversity {
  /** Time between two departures, each of which is followed by the arrival of another host. */
  readonly leaveEvery?: Micros
  /** Probability that a copy of a frame is lost. */
  readonly loss?: number
  /** The first origin is gone from this instant on. */
  readonly originGone?: Micros
  readonly trackersAway?: Span
  /** Agents 0, 1, ... below `agents` reach only each other. */
  readonly zoneCut?: Span & { readonly agents: number }
  readonly slow?: { readonly agents: number; readonly rate: number }
}

export interface Scenario {
  readonly name: string
  /** What happens, in a line for reports. */
  readonly meaning: string
  readonly adversity: Adversity
}

/** The flash crowd in which nothing goes wrong. */
const calmCrowd = (options: AdversityOptions, seed: number): FlashCrowd => ({
  seed,
  agents: options.agents,
  origins: options.origins,
  trackers: options.trackers,
  blobs: [{ name: "adversity", length: options.size, pieceLength: choosePieceLength(options.size) }],
  links: { model: options.links, rate: options.rate, burst: 0, latency: options.latency },
  patience: 0
})

/** Virtual time after which a run counts as stuck, as a multiple of the bound. */
const patience = 12

/** The flash crowd of a scenario: its slow agents are the last ones. */
export const crowdOf = (options: AdversityOptions, { slow }: Adversity, seed: number): FlashCrowd => {
  const calm = calmCrowd(options, seed)
  const spec = slow === undefined ? calm : { ...calm, links: { ...calm.links, slow } }
  return { ...spec, patience: Math.ceil(boundOf(spec).seconds * 1e6 * patience) }
}

const minute = 60_000_000

/** All scenarios, the calm one first and everything together last. */
export const scenariosOf = (options: AdversityOptions): ReadonlyArray<Scenario> => {
  const { agents, churn, loss } = options
  const best = boundOf(calmCrowd(options, 0)).seconds * 1e6
  const at = (share: number): Micros => Math.round(share * best)
  const text = (micros: Micros): string => `${(micros / 1e6).toFixed(1)} s`
  const leaveEvery = { leaveEvery: Math.max(1, Math.round((minute * 100) / (churn * agents))) }
  const originGone = { originGone: at(0.1) }
  const trackersAway = { trackersAway: { from: at(0.05), until: at(0.25) } }
  const zoneCut = { zoneCut: { from: at(0.2), until: at(0.35), agents: Math.ceil(agents / 3) } }
  const slow = { slow: { agents: Math.ceil(agents / 10), rate: options["slow-rate"] } }
  return [
    { name: "calm", meaning: "nothing goes wrong", adversity: {} },
    {
      name: "churn",
      meaning: `${churn} % of the hosts per minute are switched off for good, and as many new ones come`,
      adversity: leaveEvery
    },
    {
      name: "loss",
      meaning: `${loss} % of the frames have to be sent again after 200 ms`,
      adversity: { loss: loss / 100 }
    },
    {
      name: "origin gone",
      meaning: `one origin is switched off for good after ${text(originGone.originGone)}`,
      adversity: originGone
    },
    {
      name: "trackers away",
      meaning:
        `all trackers are away from ${text(trackersAway.trackersAway.from)} to ` +
        `${text(trackersAway.trackersAway.until)}, and come back without memory`,
      adversity: trackersAway
    },
    {
      name: "slow tenth",
      meaning: "a tenth of the hosts has slow links",
      adversity: slow
    },
    {
      name: "zone cut",
      meaning:
        `a third of the hosts reaches only itself from ${text(zoneCut.zoneCut.from)} to ` +
        text(zoneCut.zoneCut.until),
      adversity: zoneCut
    },
    {
      name: "together",
      meaning: "all of these at once",
      adversity: {
        ...leaveEvery,
        loss: loss / 100,
        ...originGone,
        ...trackersAway,
        ...slow,
        ...zoneCut
      }
    }
  ]
}
