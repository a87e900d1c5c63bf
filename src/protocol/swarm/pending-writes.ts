// Decides how a swarm remembers the pieces that are being stored and who sent each. They are few, so they lie in an
// array and are searched one by one: a map would be more memory to wait for than all of them.

import type { NeighbourSession } from "./neighbour.ts"

export interface PendingWrite {
  readonly piece: number
  readonly from: NeighbourSession
}

export const isBeingWritten = (pending: readonly PendingWrite[], piece: number): boolean => {
  for (const write of pending) if (write.piece === piece) return true
  return false
}

/** Takes the piece out; undefined when it is not being stored. */
export const takePendingWrite = (pending: PendingWrite[], piece: number): PendingWrite | undefined => {
  for (let index = 0; index < pending.length; index++) {
    if (pending[index]!.piece === piece) return pending.splice(index, 1)[0]
  }
  return undefined
}
