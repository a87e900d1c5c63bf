// Decides where hosts stand to each other: in racks, in zones, or nowhere in particular; which shared links lie between
// two of them, and how far apart they are.
//
//   host - rack link - zone link - (core) - zone link - rack link - host
//
// Only links that the way needs are on it: hosts of one rack share none, hosts of one zone no zone link. A host
// without a rack hangs on its zone, one without a zone on the core, where hosts without a zone are one zone. A rack is
// known by its zone and name together. The core is never a bottleneck.

import type { Micros } from "../../protocol/kit/time.ts"
import { FairLink } from "./fair-shares.ts"
import type { LinkRates } from "./links.ts"

export interface Place {
  readonly rack?: string | undefined
  readonly zone?: string | undefined
}

export interface FabricOptions {
  /** What joins every rack to its zone; as fast as needed unless given. "fair" models only. */
  readonly racks?: LinkRates | undefined
  /** What joins every zone to the core; as fast as needed unless given. "fair" models only. */
  readonly zones?: LinkRates | undefined
}

/** One way, by where two hosts are. */
export interface LatencyByDistance {
  readonly sameRack: Micros
  readonly sameZone: Micros
  readonly acrossZones: Micros
}

export const latencyBetween = (distances: LatencyByDistance, from: Place, to: Place): Micros => {
  if (from.zone !== to.zone) return distances.acrossZones
  return isSameRack(from, to) ? distances.sameRack : distances.sameZone
}

const isSameRack = (from: Place, to: Place): boolean =>
  from.rack !== undefined && from.rack === to.rack && from.zone === to.zone

interface BothWays {
  readonly uplink: FairLink
  readonly downlink: FairLink
}

/** The shared links of a network, each made when the first flow needs it. */
export class Fabric {
  readonly #options: FabricOptions
  readonly #racks = new Map<string, BothWays>()
  readonly #zones = new Map<string, BothWays>()

  constructor(options: FabricOptions) {
    this.#options = options
  }

  /** The shared links from one place to another, in the order of the way. */
  between(from: Place, to: Place): ReadonlyArray<FairLink> {
    const links: FairLink[] = []
    if (isSameRack(from, to)) return links
    const acrossZones = from.zone !== to.zone
    const { racks, zones } = this.#options
    if (racks !== undefined && from.rack !== undefined) links.push(this.#rack(from, racks).uplink)
    if (acrossZones && zones !== undefined && from.zone !== undefined) {
      links.push(joint(this.#zones, from.zone, zones).uplink)
    }
    if (acrossZones && zones !== undefined && to.zone !== undefined) {
      links.push(joint(this.#zones, to.zone, zones).downlink)
    }
    if (racks !== undefined && to.rack !== undefined) links.push(this.#rack(to, racks).downlink)
    return links
  }

  #rack({ zone, rack }: Place, rates: LinkRates): BothWays {
    return joint(this.#racks, JSON.stringify([zone, rack]), rates)
  }
}

const joint = (known: Map<string, BothWays>, name: string, { uplink, downlink }: LinkRates): BothWays => {
  let links = known.get(name)
  if (links === undefined) {
    links = { uplink: new FairLink(uplink / 1e6), downlink: new FairLink(downlink / 1e6) }
    known.set(name, links)
  }
  return links
}
