// The bound of a flash crowd, with its name, and the floor of each agent. All strategies have the same ones: the
// sources are the origins that own a blob of the image by the ring.

import { limits } from "../../src/protocol/limits.ts"
import { fluidBound, hostFloor, imageBound } from "./bounds.ts"
import { type CrowdBlob, type FlashCrowd, lineRate, rateOf } from "./flash-crowd.ts"
import { ownersOf } from "./simulated-cluster.ts"

export interface NamedBound {
  /** As reports print it. */
  readonly name: string
  readonly seconds: number
}

const bytesOf = (blobs: ReadonlyArray<CrowdBlob>): number =>
  blobs.reduce((bytes, { length }) => bytes + length, 0)

/** Origins that own a blob of the image. */
export const sourcesOf = (spec: Pick<FlashCrowd, "blobs" | "origins">): number =>
  new Set(spec.blobs.flatMap((blob) => ownersOf(blob, spec.origins))).size

/** Number of sources with links of `rate` that can send at least as much as the origins that own a blob. */
const equalSources = (spec: FlashCrowd, rate: number): number =>
  sourcesOf(spec) * Math.max(1, Math.ceil((spec.links.originRate ?? rate) / rate))

/** Bytes per second, each way, of all agents together. */
const agentsRate = ({ agents, links }: FlashCrowd): number => {
  const slow = Math.min(agents, links.slow?.agents ?? 0)
  return (agents - slow) * links.rate + slow * (links.slow?.rate ?? 0)
}

/** Bytes that an agent may have ahead of its bucket: the longest piece on each of its possible connections. */
const aheadOf = ({ agents, origins, blobs, links }: FlashCrowd): number =>
  links.burst === 0
    ? 0
    : Math.min(agents - 1 + origins, limits.maxConnections) *
      Math.max(...blobs.map(({ length, pieceLength }) => Math.min(length, pieceLength)))

/**
 * The least time until the last agent has the image. For equal links it is the counting bound; for unequal ones the
 * larger of the fluid bound and the counting bound of links that are all as fast as the fastest.
 */
export const boundOf = (spec: FlashCrowd): NamedBound => {
  const { agents, blobs, links } = spec
  const { rate, slow, burst } = links
  const latency = links.latency / 1e6
  const ahead = aheadOf(spec)
  const counting = (every: number): NamedBound => {
    const equal = (linkRate: number) => ({
      blobs,
      receivers: agents,
      sources: equalSources(spec, linkRate),
      latency,
      rate: linkRate
    })
    // The links below the buckets have no burst.
    return {
      name: "counting bound",
      seconds: Math.max(
        imageBound({ ...equal(every), burst, ahead }),
        imageBound(equal(lineRate(links, every)))
      )
    }
  }
  if (slow === undefined || slow.agents === 0) return counting(rate)
  const sources = equalSources(spec, rate)
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
        burst,
        ahead
      })
  }
  const fastest = counting(Math.max(rate, slow.rate))
  return fluid.seconds >= fastest.seconds ? fluid : fastest
}

/** The least seconds in which this agent can have these blobs, whatever the other hosts do. */
export const floorOf = (spec: FlashCrowd, agent: number, blobs: ReadonlyArray<CrowdBlob>): number => {
  const { links, agents, origins } = spec
  const rate = rateOf(spec, agent)
  const bytes = bytesOf(blobs)
  const latency = links.latency / 1e6
  const buckets = hostFloor({
    bytes,
    downlink: rate,
    othersUplink: agentsRate(spec) - rate + origins * Math.max(links.rate, links.originRate ?? 0),
    latency,
    burst: links.burst,
    othersBurst: (agents - 1 + origins) * links.burst,
    ahead: aheadOf(spec)
  })
  return Math.max(buckets, bytes / lineRate(links, rate) + latency)
}
