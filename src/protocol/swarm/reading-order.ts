// Decides which pieces of a swarm go before the rarest: those that waiting clients read next, and at the end the rest
// nearly in order, since the check of the whole digest follows the front and is then done soon after the last piece.
// The order is by a window, in which the rarest goes first: hosts that all ask for the same next piece have nothing to
// give each other.
//
// Invariants: at most maxReaders readers have precedence; once the ordered tail has begun it stays; a reader that waits
// for one piece while readerPatience others come is urgent. It refuses to know
// who is asked (request-filler.ts) and how a piece is picked from the windows (piece-selection.ts).

import type { ReaderWindow, SelectionCandidates } from "./piece-selection.ts"

type TailChoice = Pick<SelectionCandidates, "choice" | "windowWords">

interface Reader {
  readonly number: number
  window: ReaderWindow
  /** Pieces missing when it began to wait for the first one of its window. */
  waitingSince: number
}

export class ReadingOrder {
  /** What goes first, of the readers in the order of their coming. */
  windows: readonly ReaderWindow[] = []
  /** How the rest is chosen, from the beginning of the tail on. */
  tail: TailChoice | undefined = undefined
  readonly #readers: Reader[] = []
  readonly #maxReaders: number
  /** The tail begins when this many pieces are missing. */
  readonly #tailPieces: number
  readonly #tailChoice: TailChoice
  /** Pieces that may come while a reader waits for another. */
  readonly #patience: number
  #missing: number
  /** A reader waited so long that what it waits for goes before what seeders suggest. */
  isUrgent = false

  /** @param rules Of limits.ts; orderedTail and tailWindow are parts of all pieces, 0 to 1. */
  constructor(
    pieces: number,
    rules: {
      readonly maxReaders: number
      readonly orderedTail: number
      readonly tailWindow: number
      readonly readerPatience: number
    }
  ) {
    const windowWords = Math.floor((pieces * rules.tailWindow) / 32)
    this.#missing = pieces
    this.#patience = rules.readerPatience
    this.#maxReaders = rules.maxReaders
    this.#tailPieces = pieces * rules.orderedTail
    this.#tailChoice = windowWords === 0 ? { choice: "in-order" } : { choice: "windowed", windowWords }
  }

  /** Says how many pieces are missing now. */
  missingChanged(pieces: number): void {
    this.#missing = pieces
    if (this.#readers.length > 0) this.#updateUrgency()
    if (pieces <= this.#tailPieces) this.tail = this.#tailChoice
  }

  /** A client reads on from here; says whether it has precedence. */
  readerMoved(number: number, window: ReaderWindow): boolean {
    const reader = this.#readers.find((other) => other.number === number)
    if (reader === undefined) {
      if (this.#readers.length >= this.#maxReaders) return false
      this.#readers.push({ number, window, waitingSince: this.#missing })
    } else {
      if (reader.window.firstPiece !== window.firstPiece) reader.waitingSince = this.#missing
      reader.window = window
    }
    this.#updateUrgency()
    this.#collectWindows()
    return true
  }

  readerLeft(number: number): void {
    const index = this.#readers.findIndex((reader) => reader.number === number)
    if (index < 0) return
    this.#readers.splice(index, 1)
    this.#updateUrgency()
    this.#collectWindows()
  }

  #updateUrgency(): void {
    this.isUrgent = this.#readers.some(({ waitingSince }) => waitingSince - this.#missing >= this.#patience)
  }

  #collectWindows(): void {
    this.windows = this.#readers.map(({ window }) => window)
  }
}
