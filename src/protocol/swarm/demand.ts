// Pieces that a swarm wants: every missing piece while the whole blob is wanted, else only those in the windows of its
// readers, so that nothing is requested for a reader that has hung up.
//
//   fetching <-- whether a wanted piece is missing --> resting;  either -- complete, failed or closed --> ended
//
// Invariants: `wanted` is a subset of `missing`, and is `missing` itself while the whole blob is wanted; a swarm counts
// as a fetching one of the host exactly while it fetches, so that a resting swarm leaves its share of requests to
// others. There is one window for each reader of the driver. It does not know who is asked, or which piece goes first
// (reading-order.ts).

import { makeWords, type Words } from "../kit/bitfield.ts"
import type { Micros } from "../kit/time.ts"
import type { HostContext } from "./host-context.ts"
import type { ReaderWindow } from "./piece-selection.ts"
import { ReadingOrder } from "./reading-order.ts"

export class Demand {
  /** Words of the pieces that may be requested. */
  wanted: Words
  isWhole: boolean
  isFetching = false
  readonly reading: ReadingOrder
  readonly #context: HostContext
  readonly #missing: Words
  /** Created with the first reader. */
  #windows: Map<number, ReaderWindow> | undefined
  readonly #onMore: (now: Micros) => void
  #ended = false

  /** @param more Requests what has become wanted. */
  constructor(
    context: HostContext,
    pieces: { readonly count: number; readonly missing: Words; readonly isComplete: boolean },
    isWhole: boolean,
    more: (now: Micros) => void
  ) {
    this.#context = context
    this.#missing = pieces.missing
    this.#onMore = more
    this.isWhole = isWhole
    this.wanted = isWhole ? pieces.missing : makeWords(pieces.count)
    this.reading = new ReadingOrder(pieces.count, context.rules)
    this.#ended = pieces.isComplete
    this.#updateFetching()
  }

  has(piece: number): boolean {
    return (this.wanted[piece >>> 5]! & (1 << (piece & 31))) !== 0
  }

  /** Sets whether the whole blob is wanted. */
  setWhole(isWhole: boolean, now: Micros): void {
    if (isWhole === this.isWhole) return
    this.isWhole = isWhole
    this.wanted = isWhole ? this.#missing : makeWords(32 * this.#missing.length)
    this.#recompute()
    this.#onMore(now)
  }

  /** Sets the window of a reader. */
  readerMoved(reader: number, window: ReaderWindow, now: Micros): void {
    const hasPrecedence = this.reading.readerMoved(reader, window)
    this.#windows ??= new Map()
    this.#windows.set(reader, window)
    this.#recompute()
    if (hasPrecedence || !this.isWhole) this.#onMore(now)
  }

  readerLeft(reader: number): void {
    this.reading.readerLeft(reader)
    if (this.#windows?.delete(reader)) this.#recompute()
  }

  /** Called once a piece is stored; `missing` is how many remain. */
  pieceStored(piece: number, missing: number): void {
    this.reading.missingChanged(missing)
    if (this.isWhole) return
    this.wanted[piece >>> 5]! &= ~(1 << (piece & 31))
    this.#updateFetching()
  }

  /** Nothing is wanted any more. */
  end(): void {
    this.#ended = true
    this.#updateFetching()
  }

  #recompute(): void {
    if (!this.isWhole) {
      const { wanted } = this
      const missing = this.#missing
      wanted.fill(0)
      for (const { firstPiece, endPiece } of this.#windows?.values() ?? []) {
        for (let piece = firstPiece; piece < endPiece; piece++) {
          wanted[piece >>> 5]! |= missing[piece >>> 5]! & (1 << (piece & 31))
        }
      }
    }
    this.#updateFetching()
  }

  #updateFetching(): void {
    const isFetching = !this.#ended && (this.isWhole || this.wanted.some((word) => word !== 0))
    if (isFetching === this.isFetching) return
    this.isFetching = isFetching
    this.#context.fetching += isFetching ? 1 : -1
  }
}
