// Have messages of a swarm, batched. A new piece is announced at once when the last batch went out haveBatchDelay ago
// or longer; else with the first later piece for which this holds, or after haveBatchPatience delays when there is
// none. A shorter timer would announce one piece just before the next. A neighbour that is sent a Request or a Reject
// gets its Haves along with it. Most messages are Haves, so most savings come from batching, and from not announcing a
// piece to neighbours that have it. The delay grows with the piece length, so that a batch has several pieces at any
// length.
//
// A neighbour that can already request at least havePlentyPart of the blob gets Haves in groups of haveHoldPieces, or
// after haveHoldPatience delays. Where one source feeds all hosts, neighbours differ by less than that, and they wait
// for exactly the new pieces.
//
// Invariants: a neighbour gets a Have for every piece that it lacks, once, after the piece is stored; pieces in the
// Open to a neighbour are not announced again. Origins get all Haves, because super-seeding depends on them.

import type { Bitfield } from "../kit/bitfield.ts"
import type { Deadline } from "../kit/deadlines.ts"
import type { Micros } from "../kit/time.ts"
import { type HostContext, sendMessage } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"

const MiB = 1024 * 1024

/** Longer ago than any delay: half an hour. Unlike minus infinity, it lies in the field itself and not elsewhere. */
const longAgo: Micros = -(2 ** 31)

export class HaveBatch {
  /** Pieces stored since the swarm was opened, in the order of storing. */
  readonly #log: number[] = []
  readonly #context: HostContext
  readonly #neighbours: readonly Neighbour[]
  readonly #deadline: Deadline
  readonly #delay: Micros
  /** The longest time for which a Have waits. */
  readonly #patience: Micros
  /** The longest time for which a Have waits when the neighbour has plenty to request. */
  readonly #holdPatience: Micros
  readonly #have: Bitfield
  #flushedAt: Micros = longAgo
  /** When all Haves were last sent to all neighbours. */
  #allSentAt: Micros = longAgo

  /**
   * @param pieceLength Bytes of a piece.
   * @param have The stored pieces. The swarm keeps them up to date, as well as `neighbours`, the joined ones.
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

  /** Length of the log: a neighbour that gets our bitfield now needs no Haves before this position. */
  get end(): number {
    return this.#log.length
  }

  pieceStored(piece: number, now: Micros): void {
    this.#log.push(piece)
    if (now - this.#flushedAt >= this.#delay) this.flush(now)
    else this.schedule(now)
  }

  /** Makes sure that waiting Haves go out in time. */
  schedule(now: Micros): void {
    if (this.#deadline.at !== undefined) return
    this.#context.deadlines.set(this.#deadline, Math.max(now, this.#flushedAt + this.#patience))
  }

  stop(): void {
    this.#context.deadlines.set(this.#deadline, undefined)
  }

  /** Sends the waiting Haves of a neighbour that gets another message anyway: both go out in one segment. */
  piggyback(neighbour: Neighbour): void {
    const from = neighbour.havesSent
    if (from === this.#log.length) return
    neighbour.havesSent = this.#log.length
    this.#send(neighbour, this.#log.slice(from))
  }

  /** The neighbour has announced `pieces` more pieces, so it may have less to request here. */
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

  /** Whether the Haves of a neighbour can wait: they are few, and it has plenty to request here. */
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
    const pieces = neighbour.isOrigin ? batch : lacking(batch, neighbour.theirs!)
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

/** The pieces of a batch that are not in `theirs`: mostly all of them, and then the batch itself. */
const lacking = (batch: readonly number[], theirs: Bitfield): readonly number[] => {
  for (const piece of batch) if (theirs.has(piece)) return batch.filter((one) => !theirs.has(one))
  return batch
}
