// Decides how the neighbour that a message is for is found: by connection and the peer's channel number, in one small
// table, without going through the connection. Of two neighbours that share a place the one that joined last has it;
// the other is found through its session. It exists for speed alone: a host of a large simulation has been pushed out
// of the cache when its next message comes, and every object on the way to a neighbour is another wait for memory.
//
// Invariant: what is found is joined.

import type { Neighbour } from "../swarm/neighbour.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"

/** A power of two, several times the usual neighbours of a host. */
const places = 64

/** One array and nothing around it, for the same reason. */
export type NeighbourIndex = Array<Neighbour | undefined>

export const makeNeighbourIndex = (): NeighbourIndex =>
  new Array<Neighbour | undefined>(places).fill(undefined)

/** The neighbour to whom a message on that channel belongs; undefined when there is none, or another has its place. */
export const findNeighbour = (
  index: NeighbourIndex,
  connection: ConnectionId,
  channel: number
): Neighbour | undefined => {
  const neighbour = index[placeOf(connection, channel)]
  return neighbour?.connection === connection && neighbour.theirChannel === channel ? neighbour : undefined
}

export const indexNeighbour = (index: NeighbourIndex, neighbour: Neighbour): void => {
  index[placeOf(neighbour.connection, neighbour.theirChannel)] = neighbour
}

export const unindexNeighbour = (index: NeighbourIndex, neighbour: Neighbour): void => {
  const place = placeOf(neighbour.connection, neighbour.theirChannel)
  if (index[place] === neighbour) index[place] = undefined
}

const placeOf = (connection: ConnectionId, channel: number): number =>
  (2 * connection + channel) & (places - 1)
