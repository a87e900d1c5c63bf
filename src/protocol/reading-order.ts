// Decides which pieces of a swarm go before the rarest: those that waiting clients read next, and at the end the rest
// in order, since the check of the whole digest follows the front and is then done soon after the last piece.
//
// Invariants: at most maxReaders readers have precedence; once the ordered tail has begun it stays. It refuses to know
// who is asked (request-filler.ts) and how a piece is picked from the windows (piece-selection.ts).

import type { ReaderWindow } from "./piece-selection.ts"

export class ReadingOrder {
  /** What goes first, of the readers in the order of their coming. */
  windows: readonly ReaderWindow[] = []
  readonly #readers = new Map<number, ReaderWindow>()
  readonly #everything: ReaderWindow
  readonly #maxReaders: number
  /** The tail begins when this many pieces are missing. */
  readonly #tailPieces: number
  #isTail = false

  /** @param orderedTail The part of the pieces that is fetched in order at the end, 0 to 1. */
  constructor(pieces: number, rules: { readonly maxReaders: number; readonly orderedTail: number }) {
    this.#everything = { firstPiece: 0, endPiece: pieces }
    this.#maxReaders = rules.maxReaders
    this.#tailPieces = pieces * rules.orderedTail
  }

  /** Says how many pieces are missing now. */
  missing(pieces: number): void {
    if (this.#isTail || pieces > this.#tailPieces) return
    this.#isTail = true
    this.#gather()
  }

  /** A client reads on from here; says whether it has precedence. */
  moved(reader: number, window: ReaderWindow): boolean {
    if (!this.#readers.has(reader) && this.#readers.size >= this.#maxReaders) return false
    this.#readers.set(reader, window)
    this.#gather()
    return true
  }

  left(reader: number): void {
    if (this.#readers.delete(reader)) this.#gather()
  }

  #gather(): void {
    this.windows = this.#isTail ? [...this.#readers.values(), this.#everything] : [...this.#readers.values()]
  }
}
