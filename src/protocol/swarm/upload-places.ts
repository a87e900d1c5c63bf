// Places of an uploader on paths that are long or slow: how many pieces wait in line beyond its queue, and which pieces
// on their way hold no place.
//
// Invariants: there are at most maxUploadLine places in line, and none on a path that is shorter than a piece. It does
// not know the queue.

import type { Micros } from "../kit/time.ts"

/** Limits of pieces to slow neighbours (limits.ts). */
interface SlowRules {
  readonly slowNeighbourFactor: number
  readonly maxUploadsInFlight: number
}

/** A neighbour, as the times of sends see it. */
interface ServedNeighbour {
  /** Smoothed time of a byte to it, from when the transport gets its piece; 0 before the first. */
  sendTimePerByte: number
}

/**
 * Places in line for an asker with this round trip, when a piece takes `pieceTime` of the uplink: a piece waits there
 * for as long as its Reject and a new request would take at most.
 */
export const placesInLine = (roundTrip: Micros | undefined, pieceTime: number, most: number): number =>
  Math.min(Math.floor((roundTrip ?? 0) / Math.max(1, pieceTime)), most)

/** A piece left for the neighbour, a byte in this time from when the transport got it. */
export const recordSend = (neighbour: ServedNeighbour, perByte: number): void => {
  const own = neighbour.sendTimePerByte
  neighbour.sendTimePerByte += (perByte - own) / (own === 0 ? 1 : 4)
}

/**
 * Number of pieces on their way to neighbours that take more than slowNeighbourFactor times as long as usual, at most
 * maxUploadsInFlight. Such a piece takes little of the uplink, and for long.
 */
export const countSlow = (
  jobs: ReadonlyArray<{ readonly neighbour: ServedNeighbour; readonly state: string }>,
  usualPerByte: number,
  { slowNeighbourFactor, maxUploadsInFlight }: SlowRules
): number => {
  let slow = 0
  for (const { neighbour, state } of jobs) {
    if (state === "sending" && neighbour.sendTimePerByte > slowNeighbourFactor * usualPerByte) slow++
  }
  return Math.min(slow, maxUploadsInFlight)
}
