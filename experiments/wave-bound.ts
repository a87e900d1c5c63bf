// Decides the bound that a wave is held against, by name, and each agent's own floor. Every strategy is held against
// the same ones: the sources are the origins that own a blob of the image by the ring.

import { fluidBound, hostFloor, imageBound } from "./bounds.ts"
import { ownersOf } from "./simulated-cluster.ts"
import { rateOf, type WaveBlob, type WaveSpec } from "./wave.ts"

export interface NamedBound {
  /** As reports print it. */
  readonly name: string
  readonly seconds: number
}

const bytesOf = (blobs: ReadonlyArray<WaveBlob>): number =>
  blobs.reduce((bytes, { length }) => bytes + length, 0)

/** Origins that own a blob of the image. */
export const sourcesOf = (spec: Pick<WaveSpec, "blobs" | "origins">): number =>
  new Set(spec.blobs.flatMap((blob) => ownersOf(blob, spec.origins))).size

/** Bytes a second, each way, of all agents together. */
const agentsRate = ({ agents, links }: WaveSpec): number => {
  const slow = Math.min(agents, links.slow?.agents ?? 0)
  return (agents - slow) * links.rate + slow * (links.slow?.rate ?? 0)
}

/**
 * Before this the last agent cannot have the image. Equal links: the counting bound. Unequal ones: the larger of the
 * fluid bound, and the counting bound of links that are all as the fastest.
 */
export const boundOf = (spec: WaveSpec): NamedBound => {
  const { agents, blobs, links } = spec
  const { rate, slow, burst } = links
  const sources = sourcesOf(spec)
  const latency = links.latency / 1e6
  const counting = (every: number): NamedBound => ({
    name: "counting bound",
    seconds: imageBound({ blobs, receivers: agents, sources, rate: every, latency, burst })
  })
  if (slow === undefined || slow.agents === 0) return counting(rate)
  const fluid: NamedBound = {
    name: "fluid bound",
    seconds:
      latency +
      fluidBound({
        bytes: bytesOf(blobs),
        receivers: agents,
        sources,
        slowestDownlink: Math.min(rateOf(spec, 0), slow.rate),
        sourcesUplink: sources * rate,
        receiversUplink: agentsRate(spec),
        burst
      })
  }
  const fastest = counting(Math.max(rate, slow.rate))
  return fluid.seconds >= fastest.seconds ? fluid : fastest
}

/** Seconds before which this agent cannot have these blobs, whatever the others do. */
export const floorOf = (spec: WaveSpec, agent: number, blobs: ReadonlyArray<WaveBlob>): number => {
  const { links, agents, origins } = spec
  const rate = rateOf(spec, agent)
  return hostFloor({
    bytes: bytesOf(blobs),
    downlink: rate,
    othersUplink: agentsRate(spec) - rate + origins * links.rate,
    latency: links.latency / 1e6,
    burst: links.burst,
    othersBurst: (agents - 1 + origins) * links.burst
  })
}
