// Decides the order in which a Kraken peer takes pieces to ask for. "rarest-first" is what its agents are shipped with;
// "random" is the scheduler's other policy.
//
// Rarest first, in detail: Kraken fills a binary heap in order of index and lets it decide among pieces that are equally
// rare. So ties fall the same way on every host, and hosts that see the same ask for the same pieces in the same order.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"

/** Takes offers, gives them back in the policy's order. One serves all peers of a wave, since none keeps anything in it. */
export interface PieceChoice {
  readonly size: number
  readonly clear: () => void
  /** `peers`: connected peers that are known to have it. */
  readonly offer: (piece: number, peers: number) => void
  readonly take: (random: RandomSource) => number
}

export const pieceChoices = ["rarest-first", "random"] as const

/** For torrents of at most `pieces` pieces. */
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

/** Go's container/heap on (piece, peers) by peers alone, step for step, so that ties fall as they do in Kraken. */
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
