// Piece selection: the piece to request from ONE neighbour next. Candidates are the pieces that are missing here, are
// not requested yet, and the neighbour has. The first rule that finds a piece wins:
//
//   1. in order for a waiting client: the lowest candidate in a reader's window; of several readers the one whose piece
//      is nearest to the beginning of its window (ties: the reader that is listed first);
//   2. suggested: the first suggestion of the neighbour that is a candidate, so that a seeder uploads every piece once
//      before any piece twice;
//   3. rarest first: a candidate of the lowest availability, with equal probability for each of the tied ones. The tail
//      of a blob, and experiments, have other choices: any candidate with equal probability; the lowest; or the rarest
//      of the lowest missing pieces.
//
// Invariants: the result is a candidate or -1; nothing is changed or allocated; a call draws at most one random number.
// It does not know requests, timeouts and endgame: a caller in endgame passes words of `requested` without the pieces
// that may be requested twice.

import type { Bitfield, Words } from "../kit/bitfield.ts"
import { invariant } from "../kit/invariant.ts"
import type { RandomSource } from "../kit/random-source.ts"

/** The pieces that a waiting client reads next: firstPiece <= piece < endPiece. */
export interface ReaderWindow {
  readonly firstPiece: number
  readonly endPiece: number
}

/** Choices of the last rule. "rarest" is the default before the tail. */
export const pieceChoices = ["rarest", "random", "windowed", "in-order"] as const
export type PieceChoice = (typeof pieceChoices)[number]

/** Words of the window of "windowed" when the caller names none. */
const usualWindow = 2

export interface SelectionCandidates {
  /** Words (bit i is word i >>> 5, bit i & 31, spare bits zero) of the pieces that are not stored here. */
  readonly missing: Words
  /** Words of the pieces that are requested already; they are no candidates. */
  readonly requested: Words
  readonly theirs: Bitfield
  /** Number of neighbours that have each piece. */
  readonly availability: Uint16Array
  readonly readers: readonly ReaderWindow[]
  /** Pieces that the neighbour prefers to be asked for, in its order; numbers outside of the blob are ignored. */
  readonly suggested: readonly number[]
  /** "rarest" when absent. */
  readonly choice?: PieceChoice | undefined
  /** Words of the window of "windowed", from the first with a missing piece on; more when they have no candidate. */
  readonly windowWords?: number | undefined
}

/** The piece to request from this neighbour next; -1 when it has nothing that is wanted. */
export const selectPiece = (candidates: SelectionCandidates, random: RandomSource): number => {
  invariant(
    candidates.missing.length === candidates.theirs.words.length &&
      candidates.requested.length === candidates.theirs.words.length,
    "piece selection: the sets are of different blobs"
  )
  if (candidates.readers.length > 0) {
    const piece = nearestToReader(candidates)
    if (piece >= 0) return piece
  }
  if (candidates.suggested.length > 0) {
    const piece = firstSuggested(candidates)
    if (piece >= 0) return piece
  }
  return candidates.choice === "in-order"
    ? lowestIn(candidates, 0, candidates.theirs.length)
    : rarest(candidates, random)
}

const nearestToReader = (candidates: SelectionCandidates): number => {
  let best = -1
  let bestDistance = Number.POSITIVE_INFINITY
  for (const reader of candidates.readers) {
    const end = Math.min(reader.endPiece, reader.firstPiece + bestDistance, candidates.theirs.length)
    const piece = lowestIn(candidates, reader.firstPiece, end)
    if (piece < 0) continue
    best = piece
    bestDistance = piece - reader.firstPiece
  }
  return best
}

/** The lowest candidate in [first, end), or -1. */
const lowestIn = (candidates: SelectionCandidates, first: number, end: number): number => {
  if (first >= end) return -1
  const { missing, requested } = candidates
  const theirs = candidates.theirs.words
  const lastWord = (end - 1) >>> 5
  let word = first >>> 5
  let bits = missing[word]! & ~requested[word]! & theirs[word]! & (-1 << (first & 31))
  while (bits === 0 && word < lastWord) {
    word++
    bits = missing[word]! & ~requested[word]! & theirs[word]!
  }
  if (bits === 0) return -1
  const piece = (word << 5) + lowestBit(bits)
  return piece < end ? piece : -1
}

const firstSuggested = (candidates: SelectionCandidates): number => {
  const { missing, requested } = candidates
  const theirs = candidates.theirs.words
  for (const piece of candidates.suggested) {
    if (piece < 0 || piece >= candidates.theirs.length) continue
    const word = piece >>> 5
    if ((missing[word]! & ~requested[word]! & theirs[word]! & (1 << (piece & 31))) !== 0) return piece
  }
  return -1
}

/** A single scan: of tied pieces the one with the highest rank wins; the ranks depend on a number drawn per call. */
const rarest = (candidates: SelectionCandidates, random: RandomSource): number => {
  const { missing, requested, availability, choice, windowWords = usualWindow } = candidates
  const theirs = candidates.theirs.words
  const isRandom = choice === "random"
  const words = choice === "windowed" ? windowWords : missing.length
  let wordsLeft = words
  const seed = random.nextInt(0x7fffffff)
  let lowest = 0x10000
  let best = -1
  let bestRank = 0
  for (let word = 0; word < missing.length && (wordsLeft > 0 || best < 0); word++) {
    let bits = missing[word]! & ~requested[word]! & theirs[word]!
    if (missing[word] !== 0 || wordsLeft < words) wordsLeft--
    while (bits !== 0) {
      const piece = (word << 5) + lowestBit(bits)
      bits &= bits - 1
      const copies = isRandom ? 0 : availability[piece]!
      if (copies > lowest) continue
      const rank = rankOf(piece, seed)
      if (copies === lowest && rank <= bestRank) continue
      lowest = copies
      best = piece
      bestRank = rank
    }
  }
  return best
}

/** A pseudo-random number for a piece and a seed: a bijection of the piece, so ranks never tie. */
const rankOf = (piece: number, seed: number): number => {
  const mixed = Math.imul(piece ^ seed, 0x9e3779b1)
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b)
}

/** Index of the lowest bit that is set; `bits` is not zero. */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits)
