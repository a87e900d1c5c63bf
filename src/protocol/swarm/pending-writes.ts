// Pieces of a swarm that are being stored, each with the session that sent it. They are few, so they are in an array
// and a search reads all of them: a map would touch more memory than the whole array.

import type { Histogram } from "../kit/histogram.ts"
import { removeAt } from "../kit/remove-at.ts"
import type { Micros } from "../kit/time.ts"
import type { NeighbourSession } from "./neighbour.ts"

export interface PendingWrite {
  readonly piece: number
  readonly from: NeighbourSession
  readonly requestedAt: Micros
}

export const isBeingWritten = (pending: readonly PendingWrite[], piece: number): boolean => {
  for (const write of pending) if (write.piece === piece) return true
  return false
}

/** Removes the write of a piece; undefined when the piece is not being stored. */
export const takePendingWrite = (pending: PendingWrite[], piece: number): PendingWrite | undefined => {
  for (let index = 0; index < pending.length; index++) {
    if (pending[index]!.piece === piece) return removeAt(pending, index)
  }
  return undefined
}

/** Removes the write of a piece that is stored now, and notes its time; false when it was not being stored. */
export const writeEnded = (
  pending: PendingWrite[],
  piece: number,
  now: Micros,
  pieceTimes: Histogram
): boolean => {
  const write = takePendingWrite(pending, piece)
  if (write !== undefined) pieceTimes.observe(now - write.requestedAt)
  return write !== undefined
}
