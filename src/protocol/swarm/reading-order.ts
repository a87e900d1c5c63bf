// Pieces of a swarm that take precedence over the rarest ones: those that waiting clients read next, and, at the end of
// a download, the rest nearly in order. The digest of the whole blob is computed in order, so it is then complete soon
// after the last piece. The order is that of a window, within which the rarest piece goes first: hosts that all request
// the same next piece have nothing to give each other.
//
// Invariants: at most maxReaders readers have precedence; the ordered tail does not end once it has begun; a reader
// that waits for one piece while readerPatience others arrive is urgent. It does not know who is asked
// (request-filler.ts) or how a piece is picked from the windows (piece-selection.ts).

import type { ReaderWindow, SelectionCandidates } from "./piece-selection.ts"

type TailChoice = Pick<SelectionCandidates, "choice" | "windowWords">

interface Reader {
  readonly number: number
  window: ReaderWindow
  /** Number of missing pieces when it began to wait for the first piece of its window. */
  waitingSince: number
}

export class ReadingOrder {
  /** Windows of the readers with precedence, in the order of arrival of the readers. */
  windows: readonly ReaderWindow[] = []
  /** How other pieces are chosen once the tail has begun. */
  tail: TailChoice | undefined = undefined
  readonly #readers: Reader[] = []
  readonly #maxReaders: number
  /** The tail begins when this many pieces are missing. */
  readonly #tailPieces: number
  readonly #tailChoice: TailChoice
  /** Pieces that may arrive while a reader waits for another one. */
  readonly #patience: number
  #missing: number
  /** A reader has waited so long that its piece takes precedence over what seeders suggest. */
  isUrgent = false

  /** @param rules See limits.ts; orderedTail and tailWindow are parts of all pieces, 0 to 1. */
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

  /** Sets the number of missing pieces. */
  missingChanged(pieces: number): void {
    this.#missing = pieces
    if (this.#readers.length > 0) this.#updateUrgency()
    if (pieces <= this.#tailPieces) this.tail = this.#tailChoice
  }

  /** Sets the window of a reader. True when the reader has precedence. */
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
