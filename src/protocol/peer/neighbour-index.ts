// Index of joined neighbours by connection and by the peer's channel number: one small table, in which the neighbour of
// a message is found without reading its connection. When two neighbours have the same slot, the one that joined last
// has it; the other one is found through its session. The index exists for speed only: in a large simulation a host is
// out of the CPU's cache when its next message comes, and every object that leads to the neighbour is another wait for
// memory.
//
// Invariant: a neighbour that is found is joined.

import type { Neighbour } from "../swarm/neighbour.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"

/** A power of two, several times the usual number of neighbours of a host. */
const slots = 64

/** A plain array without an object around it, for the same reason. */
export type NeighbourIndex = Array<Neighbour | undefined>

export const makeNeighbourIndex = (): NeighbourIndex =>
  new Array<Neighbour | undefined>(slots).fill(undefined)

/** The neighbour with that channel; undefined when there is none, or another neighbour has its slot. */
export const findNeighbour = (
  index: NeighbourIndex,
  connection: ConnectionId,
  channel: number
): Neighbour | undefined => {
  const neighbour = index[slotOf(connection, channel)]
  return neighbour?.connection === connection && neighbour.theirChannel === channel ? neighbour : undefined
}

export const indexNeighbour = (index: NeighbourIndex, neighbour: Neighbour): void => {
  index[slotOf(neighbour.connection, neighbour.theirChannel)] = neighbour
}

export const unindexNeighbour = (index: NeighbourIndex, neighbour: Neighbour): void => {
  const slot = slotOf(neighbour.connection, neighbour.theirChannel)
  if (index[slot] === neighbour) index[slot] = undefined
}

const slotOf = (connection: ConnectionId, channel: number): number => (2 * connection + channel) & (slots - 1)
