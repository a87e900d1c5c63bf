// Tests of the requests of a Kraken peer: limits, rarity, ties as in Go's heap, endgame, expiry.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import { pieceChoice, type pieceChoices } from "./kraken-choice.ts"
import { KrakenConn, KrakenTorrent } from "./kraken-torrent.ts"

const random: RandomSource = { nextInt: (bound) => bound - 1 }

const torrentWith = <Peers extends ReadonlyArray<ReadonlyArray<number>>>(pieces: number, ...peers: Peers) => {
  const torrent = new KrakenTorrent(0, 0, pieces, false)
  const connect = (has: ReadonlyArray<number>, peer: number): KrakenConn => {
    const conn = new KrakenConn(peer, peer, false)
    const words = new Uint32Array(torrent.have.length)
    for (const piece of has) words[piece >>> 5]! |= 1 << (piece & 31)
    torrent.conns.push(conn)
    torrent.addPeer(conn, words)
    return conn
  }
  const conns = peers.map(connect) as { [Peer in keyof Peers]: KrakenConn }
  const choice = pieceChoice("rarest-first", pieces)
  const ask = (conn: KrakenConn, limit: number, duplicates = false): Array<number> => {
    const asked: Array<number> = []
    torrent.ask(conn, { limit, duplicates, now: 0 }, choice, random, (piece) => asked.push(piece))
    return asked
  }
  return { torrent, conns, ask }
}

/** What a policy selects from pieces 0, 1, ... that this many peers have. */
const selected = (
  policy: (typeof pieceChoices)[number],
  peers: ReadonlyArray<number>,
  limit: number,
  nextInt: RandomSource["nextInt"] = random.nextInt,
  isValid: (piece: number) => boolean = () => true
): ReadonlyArray<number> => {
  const choice = pieceChoice(policy, peers.length)
  const pieces: Array<number> = []
  choice.clear()
  for (const [piece, count] of peers.entries()) choice.offer(piece, count)
  choice.select(limit, isValid, { nextInt }, (piece) => pieces.push(piece))
  return pieces
}

test("among equally rare pieces the first comes first, then the others from the last backwards", () => {
  expect(selected("rarest-first", [4, 4, 4, 4, 4, 4], 6)).toEqual([0, 5, 4, 3, 2, 1])
})

test("a policy selects as many valid pieces as it may, the rarest first or in any order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(9), { minLength: 1, maxLength: 60 }),
      fc.nat(70),
      fc.integer(),
      (peers, limit, seed) => {
        const isValid = (piece: number): boolean => piece % 3 !== 0
        const valid = peers.filter((_, piece) => isValid(piece))
        const count = Math.min(limit, valid.length)
        const order = selected("rarest-first", peers, limit, random.nextInt, isValid)
        expect(order.map((piece) => peers[piece])).toEqual(
          valid.toSorted((left, right) => left - right).slice(0, count)
        )
        let next = Math.abs(seed)
        const any = selected("random", peers, limit, (bound) => next++ % bound, isValid)
        expect(new Set(any).size).toBe(count)
        expect(any.every(isValid)).toBe(true)
      }
    )
  )
})

test("the reservoir has the off-by-one of Kraken's: of several pieces, a single request is never for the first", () => {
  const firsts = [0, 1, 2, 3].map(
    (draw) => selected("random", [1, 1, 1, 1, 1], 1, (bound) => draw % bound)[0]
  )
  expect(firsts).not.toContain(0)
  expect(selected("random", [1], 1)).toEqual([0])
  // The fourth piece always gets in, for the place is drawn from three; the fifth is drawn from four.
  expect(selected("random", [1, 1, 1, 1], 3, () => 1)).toEqual([0, 3, 2])
  expect(selected("random", [1, 1, 1, 1, 1], 3, (bound) => bound - 1)).toEqual([0, 1, 3])
})

test("requests to a peer are limited, the rarest first, none twice", () => {
  const { conns, ask } = torrentWith(5, [0, 1, 2, 3, 4], [0, 1, 2], [0, 1])
  expect(ask(conns[0], 3)).toEqual([3, 4, 2])
  expect(ask(conns[0], 3)).toEqual([])
  expect(ask(conns[1], 3)).toEqual([0, 1])
  expect(ask(conns[2], 3)).toEqual([])
  expect(ask(conns[2], 3, true)).toEqual([0, 1])
})

test("a stored piece frees all requests for it", () => {
  const { torrent, conns, ask } = torrentWith(3, [0, 1, 2], [0, 1, 2])
  ask(conns[0], 3)
  ask(conns[1], 3, true)
  torrent.gained(0)
  expect(conns.map(({ asked }) => asked.includes(0))).toEqual([false, false])
  expect(torrent.has(0) && !torrent.isComplete).toBe(true)
})

test("when a peer leaves, its pieces may be requested from others", () => {
  const { torrent, conns, ask } = torrentWith(2, [0, 1], [0, 1])
  ask(conns[0], 5)
  expect(ask(conns[1], 5)).toEqual([])
  torrent.removePeer(conns[0])
  expect(ask(conns[1], 5)).toEqual([0, 1])
})

test("old requests expire and go to one other peer", () => {
  const { torrent, conns, ask } = torrentWith(2, [0, 1], [1])
  ask(conns[0], 5)
  expect(torrent.expire(0)).toEqual([])
  expect(torrent.expire(1)).toEqual([1, 0, 0, 0])
  expect(torrent.askFor(conns[1], 0, 3, 5)).toBe(false)
  expect(torrent.askFor(conns[1], 1, 3, 5)).toBe(true)
  expect(torrent.askFor(conns[0], 1, 3, 5)).toBe(false)
})

test("a peer with all pieces is complete", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), (pieces) => {
      const { torrent, conns } = torrentWith(pieces, [])
      for (let piece = 0; piece < pieces; piece++) {
        expect(torrent.peerIsComplete(conns[0])).toBe(false)
        torrent.peerHas(conns[0], piece)
      }
      expect(torrent.peerIsComplete(conns[0])).toBe(true)
      expect(new KrakenTorrent(0, 0, pieces, true).isComplete).toBe(true)
    })
  )
})
