// Super-seeding (BEP 16): the pieces that an origin suggests. With a single source, a flash crowd takes as long as the
// source needs to upload enough copies for the swarm to go on without it. So in the first round every piece is uploaded
// once before any is uploaded twice: each neighbour gets suggestions of pieces that nobody else has and that were
// suggested least, and a request for a piece that is outside already is steered, that is refused in favour of a
// suggestion, while there are suggestions left. A neighbour always gets the full list of its suggestions: one that
// followed an outdated list would be refused until it loses patience.
//
// Of several seeders each has an arc of the blob. It suggests nothing else while anything of its arc can be suggested,
// even if that was suggested to many, because it does not know yet what the others have just uploaded. Then it helps
// the seeder before it, backwards from its own beginning, so that the two meet where neither has been.
//
// A source, which still receives the blob, suggests what it has so far, in the order in which it came.
//
// Invariants: the round ends when every piece was uploaded or seen at a neighbour, and nothing is suggested or steered
// after it; a neighbour is steered at most maxSteers times in a row, so that a neighbour that wants a single piece gets
// it; a neighbour that is alone is not steered, since no other could take its place; nor is one that has declined,
// which reads on demand and cannot follow. It does not know the upload queue.

import { Bitfield } from "../kit/bitfield.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"
import type { SeedArc } from "./peer-host-io.ts"

interface Suggestions {
  /** Suggested pieces that were not outside at the last check. */
  pieces: number[]
  steers: number
  declined: boolean
}

export class SuperSeeding {
  readonly #context: HostContext
  /** What can be suggested; the swarm keeps it up to date. */
  readonly #have: Bitfield
  /** Pieces that were uploaded or seen at a neighbour. */
  readonly #outside: Bitfield
  /** Uploads of each piece that were accepted. */
  readonly #given: Uint16Array
  /** Number of neighbours to which each piece is suggested. */
  readonly #pending: Uint16Array
  readonly #byNeighbour = new Map<Neighbour, Suggestions>()
  readonly #first: number
  /** Number of pieces of the own arc. */
  readonly #own: number
  /** Number of steps from the first piece whose pieces are all outside. */
  #passed = 0

  /** @param arc When absent: all pieces, from a random one on. */
  constructor(context: HostContext, have: Bitfield, arc?: SeedArc) {
    const pieces = have.length
    this.#context = context
    this.#have = have
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

  /** The neighbour chooses by itself: nothing is suggested to it any more. */
  declined(neighbour: Neighbour): void {
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions === undefined) return
    for (const piece of suggestions.pieces) this.#pending[piece]!--
    suggestions.pieces = []
    suggestions.declined = true
  }

  /** The source has one more piece. */
  gained(): void {
    for (const neighbour of this.#byNeighbour.keys()) this.#suggest(neighbour)
  }

  /** A neighbour has announced these pieces. */
  haveReceived(neighbour: Neighbour, pieces: readonly number[]): void {
    if (this.#outside.isFull) return
    for (const piece of pieces) this.#outside.set(piece)
    this.#suggest(neighbour)
  }

  /**
   * Whether a request that could be accepted should be refused, so that the neighbour requests something that nobody
   * has yet.
   */
  shouldSteer(neighbour: Neighbour, piece: number): boolean {
    if (this.#outside.isFull || !this.#outside.has(piece) || this.#byNeighbour.size < 2) return false
    const suggestions = this.#byNeighbour.get(neighbour)
    if (
      suggestions === undefined ||
      suggestions.declined ||
      suggestions.steers >= this.#context.rules.maxSteers
    )
      return false
    this.#suggest(neighbour)
    if (suggestions.pieces.length === 0) return false
    suggestions.steers++
    return true
  }

  /** The uploader accepts a request. */
  uploadAccepted(neighbour: Neighbour, piece: number): void {
    if (this.#given[piece]! < 0xffff) this.#given[piece]!++
    const suggestions = this.#byNeighbour.get(neighbour)
    if (suggestions !== undefined) suggestions.steers = 0
    if (this.#outside.isFull) return
    this.#outside.set(piece)
    this.#suggest(neighbour)
  }

  /** A piece that was accepted is not uploaded after all. `seen` is the number of neighbours that have it. */
  uploadAborted(piece: number, seen: number): void {
    this.#given[piece]!--
    if (this.#given[piece]! > 0 || seen > 0) return
    this.#outside.clear(piece)
    this.#passed = 0
  }

  /**
   * Completes the suggestions of a neighbour to the number that it may request at once; sends them when they change.
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
      if (!this.#have.has(piece) || this.#outside.has(piece)) continue
      if (theirs.has(piece) || already.includes(piece)) continue
      if (best < 0 || this.#pending[piece]! < this.#pending[best]!) best = piece
      if (this.#pending[best] === 0) break
    }
    return best
  }

  /** The own arc in order, then the rest backwards from its beginning. */
  #pieceAt(step: number): number {
    const pieces = this.#outside.length
    const piece = step < this.#own ? this.#first + step : this.#first - 1 - (step - this.#own)
    return piece < 0 ? piece + pieces : piece >= pieces ? piece - pieces : piece
  }
}
