// Decides which pieces a swarm asks for at all: every missing one while somebody wants the blob whole, else only those
// in the windows of its readers, so that a reader who hangs up leaves nothing that is still asked for.
//
//   fetching <-- a wanted piece is missing, or none is --> resting;  either -- complete, failed or closed --> ended
//
// Invariants: `wanted` is a subset of `missing`, and while the whole is wanted it is `missing` itself; a swarm counts
// among the host's fetching ones exactly while fetching, so that one that rests leaves its share of requests to others.
// There are as many windows as the driver has readers. It refuses to know who is asked, and what goes first
// (reading-order.ts).

import { makeWords, type Words } from "../kit/bitfield.ts"
import type { Micros } from "../kit/time.ts"
import type { HostContext } from "./host-context.ts"
import type { ReaderWindow } from "./piece-selection.ts"
import { ReadingOrder } from "./reading-order.ts"

export class Demand {
  /** Words of the pieces that may be asked for. */
  wanted: Words
  isWhole: boolean
  isFetching = false
  readonly reading: ReadingOrder
  readonly #context: HostContext
  readonly #missing: Words
  /** Made with the first reader. */
  #windows: Map<number, ReaderWindow> | undefined
  readonly #onMore: (now: Micros) => void
  #ended = false

  /** @param more Asks for what is wanted now and was not before. */
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

  /** Somebody wants all of it, or nobody does any more. */
  setWhole(isWhole: boolean, now: Micros): void {
    if (isWhole === this.isWhole) return
    this.isWhole = isWhole
    this.wanted = isWhole ? this.#missing : makeWords(32 * this.#missing.length)
    this.#recompute()
    this.#onMore(now)
  }

  /** A client reads on from here. */
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

  /** The piece is not missing any more; so many are. */
  pieceStored(piece: number, missing: number): void {
    this.reading.missingChanged(missing)
    if (this.isWhole) return
    this.wanted[piece >>> 5]! &= ~(1 << (piece & 31))
    this.#updateFetching()
  }

  /** Nothing is asked for any more. */
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
