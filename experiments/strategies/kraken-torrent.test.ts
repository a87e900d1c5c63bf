// Tests of the requests of a Kraken peer: limits, rarity, ties as in Go's heap, endgame, expiry.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import { pieceChoice } from "./kraken-choice.ts"
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

test("among equally rare pieces the first comes first, then the others from the last backwards", () => {
  const choice = pieceChoice("rarest-first", 6)
  for (let piece = 0; piece < 6; piece++) choice.offer(piece, 4)
  expect(Array.from({ length: 6 }, () => choice.take(random))).toEqual([0, 5, 4, 3, 2, 1])
})

test("all offers come back, the rarest first or in any order", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 60 }), (peers) => {
      const rarest = pieceChoice("rarest-first", peers.length)
      const any = pieceChoice("random", peers.length)
      for (const [piece, count] of peers.entries()) {
        rarest.offer(piece, count)
        any.offer(piece, count)
      }
      const order = peers.map(() => rarest.take(random))
      expect(order.map((piece) => peers[piece])).toEqual(peers.toSorted((left, right) => left - right))
      expect(new Set(peers.map(() => any.take(random))).size).toBe(peers.length)
      expect(rarest.size + any.size).toBe(0)
    })
  )
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
