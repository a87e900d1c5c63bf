// Availability of pieces in a swarm: how many joined neighbours, seeds excluded, have each piece. Whole sets are added
// and taken away here; single pieces are counted where their Haves come in.

import type { Bitfield } from "../kit/bitfield.ts"

/** Adds `change` to the count of every piece of a set. */
export const addAvailability = (availability: Uint16Array, theirs: Bitfield, change: number): void => {
  if (theirs.count === 0) return
  for (let word = 0; word < theirs.words.length; word++) {
    if (theirs.words[word] === 0) continue
    const end = Math.min((word + 1) << 5, availability.length)
    for (let piece = word << 5; piece < end; piece++) {
      if (theirs.has(piece)) availability[piece]! += change
    }
  }
}
