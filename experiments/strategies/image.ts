// Decides how rivals see what a wave is about: the pieces of all blobs of the image numbered through, and the hosts
// numbered by role. Both are plain tables, made once a wave and shared by every machine.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { CrowdBlob, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { ownersOf } from "../flash-crowd/simulated-cluster.ts"

export interface Image {
  readonly blobs: number
  /** Of all blobs together. */
  readonly pieces: number
  /** The first piece of each blob, and one entry more: the pieces of blob b are first[b] to first[b + 1] - 1. */
  readonly first: Int32Array
  /** Bytes, by piece. */
  readonly sizes: Int32Array
  /** The blob, by piece. */
  readonly blobOf: Uint16Array
}

/** Messages have room for no higher number. */
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

/** Hosts by number: agents from 0, then origins, then whatever else a strategy needs (trackers, supernodes). */
export interface Cast {
  readonly agents: number
  readonly origins: number
  readonly helpers: number
  /** By blob: the hosts among the origins that hold it, first owner first, as in a cluster of the shipped roles. */
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
