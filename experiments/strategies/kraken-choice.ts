// Order in which a Kraken peer requests pieces. "rarest-first" is the policy with which its agents ship; "random" is
// the other policy of the scheduler.
//
// Rarest first in detail: Kraken fills a binary heap in the order of the indexes, and the heap decides among equally
// rare pieces. So ties fall the same way on every host, and hosts with the same view request the same pieces in the
// same order.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"

/**
 * Takes offers and returns them in the order of the policy. All peers of a flash crowd share one, since it keeps no
 * state.
 */
export interface PieceChoice {
  readonly size: number
  readonly clear: () => void
  /** `peers` is the number of connected peers that are known to have the piece. */
  readonly offer: (piece: number, peers: number) => void
  readonly take: (random: RandomSource) => number
}

export const pieceChoices = ["rarest-first", "random"] as const

/** Makes a choice for torrents of at most `pieces` pieces. */
export const pieceChoice = (policy: (typeof pieceChoices)[number], pieces: number): PieceChoice =>
  policy === "random" ? new AnyOrder(pieces) : new RarestFirst(pieces)

class AnyOrder implements PieceChoice {
  readonly #pieces: Int32Array
  size = 0

  constructor(pieces: number) {
    this.#pieces = new Int32Array(pieces)
  }

  clear(): void {
    this.size = 0
  }

  offer(piece: number): void {
    this.#pieces[this.size++] = piece
  }

  take(random: RandomSource): number {
    const at = random.nextInt(this.size)
    const piece = this.#pieces[at]!
    this.#pieces[at] = this.#pieces[--this.size]!
    return piece
  }
}

/** The steps of Go's container/heap on (piece, peers), ordered by peers alone, so that ties fall as in Kraken. */
class RarestFirst implements PieceChoice {
  readonly #pieces: Int32Array
  readonly #peers: Int32Array
  size = 0

  constructor(pieces: number) {
    this.#pieces = new Int32Array(pieces)
    this.#peers = new Int32Array(pieces)
  }

  clear(): void {
    this.size = 0
  }

  offer(piece: number, peers: number): void {
    const [pieceAt, peersAt] = [this.#pieces, this.#peers]
    let at = this.size++
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

  take(): number {
    const [pieceAt, peersAt] = [this.#pieces, this.#peers]
    const least = pieceAt[0]!
    const last = --this.size
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
