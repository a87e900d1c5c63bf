// The places of hosts (in a rack, in a zone, or in neither), the shared links between two places, and their latency.
//
//   host - rack link - zone link - (core) - zone link - rack link - host
//
// A route contains only the links that it needs: two hosts of one rack share no link, two hosts of one zone no zone
// link. A host without a rack is attached to its zone; a host without a zone is attached to the core, where all hosts
// without a zone form one zone. A rack is identified by its zone and name together. The core is never a bottleneck.

import type { Micros } from "../../protocol/kit/time.ts"
import { FairLink } from "./fair-shares.ts"
import type { LinkRates } from "./links.ts"

export interface Place {
  readonly rack?: string | undefined
  readonly zone?: string | undefined
}

export interface FabricOptions {
  /** The link of every rack to its zone; unlimited when absent. "fair" models only. */
  readonly racks?: LinkRates | undefined
  /** The link of every zone to the core; unlimited when absent. "fair" models only. */
  readonly zones?: LinkRates | undefined
}

/** One-way latency by the places of two hosts. */
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

/** The shared links of a network. Each is made when the first flow needs it. */
export class Fabric {
  readonly #options: FabricOptions
  readonly #racks = new Map<string, BothWays>()
  readonly #zones = new Map<string, BothWays>()

  constructor(options: FabricOptions) {
    this.#options = options
  }

  /** The shared links from one place to another, in the order of the route. */
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
