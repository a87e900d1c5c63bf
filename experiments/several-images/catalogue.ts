// The blobs of several images, and which of them each host wants: lengths spread evenly over their logarithm, and wants
// drawn by Zipf's law, so that a few blobs are wanted by almost every host and many by two or three. Pure: equal seeds
// give equal catalogues. It does not know how blobs travel.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import { randomStream } from "../../src/runtime-sim/kernel/seeded-random.ts"
import type { CrowdBlob } from "../flash-crowd/flash-crowd.ts"

/**
 * The blob of rank r is drawn with a probability in proportion to 1 / r^1.2: with 60 hosts that want 20 of 80 blobs
 * each, about four blobs are wanted by nine hosts of ten or more, and about eight by two or three.
 */
const zipfExponent = 1.2

export interface CatalogueOptions {
  readonly seed: number
  readonly agents: number
  /** Number of blobs to draw from. */
  readonly catalogue: number
  /** Number of blobs that each host wants. */
  readonly wanted: number
  /** Bytes of the shortest possible blob, and of the longest. */
  readonly shortest: number
  readonly longest: number
}

export interface Catalogue {
  /** The blobs that somebody wants, the most popular rank first. */
  readonly blobs: ReadonlyArray<CrowdBlob>
  /** By agent: the numbers of its blobs, in ascending order. */
  readonly wants: ReadonlyArray<ReadonlyArray<number>>
}

/** Draws a catalogue. Its blobs have the length of pieces that a push chooses. */
export const drawCatalogue = (options: CatalogueOptions): Catalogue => {
  const { seed, agents, catalogue, wanted, shortest, longest } = options
  invariant(wanted <= catalogue && shortest <= longest, "catalogue: it has what a host wants")
  const random = randomStream(String(seed), "catalogue")
  const draw = (): number => random.service.nextDoubleUnsafe()
  const lengths = Array.from({ length: catalogue }, () =>
    Math.round(shortest * (longest / shortest) ** draw())
  )
  // The largest of keys u^(1/w) are a weighted sample without replacement (Efraimidis and Spirakis).
  const drawn = Array.from({ length: agents }, () =>
    lengths
      .map((_, rank) => ({ rank, key: draw() ** ((rank + 1) ** zipfExponent) }))
      .sort((left, right) => right.key - left.key || left.rank - right.rank)
      .slice(0, wanted)
      .map(({ rank }) => rank)
  )
  const somebodys = new Set(drawn.flat())
  const ranks = lengths.map((_, rank) => rank).filter((rank) => somebodys.has(rank))
  const numbers = new Map(ranks.map((rank, number) => [rank, number]))
  return {
    blobs: ranks.map((rank) => {
      const length = lengths[rank]!
      return { name: `layer ${rank + 1}`, length, pieceLength: choosePieceLength(length) }
    }),
    wants: drawn.map((own) => own.map((rank) => numbers.get(rank)!).sort((left, right) => left - right))
  }
}

/** By blob: the number of hosts that want it. */
export const wantersOf = ({ blobs, wants }: Catalogue): ReadonlyArray<number> => {
  const counts = new Array<number>(blobs.length).fill(0)
  for (const own of wants) for (const blob of own) counts[blob]!++
  return counts
}
