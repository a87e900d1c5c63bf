// Decides how a swarm remembers the pieces that are being stored and who sent each. They are few, so they lie in an
// array and are searched one by one: a map would be more memory to wait for than all of them.

import type { NeighbourSession } from "./neighbour.ts"

export interface Storing {
  readonly piece: number
  readonly from: NeighbourSession
}

export const isStoring = (storing: readonly Storing[], piece: number): boolean => {
  for (const one of storing) if (one.piece === piece) return true
  return false
}

/** Takes the piece out; undefined when it is not being stored. */
export const takeStoring = (storing: Storing[], piece: number): Storing | undefined => {
  for (let index = 0; index < storing.length; index++) {
    if (storing[index]!.piece === piece) return storing.splice(index, 1)[0]
  }
  return undefined
}
