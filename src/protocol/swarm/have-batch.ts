// Decides when a swarm's neighbours hear of a new piece: at once when they heard of the last ones haveBatchDelay ago or
// longer, else with the next piece for which that is so, or after haveBatchPatience delays when none comes. A timer in
// between would tell of one piece a moment before the next. Whoever is sent a Request or a Reject hears with it. Have
// is most of the traffic, so batching and leaving out who has the piece anyway is most of what can be saved. The delay
// grows with the pieces, so that a batch holds some at any piece length.
//
// A neighbour that could ask us for plenty already (a havePlentyPart of the blob's pieces) is in no hurry: it hears of
// haveHoldPieces at a time, or after haveHoldPatience delays. Where one source feeds all, neighbours differ by less
// than that, and what is new is what they wait for.
//
// Invariants: a neighbour hears of a piece at most once, only after it was stored, and hears of all that it lacks;
// pieces that a neighbour's Open told of already are not repeated. Origins hear of everything: they steer by it.

import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import type { Micros } from "../kit/time.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"

const MiB = 1024 * 1024

export class HaveBatch {
  /** Pieces stored since the swarm was opened, in that order. */
  readonly #log: number[] = []
  readonly #context: HostContext
  readonly #neighbours: readonly Neighbour[]
  readonly #deadline: Deadline
  readonly #delay: Micros
  /** The longest that a piece waits. */
  readonly #patience: Micros
  /** The longest that a piece waits for a neighbour that has plenty. */
  readonly #holdPatience: Micros
  readonly #have: Bitfield
  #flushedAt: Micros = Number.NEGATIVE_INFINITY
  /** When all neighbours were told of all last. */
  #allSentAt: Micros = Number.NEGATIVE_INFINITY

  /**
   * @param pieceLength Bytes of a piece.
   * @param have What is stored here, and `neighbours` the joined ones; both kept up to date by the swarm.
   */
  constructor(context: HostContext, pieceLength: number, have: Bitfield, neighbours: readonly Neighbour[]) {
    const { haveBatchDelay, haveBatchDelayPerMiB, haveBatchPatience, haveHoldPatience } = context.rules
    this.#delay = haveBatchDelay + Math.round((haveBatchDelayPerMiB * pieceLength) / MiB)
    this.#patience = haveBatchPatience * this.#delay
    this.#holdPatience = haveHoldPatience * this.#delay
    this.#context = context
    this.#have = have
    this.#neighbours = neighbours
    this.#deadline = context.deadlines.make((now) => this.flush(now))
  }

  /** How far a neighbour that is told our bitfield now need not be told again. */
  get end(): number {
    return this.#log.length
  }

  pieceStored(piece: number, now: Micros): void {
    this.#log.push(piece)
    if (now - this.#flushedAt >= this.#delay) this.flush(now)
    else this.schedule(now)
  }

  /** Makes sure that what a neighbour was not told yet goes out in time. */
  schedule(now: Micros): void {
    if (this.#deadline.at !== undefined) return
    this.#context.deadlines.set(this.#deadline, Math.max(now, this.#flushedAt + this.#patience))
  }

  stop(): void {
    this.#context.deadlines.set(this.#deadline, undefined)
  }

  /** Tells one neighbour, to whom a message goes anyway: on the wire both are one segment. */
  piggyback(neighbour: Neighbour): void {
    const from = neighbour.havesSent
    if (from === this.#log.length) return
    neighbour.havesSent = this.#log.length
    this.#send(neighbour, this.#log.slice(from))
  }

  /**
   * A neighbour said that it has `pieces` more: it may have less to ask us for. What it has is not counted anew until
   * then.
   */
  haveReceived(neighbour: Neighbour, pieces: number): void {
    neighbour.plenty -= pieces
  }

  flush(now: Micros): void {
    this.stop()
    this.#flushedAt = now
    const mayHold = !this.#have.isFull && now < this.#allSentAt + this.#holdPatience
    if (!mayHold) this.#allSentAt = now
    let held = false
    let wholeFrom = -1
    let whole: readonly number[] = []
    for (const neighbour of this.#neighbours) {
      const from = neighbour.havesSent
      if (from === this.#log.length) continue
      if (mayHold && this.#canWait(neighbour)) {
        held = true
        continue
      }
      neighbour.havesSent = this.#log.length
      if (from !== wholeFrom) {
        wholeFrom = from
        whole = this.#log.slice(from)
      }
      this.#send(neighbour, whole)
    }
    if (held) this.#context.deadlines.set(this.#deadline, this.#allSentAt + this.#holdPatience)
  }

  /** Whether a neighbour can wait for more: few pieces are new to it, and it has plenty to ask us for. */
  #canWait(neighbour: Neighbour): boolean {
    const { haveHoldPieces, havePlentyPart } = this.#context.rules
    if (this.#log.length - neighbour.havesSent >= haveHoldPieces) return false
    if (neighbour.plenty > 0) return true
    if (neighbour.isOrigin) return false
    const plenty = Math.max(2 * haveHoldPieces, Math.ceil(havePlentyPart * this.#have.length))
    neighbour.plenty = this.#have.countWithout(neighbour.theirs!) + 1 - plenty
    return neighbour.plenty > 0
  }

  #send(neighbour: Neighbour, batch: readonly number[]): void {
    let pieces = batch
    if (!neighbour.isOrigin) {
      const theirs = neighbour.theirs!
      if (batch.some((piece) => theirs.has(piece))) pieces = batch.filter((piece) => !theirs.has(piece))
    }
    const most = this.#context.rules.maxPiecesPerMessage
    for (let start = 0; start < pieces.length; start += most) {
      sendMessage(this.#context, neighbour, {
        tag: "Have",
        channel: neighbour.channel,
        pieces: start === 0 && pieces.length <= most ? pieces : pieces.slice(start, start + most)
      })
    }
  }
}
