// Image and hosts as rivals see them: pieces are numbered through all blobs of the image, and hosts by role. Both are
// plain tables, made once per flash crowd and shared by all machines.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { CrowdBlob, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { ownersOf } from "../flash-crowd/simulated-cluster.ts"

export interface Image {
  readonly blobs: number
  /** Number of pieces of all blobs together. */
  readonly pieces: number
  /** The first piece of each blob, and one more entry: the pieces of blob b are first[b] to first[b + 1] - 1. */
  readonly first: Int32Array
  /** Bytes, by piece. */
  readonly sizes: Int32Array
  /** The blob, by piece. */
  readonly blobOf: Uint16Array
}

/** Messages have no room for higher numbers. */
const mostPieces = 2 ** 25

export const imageOf = (blobs: ReadonlyArray<CrowdBlob>): Image => {
  const first = new Int32Array(blobs.length + 1)
  for (const [blob, { length, pieceLength }] of blobs.entries()) {
    first[blob + 1] = first[blob]! + Math.ceil(length / pieceLength)
  }
  const pieces = first[blobs.length]!
  invariant(pieces < mostPieces, `rivals number at most ${mostPieces} pieces, not ${pieces}`)
  const sizes = new Int32Array(pieces)
  const blobOf = new Uint16Array(pieces)
  for (const [blob, { length, pieceLength }] of blobs.entries()) {
    const [from, to] = [first[blob]!, first[blob + 1]!]
    sizes.fill(pieceLength, from, to)
    blobOf.fill(blob, from, to)
    if (to > from) sizes[to - 1] = length - (to - from - 1) * pieceLength
  }
  return { blobs: blobs.length, pieces, first, sizes, blobOf }
}

/** Hosts by number: agents from 0 on, then origins, then the other hosts of a strategy (trackers, supernodes). */
export interface Cast {
  readonly agents: number
  readonly origins: number
  readonly helpers: number
  /** By blob: the origins that hold it, the first owner first, as in a cluster of the shipped roles. */
  readonly owners: ReadonlyArray<ReadonlyArray<number>>
}

export const castOf = (spec: FlashCrowd, helpers: number): Cast => ({
  agents: spec.agents,
  origins: spec.origins,
  helpers,
  owners: spec.blobs.map((blob) => ownersOf(blob, spec.origins).map((origin) => spec.agents + origin))
})

export const firstHelper = (cast: Cast): number => cast.agents + cast.origins

export const isOrigin = (cast: Cast, host: number): boolean =>
  host >= cast.agents && host < cast.agents + cast.origins
