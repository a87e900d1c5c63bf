// The places of hosts (in a rack, in a zone, or in neither), the shared links between two places, and their latency.
//
//   host - rack link - zone link - (core) - zone link - rack link - host
//
// A route contains only the links that it needs: two hosts of one rack share no link, two hosts of one zone no zone
// link. A host without a rack is attached to its zone; a host without a zone is attached to the core, where all hosts
// without a zone form one zone. A rack is identified by its zone and name together. The core is never a bottleneck.

import type { Micros } from "../../protocol/kit/time.ts"
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

/** The numbers of the links between a rack or zone and what is above it. */
interface BothWays {
  readonly uplink: number
  readonly downlink: number
}

const noLink = -1
const unlimited: BothWays = { uplink: noLink, downlink: noLink }

/** Where a host is attached to the fabric. Hosts of one rack or zone share the object of it. */
export interface Attachment {
  readonly rack: BothWays | undefined
  readonly zone: BothWays
}

/** The shared links of a network. Those of a rack or zone are made when its first host is attached. */
export class Fabric {
  readonly #options: FabricOptions
  readonly #addLink: (bytesPerSecond: number) => number
  readonly #racks = new Map<string, BothWays>()
  readonly #zones = new Map<string, BothWays>()
  readonly #outside: BothWays = { ...unlimited }

  constructor(options: FabricOptions, addLink: (bytesPerSecond: number) => number) {
    this.#options = options
    this.#addLink = addLink
  }

  attach({ rack, zone }: Place): Attachment {
    const { racks, zones } = this.#options
    return {
      rack: rack === undefined ? undefined : this.#joint(this.#racks, JSON.stringify([zone, rack]), racks),
      zone: zone === undefined ? this.#outside : this.#joint(this.#zones, zone, zones)
    }
  }

  #joint(known: Map<string, BothWays>, name: string, rates: LinkRates | undefined): BothWays {
    let links = known.get(name)
    if (links === undefined) {
      links =
        rates === undefined
          ? { ...unlimited }
          : { uplink: this.#addLink(rates.uplink), downlink: this.#addLink(rates.downlink) }
      known.set(name, links)
    }
    return links
  }
}

/** Adds the shared links from one host to another to `route`, in their order. */
export const addShared = (route: number[], from: Attachment, to: Attachment): void => {
  if (from.rack !== undefined && from.rack === to.rack) return
  const acrossZones = from.zone !== to.zone
  add(route, from.rack?.uplink)
  if (acrossZones) {
    add(route, from.zone.uplink)
    add(route, to.zone.downlink)
  }
  add(route, to.rack?.downlink)
}

const add = (route: number[], link: number | undefined): void => {
  if (link !== undefined && link !== noLink) route.push(link)
}
