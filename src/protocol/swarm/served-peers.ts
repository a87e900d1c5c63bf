// When an uploader last served peers that have left. One that closes its channel or its connection and comes back is a
// new neighbour, and would go before all others if it counted as never served.
//
// Invariant: it remembers at most maxServedRemembered peers, each for one swarm; the one that left first is forgotten
// first. Peer ids are what the peers say: one that comes under another id is another peer.

import { BoundedMap } from "../kit/bounded-map.ts"
import { type Neighbour, peerOf } from "./neighbour.ts"

export class ServedPeers {
  /** Turns of the uploader. Made at the first peer that leaves, because most hosts of a simulation stop before. */
  #turns: BoundedMap<string, number> | undefined
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** The neighbour leaves its swarm. */
  left(neighbour: Neighbour): void {
    if (neighbour.servedAt === 0) return
    this.#turns ??= new BoundedMap(this.#most)
    this.#turns.set(keyOf(neighbour), neighbour.servedAt)
  }

  /** The neighbour requests its first piece: it goes where it was when it left. */
  requests(neighbour: Neighbour): void {
    if (this.#turns === undefined || neighbour.servedAt > 0) return
    neighbour.servedAt = this.#turns.get(keyOf(neighbour)) ?? 0
  }
}

const keyOf = ({ session, swarm }: Neighbour): string => peerOf(session) + swarm.id
