// Pieces that an earlier process of this host wrote, which count only once they have been read and hashed again. They
// are checked when they are wanted, a few at once, while others are requested from neighbours: those that a reader
// waits for first, then in order, so that the digest of the whole can follow.
//
//   recorded --wanted--> being checked --PieceFound--> have
//                                      \--PieceLost--> missing
//
// Invariants: a recorded piece is not requested from anyone; each is checked at most once, and at most maxPieceChecks
// at a time. It does not know disks, or what is announced.

import type { Bitfield } from "../kit/bitfield.ts"
import type { SwarmId } from "../wire/message.ts"
import type { Demand } from "./demand.ts"
import type { HostContext } from "./host-context.ts"
import type { ReaderWindow } from "./piece-selection.ts"
import type { RequestWindow } from "./request-window.ts"

interface RecordedSwarm {
  readonly id: SwarmId
  readonly window: RequestWindow
  readonly demand: Demand
  readonly wantsPieces: boolean
}

export class RecordedPieces {
  /** Recorded pieces that are not being checked yet. */
  readonly #waiting: Bitfield
  readonly #checking: number[] = []
  readonly #context: HostContext
  readonly #swarm: RecordedSwarm

  constructor(context: HostContext, swarm: RecordedSwarm, recorded: Bitfield) {
    this.#context = context
    this.#swarm = swarm
    this.#waiting = recorded.copy()
    for (let piece = 0; piece < recorded.length; piece++) if (recorded.has(piece)) swarm.window.mark(piece)
  }

  /** Has further pieces checked, as far as they are wanted. */
  checkMore(): void {
    if (!this.#swarm.wantsPieces) return
    while (this.#waiting.count > 0 && this.#checking.length < this.#context.rules.maxPieceChecks) {
      const piece = this.#next()
      if (piece < 0) return
      this.#waiting.clear(piece)
      this.#checking.push(piece)
      this.#context.outputs.push({ tag: "CheckPiece", swarm: this.#swarm.id, piece })
    }
  }

  /** The check of a piece has ended; it is found here no more. False when it was not being checked. */
  checked(piece: number): boolean {
    const index = this.#checking.indexOf(piece)
    if (index < 0) return false
    this.#checking.splice(index, 1)
    this.#swarm.window.unmark(piece)
    return true
  }

  #next(): number {
    const { demand } = this.#swarm
    for (const window of demand.reading.windows) {
      const piece = this.#firstIn(window)
      if (piece >= 0) return piece
    }
    return this.#firstIn({ firstPiece: 0, endPiece: this.#waiting.length })
  }

  #firstIn({ firstPiece, endPiece }: ReaderWindow): number {
    const { demand } = this.#swarm
    for (let piece = firstPiece; piece < endPiece; piece++) {
      if (this.#waiting.words[piece >>> 5] === 0) piece |= 31
      else if (this.#waiting.has(piece) && demand.has(piece)) return piece
    }
    return -1
  }
}
