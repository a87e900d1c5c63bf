// Decides which pieces a Kraken peer asks of whom, for one blob: by its policy among what the other has and this host
// lacks, so many requests outstanding a connection, duplicates only in endgame. It knows no messages and no connection
// states. Pieces are counted from the blob's first.
//
// Kept as it is in Kraken (lib/torrent/scheduler/dispatch at commit 2a7fbcb): rarity counts the connected peers, and drifts (pieces that were served and COMPLETE set bits
// that are not counted, a disconnect uncounts all bits).

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { PieceChoice } from "./kraken-choice.ts"

/** Peers of a torrent that handshakes have joined, or are about to. */
export class KrakenConn {
  readonly link: number
  readonly peer: number
  readonly isOrigin: boolean
  isActive = false
  /** What the other has, once active. */
  words: Uint32Array = nothing
  /** Requests outstanding, oldest first, and when they were sent. */
  readonly asked: Array<number> = []
  readonly askedAt: Array<number> = []
  /** Last useful piece, either way, or the handshake. */
  progressAt = 0

  constructor(link: number, peer: number, isOrigin: boolean) {
    this.link = link
    this.peer = peer
    this.isOrigin = isOrigin
  }
}

const nothing = new Uint32Array(0)

export interface AskRules {
  /** Requests outstanding to one peer. */
  readonly limit: number
  /** Pieces may be asked of several peers. */
  readonly duplicates: boolean
  readonly now: Micros
}

export class KrakenTorrent {
  readonly blob: number
  /** The image's number of this blob's first piece. */
  readonly first: number
  readonly pieces: number
  readonly have: Uint32Array
  haveCount = 0
  /** Pending and active. */
  readonly conns: Array<KrakenConn> = []
  /** When a peer may be dialled again. */
  readonly blacklist = new Map<number, number>()
  /** By piece: the link from which it came, while it is written; -1 otherwise. */
  readonly writing: Int32Array
  readonly #peersByPiece: Int32Array
  /** By piece, requests outstanding; and the same as bits. */
  readonly #requests: Uint8Array
  readonly #requested: Uint32Array

  constructor(blob: number, first: number, pieces: number, isComplete: boolean) {
    this.blob = blob
    this.first = first
    this.pieces = pieces
    this.have = new Uint32Array((pieces + 31) >>> 5)
    this.writing = new Int32Array(isComplete ? 0 : pieces).fill(-1)
    this.#peersByPiece = new Int32Array(pieces)
    this.#requests = new Uint8Array(isComplete ? 0 : pieces)
    this.#requested = new Uint32Array(this.have.length)
    if (isComplete) for (let piece = 0; piece < pieces; piece++) this.gained(piece)
  }

  get isComplete(): boolean {
    return this.haveCount === this.pieces
  }

  has(piece: number): boolean {
    return (this.have[piece >>> 5]! & (1 << (piece & 31))) !== 0
  }

  /** A piece was stored: nobody is asked for it any more. */
  gained(piece: number): void {
    this.have[piece >>> 5]! |= 1 << (piece & 31)
    this.haveCount++
    for (const conn of this.conns) {
      const at = conn.asked.indexOf(piece)
      if (at >= 0) this.#take(conn, at)
    }
  }

  addPeer(conn: KrakenConn, words: Uint32Array): void {
    conn.words = words
    conn.isActive = true
    this.#countBits(words, 1)
  }

  removePeer(conn: KrakenConn): void {
    while (conn.asked.length > 0) this.#take(conn, conn.asked.length - 1)
    this.#countBits(conn.words, -1)
  }

  /** The peer says that it has a piece. */
  peerHas(conn: KrakenConn, piece: number): void {
    conn.words[piece >>> 5]! |= 1 << (piece & 31)
    this.#peersByPiece[piece]!++
  }

  /** A piece was sent to the peer: it is assumed to have it. */
  peerGets(conn: KrakenConn, piece: number): void {
    conn.words[piece >>> 5]! |= 1 << (piece & 31)
  }

  peerHasAll(conn: KrakenConn): void {
    for (let piece = 0; piece < this.pieces; piece++) conn.words[piece >>> 5]! |= 1 << (piece & 31)
  }

  peerIsComplete(conn: KrakenConn): boolean {
    const { words } = conn
    for (let index = 0; index < words.length - 1; index++) if (words[index] !== 0xffffffff) return false
    const rest = this.pieces & 31
    return words[words.length - 1] === (rest === 0 ? 0xffffffff : 2 ** rest - 1)
  }

  /** Chooses pieces to ask of a peer until `limit` are outstanding, notes the requests, and tells each. */
  ask(
    conn: KrakenConn,
    { limit, duplicates, now }: AskRules,
    choice: PieceChoice,
    random: RandomSource,
    each: (piece: number) => void
  ): void {
    const { words, asked } = conn
    let quota = limit - asked.length
    if (quota <= 0 || !this.#offersSomething(words, duplicates)) return
    choice.clear()
    for (let index = 0; index < words.length; index++) {
      let bits = words[index]! & ~this.have[index]!
      while (bits !== 0) {
        const low = bits & -bits
        const piece = (index << 5) + 31 - Math.clz32(low)
        choice.offer(piece, this.#peersByPiece[piece]!)
        bits ^= low
      }
    }
    while (quota > 0 && choice.size > 0) {
      const piece = choice.take(random)
      if (this.#requests[piece] !== 0 && (!duplicates || asked.includes(piece))) continue
      asked.push(piece)
      conn.askedAt.push(now)
      this.#requests[piece]!++
      this.#requested[piece >>> 5]! |= 1 << (piece & 31)
      quota--
      each(piece)
    }
  }

  /** Forgets requests older than `before`; gives them as (piece, link) pairs. */
  expire(before: number): Array<number> {
    const expired: Array<number> = []
    for (const conn of this.conns) {
      for (let at = conn.asked.length - 1; at >= 0; at--) {
        if (conn.askedAt[at]! >= before) continue
        expired.push(conn.asked[at]!, conn.link)
        this.#take(conn, at)
      }
    }
    return expired
  }

  /** Asks one peer for one piece if it has it, may be asked, and nobody else is; says whether. */
  askFor(conn: KrakenConn, piece: number, limit: number, now: number): boolean {
    const has = conn.isActive && (conn.words[piece >>> 5]! & (1 << (piece & 31))) !== 0
    if (!has || conn.asked.length >= limit || this.has(piece) || this.#requests[piece] !== 0) return false
    conn.asked.push(piece)
    conn.askedAt.push(now)
    this.#requests[piece]!++
    this.#requested[piece >>> 5]! |= 1 << (piece & 31)
    return true
  }

  #offersSomething(words: Uint32Array, duplicates: boolean): boolean {
    for (let index = 0; index < words.length; index++) {
      const missing = words[index]! & ~this.have[index]!
      if ((duplicates ? missing : missing & ~this.#requested[index]!) !== 0) return true
    }
    return false
  }

  #take(conn: KrakenConn, at: number): void {
    const piece = conn.asked[at]!
    conn.asked.splice(at, 1)
    conn.askedAt.splice(at, 1)
    if (--this.#requests[piece]! === 0) this.#requested[piece >>> 5]! &= ~(1 << (piece & 31))
  }

  #countBits(words: Uint32Array, step: number): void {
    for (let index = 0; index < words.length; index++) {
      let bits = words[index]!
      while (bits !== 0) {
        const low = bits & -bits
        this.#peersByPiece[(index << 5) + 31 - Math.clz32(low)]! += step
        bits ^= low
      }
    }
  }
}
