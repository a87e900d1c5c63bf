// Requests of a Kraken peer for one blob: pieces are chosen by its policy among those that the other peer has and this
// host lacks, with a limited number of outstanding requests per connection, and duplicates only in endgame. It knows no
// messages and no states of connections. Pieces are counted from the first one of the blob.
//
// As in Kraken (lib/torrent/scheduler/dispatch at commit 2a7fbcb), rarity counts the connected peers and drifts: pieces
// that were served and COMPLETE set bits that are not counted, and a disconnect uncounts all bits.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { PieceChoice } from "./kraken-choice.ts"

/** A peer of a torrent, whose handshake is complete or under way. */
export class KrakenConn {
  readonly link: number
  readonly peer: number
  readonly isOrigin: boolean
  isActive = false
  /** The pieces of the peer, once it is active. */
  words: Uint32Array = nothing
  /** Outstanding requests, the oldest first. */
  readonly asked: Array<number> = []
  /** When each outstanding request was sent. */
  readonly askedAt: Array<number> = []
  /** When the last useful piece was sent or received, or the handshake completed. */
  progressAt = 0

  constructor(link: number, peer: number, isOrigin: boolean) {
    this.link = link
    this.peer = peer
    this.isOrigin = isOrigin
  }
}

const nothing = new Uint32Array(0)

export interface AskRules {
  /** Outstanding requests to one peer. */
  readonly limit: number
  /** Whether a piece may be requested from several peers. */
  readonly duplicates: boolean
  readonly now: Micros
}

export class KrakenTorrent {
  readonly blob: number
  /** Number of the first piece of this blob in the image. */
  readonly first: number
  readonly pieces: number
  readonly have: Uint32Array
  haveCount = 0
  /** Pending and active connections. */
  readonly conns: Array<KrakenConn> = []
  /** When a peer may be dialled again. */
  readonly blacklist = new Map<number, number>()
  /** By piece: the link from which it came while it is written, else -1. */
  readonly writing: Int32Array
  readonly #peersByPiece: Int32Array
  /** By piece: outstanding requests. */
  readonly #requests: Uint8Array
  /** Bits of the pieces with outstanding requests. */
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

  /** A piece was stored: its outstanding requests are forgotten. */
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

  /** The peer announced a piece. */
  peerHas(conn: KrakenConn, piece: number): void {
    conn.words[piece >>> 5]! |= 1 << (piece & 31)
    this.#peersByPiece[piece]!++
  }

  /** A piece was sent to the peer, which is assumed to have it. */
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

  /** Chooses pieces to request from a peer until `limit` are outstanding, records the requests and calls `each`. */
  ask(
    conn: KrakenConn,
    { limit, duplicates, now }: AskRules,
    choice: PieceChoice,
    random: RandomSource,
    each: (piece: number) => void
  ): void {
    const { words, asked } = conn
    if (asked.length >= limit || !this.#offersSomething(words, duplicates)) return
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
    const isValid = (piece: number): boolean =>
      this.#requests[piece] === 0 || (duplicates && !asked.includes(piece))
    choice.select(limit - asked.length, isValid, random, (piece) => {
      asked.push(piece)
      conn.askedAt.push(now)
      this.#requests[piece]!++
      this.#requested[piece >>> 5]! |= 1 << (piece & 31)
      each(piece)
    })
  }

  /** Forgets requests from before `before`, and gives them as (piece, link) pairs. */
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

  /** Requests one piece from one peer if the peer has it and a free request, and no other request is outstanding. */
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
