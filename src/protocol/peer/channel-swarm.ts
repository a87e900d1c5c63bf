// A swarm as its channels see it, and the pieces of a host as an Open states them. Invariant: parseHave reads the set
// that openingHave wrote.

import { Bitfield } from "../kit/bitfield.ts"
import type { HaveBatch } from "../swarm/have-batch.ts"
import type { NeighbourSwarm } from "../swarm/neighbour.ts"
import type { Have } from "../wire/message.ts"

/** A swarm, as its channels see it. */
export interface ChannelSwarm extends NeighbourSwarm {
  readonly have: Bitfield
  readonly haves: Pick<HaveBatch, "end">
  /** The swarm is being closed on this host: nothing is started any more. */
  closing: boolean
  /** Number of connections that are being made for this swarm. */
  dialling: number
  readonly wantsPieces: boolean
  readonly isStarving: boolean
  /** Number of neighbours that are joined, being opened or being dialled. */
  readonly degree: number
  readonly close: () => void
}

export const openingHave = (have: Bitfield): Have =>
  have.isFull ? "all" : have.count === 0 ? "none" : have.toBytes()

/** The pieces that an Open states; undefined when its bitfield has another length. */
export const parseHave = (have: Have, pieces: number): Bitfield | undefined => {
  if (have === "all") return Bitfield.full(pieces)
  if (have === "none") return new Bitfield(pieces)
  return Bitfield.fromBytes(have, pieces)
}
