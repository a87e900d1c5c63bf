// What channels see of a swarm, and how an Open says which pieces a host has. Invariant: what openingHave writes,
// parseHave reads back as the same set.

import { Bitfield } from "../kit/bitfield.ts"
import type { HaveBatch } from "../swarm/have-batch.ts"
import type { NeighbourSwarm } from "../swarm/neighbour.ts"
import type { Have } from "../wire/message.ts"

/** A swarm, as far as its channels are concerned. */
export interface ChannelSwarm extends NeighbourSwarm {
  readonly have: Bitfield
  readonly haves: Pick<HaveBatch, "end">
  /** Being closed on this host: nothing is begun any more. */
  closing: boolean
  /** Connections being made for this swarm. */
  dialling: number
  readonly wantsPieces: boolean
  readonly isStarving: boolean
  /** Neighbours joined, being opened or being dialled. */
  readonly degree: number
  readonly close: () => void
}

export const openingHave = (have: Bitfield): Have =>
  have.isFull ? "all" : have.count === 0 ? "none" : have.toBytes()

/** The set of pieces that an Open names; undefined when it is a bitfield of another length. */
export const parseHave = (have: Have, pieces: number): Bitfield | undefined => {
  if (have === "all") return Bitfield.full(pieces)
  if (have === "none") return new Bitfield(pieces)
  return Bitfield.fromBytes(have, pieces)
}
