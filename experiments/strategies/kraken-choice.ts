// Order in which a Kraken peer requests pieces. "rarest-first" is the policy with which its agents ship; "random" is
// the other policy of the scheduler, and its default.
//
// Rarest first in detail: Kraken fills a binary heap in the order of the indexes, and the heap decides among equally
// rare pieces. So ties fall the same way on every host, and hosts with the same view request the same pieces in the
// same order.
//
// Random in detail: Kraken samples a reservoir in the order of the indexes, but draws the place of the k-th piece from
// k - 1 places instead of k. So the first piece after a full reservoir always gets in, and with one free request the
// first of several candidates is never chosen.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"

/**
 * Takes offers in the order of the pieces and selects some by the policy. All peers of a flash crowd share one, since
 * it keeps no state.
 */
export interface PieceChoice {
  readonly clear: () => void
  /** `peers` is the number of connected peers that are known to have the piece. */
  readonly offer: (piece: number, peers: number) => void
  /** Calls `each` with at most `limit` of the offered pieces that are valid. It is called once after the offers. */
  readonly select: (
    limit: number,
    isValid: (piece: number) => boolean,
    random: RandomSource,
    each: (piece: number) => void
  ) => void
}

export const pieceChoices = ["rarest-first", "random"] as const

/** Makes a choice for torrents of at most `pieces` pieces. */
export const pieceChoice = (policy: (typeof pieceChoices)[number], pieces: number): PieceChoice =>
  policy === "random" ? new Reservoir(pieces) : new RarestFirst(pieces)

/** The steps of Kraken's reservoir sampling, with its off-by-one. */
class Reservoir implements PieceChoice {
  readonly #pieces: Int32Array
  #size = 0

  constructor(pieces: number) {
    this.#pieces = new Int32Array(pieces)
  }

  clear(): void {
    this.#size = 0
  }

  offer(piece: number): void {
    this.#pieces[this.#size++] = piece
  }

  select(
    limit: number,
    isValid: (piece: number) => boolean,
    random: RandomSource,
    each: (piece: number) => void
  ): void {
    const kept: Array<number> = []
    let valid = 0
    for (let at = 0; at < this.#size; at++) {
      const piece = this.#pieces[at]!
      if (!isValid(piece)) continue
      if (valid < limit) kept.push(piece)
      else {
        const place = random.nextInt(valid)
        if (place < limit) kept[place] = piece
      }
      valid++
    }
    for (const piece of kept) each(piece)
  }
}

/** The steps of Go's container/heap on (piece, peers), ordered by peers alone, so that ties fall as in Kraken. */
class RarestFirst implements PieceChoice {
  readonly #pieces: Int32Array
  readonly #peers: Int32Array
  #size = 0

  constructor(pieces: number) {
    this.#pieces = new Int32Array(pieces)
    this.#peers = new Int32Array(pieces)
  }

  clear(): void {
    this.#size = 0
  }

  offer(piece: number, peers: number): void {
    const [pieceAt, peersAt] = [this.#pieces, this.#peers]
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (peersAt[parent]! <= peers) break
      peersAt[at] = peersAt[parent]!
      pieceAt[at] = pieceAt[parent]!
      at = parent
    }
    peersAt[at] = peers
    pieceAt[at] = piece
  }

  select(
    limit: number,
    isValid: (piece: number) => boolean,
    _random: RandomSource,
    each: (piece: number) => void
  ): void {
    for (let left = limit; left > 0 && this.#size > 0; ) {
      const piece = this.#take()
      if (!isValid(piece)) continue
      left--
      each(piece)
    }
  }

  #take(): number {
    const [pieceAt, peersAt] = [this.#pieces, this.#peers]
    const least = pieceAt[0]!
    const last = --this.#size
    const [piece, peers] = [pieceAt[last]!, peersAt[last]!]
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      if (child + 1 < last && peersAt[child + 1]! < peersAt[child]!) child++
      if (peersAt[child]! >= peers) break
      peersAt[at] = peersAt[child]!
      pieceAt[at] = pieceAt[child]!
      at = child
    }
    peersAt[at] = peers
    pieceAt[at] = piece
    return least
  }
}
