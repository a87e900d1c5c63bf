// Decides which pieces of a swarm go before the rarest: those that waiting clients read next, and at the end the rest
// in order, since the check of the whole digest follows the front and is then done soon after the last piece.
//
// Invariants: at most maxReaders readers have precedence; once the ordered tail has begun it stays; a reader that waits
// for one piece while readerPatience others come is urgent. It refuses to know
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
  /** Pieces that may come while a reader waits for another. */
  readonly #patience: number
  /** Pieces missing when each reader began to wait for its first one. */
  readonly #waitingSince = new Map<number, number>()
  #missing: number
  #isTail = false
  /** A reader waited so long that what it waits for goes before what seeders suggest. */
  isUrgent = false

  /** @param rules Of limits.ts; orderedTail is a part of all pieces, 0 to 1. */
  constructor(
    pieces: number,
    rules: { readonly maxReaders: number; readonly orderedTail: number; readonly readerPatience: number }
  ) {
    this.#missing = pieces
    this.#patience = rules.readerPatience
    this.#everything = { firstPiece: 0, endPiece: pieces }
    this.#maxReaders = rules.maxReaders
    this.#tailPieces = pieces * rules.orderedTail
  }

  /** Says how many pieces are missing now. */
  missing(pieces: number): void {
    this.#missing = pieces
    if (this.#waitingSince.size > 0) this.#seeUrgent()
    if (this.#isTail || pieces > this.#tailPieces) return
    this.#isTail = true
    this.#gather()
  }

  /** A client reads on from here; says whether it has precedence. */
  moved(reader: number, window: ReaderWindow): boolean {
    const before = this.#readers.get(reader)
    if (before === undefined && this.#readers.size >= this.#maxReaders) return false
    if (before?.firstPiece !== window.firstPiece) this.#waitingSince.set(reader, this.#missing)
    this.#seeUrgent()
    this.#readers.set(reader, window)
    this.#gather()
    return true
  }

  left(reader: number): void {
    if (!this.#readers.delete(reader)) return
    this.#waitingSince.delete(reader)
    this.#seeUrgent()
    this.#gather()
  }

  #seeUrgent(): void {
    this.isUrgent = false
    for (const since of this.#waitingSince.values()) {
      if (since - this.#missing >= this.#patience) this.isUrgent = true
    }
  }

  #gather(): void {
    this.windows = this.#isTail ? [...this.#readers.values(), this.#everything] : [...this.#readers.values()]
  }
}
