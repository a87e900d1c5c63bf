// Decides which pieces an origin would rather be asked for. With one source the makespan is the number of copies it has
// to send before the swarm can live without it, so in the first round every piece goes out once before any goes out
// again: each neighbour is suggested pieces that nobody outside has and that were suggested least, and a request for a
// piece that is outside already is steered to a suggestion while there are some left. A neighbour is always told all
// that is suggested to it: one that followed what it was told long ago would be refused until its patience ends.
//
// Of several seeders each has an arc of the blob. It suggests nothing else while there is something of its arc to
// suggest, even if that is suggested to many: what the others gave a moment ago is not heard of yet. Then it helps the
// one before it, backwards from its own beginning, so that the two meet where neither has been.
//
// Invariants: the round is over when every piece was given or seen outside, and nothing is suggested or steered after
// it; a neighbour is steered at most maxSteers times in a row, so that who only wants one piece gets it; a neighbour
// alone is not steered at all, nobody could take its place; nor is one that declined, which reads on demand and could
// not follow. It refuses to know the uplink's queue.

import { Bitfield } from "../kit/bitfield.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"
import type { SeedArc } from "./peer-host-io.ts"

/** Refusals in a row before a neighbour gets what it insists on. */
const maxSteers = 64

interface Suggestions {
  /** Suggested, and not known to be outside when that was looked at last. */
  pieces: number[]
  steers: number
  declined: boolean
}

export class SuperSeeding {
  readonly #context: HostContext
  /** Pieces given to somebody or seen at a neighbour. */
  readonly #outside: Bitfield
  /** Copies that the uploader took on. */
  readonly #given: Uint16Array
  /** Neighbours that hold a suggestion of the piece. */
  readonly #pending: Uint16Array
  readonly #byNeighbour = new Map<Neighbour, Suggestions>()
  readonly #first: number
  /** Pieces of the own arc. */
  readonly #own: number
  /** Steps from the first piece that are all outside. */
  #passed = 0

  /** @param arc All pieces, from one that is drawn, when absent. */
  constructor(context: HostContext, pieces: number, arc?: SeedArc) {
    this.#context = context
    this.#outside = new Bitfield(pieces)
    this.#given = new Uint16Array(pieces)
    this.#pending = new Uint16Array(pieces)
    this.#first = arc?.firstPiece ?? (pieces === 0 ? 0 : context.random.nextInt(pieces))
    this.#own = arc === undefined ? pieces : arc.endPiece - arc.firstPiece
  }

  neighbourJoined(neighbour: Neighbour): void {
    this.#byNeighbour.set(neighbour, { pieces: [], steers: 0, declined: false })
    if (this.#outside.isFull) return
    const theirs = neighbour.theirs!
    if (theirs.count > 0) {
      for (let piece = 0; piece < theirs.length; piece++) if (theirs.has(piece)) this.#outside.set(piece)
    }
    if (this.#byNeighbour.size > 2) this.#suggest(neighbour)
    else for (const other of this.#byNeighbour.keys()) this.#suggest(other)
  }

  neighbourLeft(neighbour: Neighbour): void {
    this.declined(neighbour)
    this.#byNeighbour.delete(neighbour)
  }

  /** The neighbour chooses for itself: nothing is suggested to it any more. */
  declined(neighbour: Neighbour): void {
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions === undefined) return
    for (const piece of suggestions.pieces) this.#pending[piece]!--
    suggestions.pieces = []
    suggestions.declined = true
  }

  /** A neighbour said that it has these pieces. */
  haveReceived(neighbour: Neighbour, pieces: readonly number[]): void {
    if (this.#outside.isFull) return
    for (const piece of pieces) this.#outside.set(piece)
    this.#suggest(neighbour)
  }

  /**
   * Whether a request that could be taken on should be refused, so that the neighbour asks for something that nobody
   * has yet.
   */
  shouldSteer(neighbour: Neighbour, piece: number): boolean {
    if (this.#outside.isFull || !this.#outside.has(piece) || this.#byNeighbour.size < 2) return false
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions === undefined || suggestions.declined || suggestions.steers >= maxSteers) return false
    this.#suggest(neighbour)
    if (suggestions.pieces.length === 0) return false
    suggestions.steers++
    return true
  }

  /** The uploader took the request on. */
  uploadAccepted(neighbour: Neighbour, piece: number): void {
    if (this.#given[piece]! < 0xffff) this.#given[piece]!++
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions !== undefined) suggestions.steers = 0
    if (this.#outside.isFull) return
    this.#outside.set(piece)
    this.#suggest(neighbour)
  }

  /** What was taken on did not go out. `seen` is how many neighbours have the piece. */
  uploadAborted(piece: number, seen: number): void {
    this.#given[piece]!--
    if (this.#given[piece]! > 0 || seen > 0) return
    this.#outside.clear(piece)
    this.#passed = 0
  }

  /**
   * Brings a neighbour's suggestions up to the number that it may ask for at once, and tells it when they are others.
   */
  #suggest(neighbour: Neighbour): void {
    if (this.#byNeighbour.size < 2) return
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions === undefined || suggestions.declined) return
    const kept = suggestions.pieces.filter((piece) => !this.#outside.has(piece))
    let isNew = kept.length < suggestions.pieces.length
    if (isNew) {
      for (const piece of suggestions.pieces) if (this.#outside.has(piece)) this.#pending[piece]!--
      suggestions.pieces = kept
    }
    const { maxRequestsPerNeighbour, maxPiecesPerMessage } = this.#context.rules
    while (suggestions.pieces.length < Math.min(maxRequestsPerNeighbour, maxPiecesPerMessage)) {
      const piece = this.#leastSuggested(neighbour, suggestions.pieces)
      if (piece < 0) break
      suggestions.pieces.push(piece)
      this.#pending[piece]!++
      isNew = true
    }
    if (!isNew || suggestions.pieces.length === 0) return
    sendMessage(this.#context, neighbour, {
      tag: "Suggest",
      channel: neighbour.channel,
      pieces: suggestions.pieces.slice()
    })
  }

  #leastSuggested(neighbour: Neighbour, already: readonly number[]): number {
    const pieces = this.#outside.length
    const theirs = neighbour.theirs!
    while (this.#passed < pieces && this.#outside.has(this.#pieceAt(this.#passed))) this.#passed++
    let best = -1
    for (let step = this.#passed; step < pieces; step++) {
      if (step === this.#own && best >= 0) break
      const piece = this.#pieceAt(step)
      if (this.#outside.has(piece) || theirs.has(piece) || already.includes(piece)) continue
      if (best < 0 || this.#pending[piece]! < this.#pending[best]!) best = piece
      if (this.#pending[best] === 0) break
    }
    return best
  }

  /** The own arc in order, then backwards from its beginning. */
  #pieceAt(step: number): number {
    const pieces = this.#outside.length
    const piece = step < this.#own ? this.#first + step : this.#first - 1 - (step - this.#own)
    return piece < 0 ? piece + pieces : piece >= pieces ? piece - pieces : piece
  }
}
