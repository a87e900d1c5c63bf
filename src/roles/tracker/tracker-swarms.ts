// The swarms that a tracker remembers: the peer table of each (protocol/tracking/hand-out.ts). When there are too
// many, the one announced longest ago is forgotten first; a sweep forgets empty ones.
//
// Invariant: at most maxSwarmsTracked swarms; the Map's order is that of the last announce.

import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import { HandOut, type HandOutRules } from "../../protocol/tracking/hand-out.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PeerAddress } from "../../protocol/wire/peer-id.ts"
import type { SwarmAnnounce } from "../client/tracker-wire.ts"
import type { TrackerLimits } from "./limits.ts"

export interface TrackerSwarms {
  /** Records a peer's announce in a swarm and chooses the peers that it should meet. */
  readonly announce: (
    peer: PeerAddress,
    announced: SwarmAnnounce,
    seeds: ReadonlyArray<PeerAddress>,
    now: Micros
  ) => ReadonlyArray<PeerAddress>
  readonly sweep: (now: Micros) => void
  readonly swarms: () => number
  readonly peers: () => number
}

/** @param rules Limits that an experiment varies. */
export const makeTrackerSwarms = (
  random: RandomSource,
  { maxSwarmsTracked }: TrackerLimits,
  rules: Partial<HandOutRules> = {}
): TrackerSwarms => {
  const { targetNeighbours } = { ...limits, ...rules }
  const table = new BoundedMap<SwarmId, HandOut>(maxSwarmsTracked)

  /** The swarm's table, moved to the young end. */
  const touch = (swarm: SwarmId): HandOut => {
    const handOut = table.get(swarm) ?? new HandOut(rules)
    table.set(swarm, handOut)
    return handOut
  }

  return {
    announce: (peer, announced, seeds, now) => {
      const { swarm, event, neighbours, have } = announced
      const stopped = event === "stopped"
      if (stopped && !table.has(swarm)) return []
      const handOut = touch(swarm)
      handOut.announce({ peer, complete: event === "complete", have, neighbours, stopped }, now)
      if (event !== "downloading") return []
      const wanted = Math.max(0, targetNeighbours - neighbours)
      return handOut.choose(peer.peerId, wanted, seeds, random, now)
    },
    sweep: (now) => {
      for (const [swarm, handOut] of table) {
        handOut.expire(now)
        if (handOut.size === 0) table.delete(swarm)
      }
    },
    swarms: () => table.size,
    peers: () => {
      let count = 0
      for (const handOut of table.values()) count += handOut.size
      return count
    }
  }
}
