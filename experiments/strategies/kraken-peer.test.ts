// Tests of Kraken's hosts one by one, in a world that the test controls: whom they dial, whom they accept, what they
// send.

import { describe, expect, test } from "vitest"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import { type Cast, imageOf } from "./image.ts"
import { pieceChoice } from "./kraken-choice.ts"
import { HandOut, Handshake, kinds } from "./kraken-messages.ts"
import { KrakenPeer, type KrakenWorld } from "./kraken-peer.ts"
import { KrakenTracker } from "./kraken-tracker.ts"
import type { RivalIo } from "./rival.ts"

const image = imageOf([{ name: "layer", length: 64, pieceLength: 1 }])
const cast: Cast = { agents: 100, origins: 1, helpers: 1, owners: [[100]] }
const stage = { image, cast }
const [origin, tracker] = [100, 101]
const second = 1_000_000

const even: RandomSource = { nextInt: () => 0 }

/** Records the actions that a machine requests. */
class Notebook implements RivalIo {
  readonly host: number
  readonly random = even
  now = 0
  links = 0
  readonly dialled: Array<number> = []
  readonly closed: Array<number> = []
  readonly said: Array<readonly [link: number, kind: number, argument: number]> = []
  readonly told: Array<readonly [link: number, body: object]> = []
  readonly uploads: Array<readonly [link: number, piece: number]> = []
  readonly stores: Array<number> = []

  constructor(host: number) {
    this.host = host
  }

  dial(host: number): number {
    this.dialled.push(host)
    return this.links++
  }

  close(link: number): void {
    this.closed.push(link)
  }

  say(link: number, kind: number, argument: number): void {
    this.said.push([link, kind, argument])
  }

  tell(link: number, body: object): void {
    this.told.push([link, body])
  }

  upload(link: number, piece: number): void {
    this.uploads.push([link, piece])
  }

  store(piece: number): void {
    this.stores.push(piece)
  }

  wakeAt(): void {}

  /** The messages since the last call. */
  heard(kind: number): Array<readonly [link: number, argument: number]> {
    const heard = this.said
      .filter((one) => one[1] === kind)
      .map(([link, , argument]) => [link, argument] as const)
    this.said.length = 0
    return heard
  }
}

const worldOf = (): KrakenWorld => ({
  stage,
  counts: {
    requests: 0,
    duplicate_pieces: 0,
    requests_timed_out: 0,
    connections: 0,
    handshakes_refused: 0,
    announces: 0
  },
  rules: {
    connections: 10,
    pipeline: 3,
    originPipeline: 5,
    endgame: 3,
    announceInterval: 3 * second,
    blacklist: 30 * second,
    idleTimeout: 30 * second
  },
  trackers: [tracker],
  requestTimeouts: [4 * second],
  choice: pieceChoice("rarest-first", 64)
})

const all = (): Uint32Array => new Uint32Array([0xffffffff, 0xffffffff])
const none = (): Uint32Array => new Uint32Array(2)

/** An agent that has metainfo and has announced. Its link 0 leads to the tracker. */
const makeAgent = () => {
  const io = new Notebook(0)
  const world = worldOf()
  const agent = new KrakenPeer(io, world)
  agent.started()
  agent.opened(0)
  agent.said(0, kinds.metainfo, 0)
  io.said.length = 0
  const accept = (from: number, words = none()): number => {
    const link = io.links++
    agent.accepted(link, from)
    agent.told(link, new Handshake(0, words))
    return link
  }
  const handOut = (peers: ReadonlyArray<number>): void => agent.told(0, new HandOut(0, peers))
  return { io, world, agent, accept, handOut }
}

const numbers = (from: number, to: number): Array<number> =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("connections", () => {
  test("it dials the peers of the hand-out in order, at most ten, never itself or a peer twice", () => {
    const { io, handOut } = makeAgent()
    handOut([5, 0, origin, ...numbers(1, 40)])
    expect(io.dialled.slice(1)).toEqual([5, origin, 1, 2, 3, 4, 6, 7, 8, 9])
  })

  test("it closes a peer for which there is no room, and a second connection of a pair", () => {
    const { io, accept, world } = makeAgent()
    for (const peer of numbers(1, 10)) accept(peer)
    expect(io.closed).toEqual([])
    const late = accept(11)
    expect(io.closed).toEqual([late])
    expect(world.counts.handshakes_refused).toBe(1)
    const again = makeAgent()
    again.handOut([7])
    const twin = again.accept(7)
    expect(again.io.closed).toEqual([twin])
  })

  test("it does not dial a peer that refused for thirty seconds", () => {
    const { io, agent, handOut } = makeAgent()
    handOut([7])
    agent.opened(1)
    agent.closed(1)
    io.now = 29 * second
    handOut([7, 8])
    expect(io.dialled.slice(1)).toEqual([7, 8])
    io.now = 30 * second
    handOut([7])
    expect(io.dialled.slice(1)).toEqual([7, 8, 7])
    agent.closed(3)
    io.now = 59 * second
    handOut([7])
    expect(io.dialled.slice(1)).toEqual([7, 8, 7])
  })

  test("it announces a blob only while there is room for connections", () => {
    const { io, agent, accept } = makeAgent()
    agent.woken(0)
    expect(io.heard(kinds.announce)).toEqual([[0, 0]])
    for (const peer of numbers(1, 10)) accept(peer)
    io.said.length = 0
    agent.woken(0)
    expect(io.heard(kinds.announce)).toEqual([])
  })

  test("it closes a connection without a useful piece for thirty seconds", () => {
    const { io, agent, accept } = makeAgent()
    const [idle, busy] = [accept(1), accept(2, all())]
    io.now = 20 * second
    agent.arrived(busy, 3)
    agent.stored(3)
    io.now = 40 * second
    agent.woken(1)
    expect(io.closed).toEqual([idle])
  })
})

describe("pieces", () => {
  test("three requests are outstanding to an agent, five to an origin", () => {
    const { io, agent, accept, handOut } = makeAgent()
    const peer = accept(1, all())
    expect(io.heard(kinds.request).map(([link]) => link)).toEqual([peer, peer, peer])
    handOut([origin])
    const link = io.links - 1
    agent.opened(link)
    agent.told(link, new Handshake(0, all()))
    expect(io.heard(kinds.request).map(([to]) => to)).toEqual([link, link, link, link, link])
  })

  test("a stored piece is announced to all other peers at once, and its sender gets another request", () => {
    const { io, agent, accept } = makeAgent()
    const sender = accept(1, all())
    const others = [accept(2), accept(3)]
    const [first] = io.heard(kinds.request)
    agent.arrived(sender, first![1])
    expect(io.stores).toEqual([first![1]])
    agent.stored(first![1])
    expect(io.said.filter(([, kind]) => kind === kinds.announcePiece)).toEqual(
      others.map((link) => [link, kinds.announcePiece, first![1]])
    )
    expect(io.heard(kinds.request)).toHaveLength(1)
  })

  test("a second copy is dropped", () => {
    const { io, agent, accept, world } = makeAgent()
    const peer = accept(1, all())
    agent.arrived(peer, 4)
    agent.arrived(peer, 4)
    agent.stored(4)
    agent.arrived(peer, 4)
    expect(io.stores).toEqual([4])
    expect(world.counts.duplicate_pieces).toBe(2)
  })

  test("every request is served, however many there are", () => {
    const io = new Notebook(origin)
    const seeder = new KrakenPeer(io, worldOf())
    seeder.started()
    seeder.accepted(0, 1)
    seeder.told(0, new Handshake(0, none()))
    for (const piece of numbers(0, 49)) seeder.said(0, kinds.request, piece)
    expect(io.uploads).toHaveLength(50)
    expect(io.dialled).toEqual([])
  })

  test("in endgame the last pieces are requested from several peers", () => {
    const { io, agent, accept } = makeAgent()
    const first = accept(1, all())
    for (const piece of numbers(0, 60)) {
      agent.arrived(first, piece)
      agent.stored(piece)
    }
    io.said.length = 0
    const other = accept(2, all())
    // The first of the equally rare pieces, then from the last backwards; all are under way from the first peer.
    expect(io.heard(kinds.request)).toEqual([61, 63, 62].map((piece) => [other, piece]))
  })

  test("when it is complete it tells the incomplete peers, and closes the complete ones", () => {
    const { io, agent, accept } = makeAgent()
    const [seeder, leecher] = [accept(1, all()), accept(2)]
    for (const piece of numbers(0, 63)) {
      agent.arrived(seeder, piece)
      if (piece === 63) io.said.length = 0
      agent.stored(piece)
    }
    expect(io.closed).toEqual([seeder])
    expect(io.said).toEqual([
      [leecher, kinds.complete, 0],
      [0, kinds.announceComplete, 0]
    ])
    agent.said(leecher, kinds.complete, 0)
    expect(io.closed).toEqual([seeder, leecher])
  })

  test("a request that takes too long goes to another peer", () => {
    const { io, agent, accept, world } = makeAgent()
    const slow = accept(1, all())
    const asked = io.heard(kinds.request)
    expect(asked.every(([link]) => link === slow)).toBe(true)
    io.now = 5 * second
    const other = accept(2, new Uint32Array([0xffffffff, 0]))
    io.said.length = 0
    agent.woken(2)
    expect(world.counts.requests_timed_out).toBe(3)
    expect(io.heard(kinds.request).every(([link]) => link === other)).toBe(true)
  })
})

describe("the tracker", () => {
  const announced = (peers: number, complete: ReadonlyArray<number>) => {
    const io = new Notebook(tracker)
    const machine = new KrakenTracker(io, stage, 50, { announces: 0 })
    for (const peer of numbers(0, peers - 1)) {
      machine.accepted(peer, peer)
      machine.said(peer, kinds.announce, 0)
    }
    for (const peer of complete) machine.said(peer, kinds.announceComplete, 0)
    return { io, machine }
  }
  const lastHandOut = (io: Notebook): ReadonlyArray<number> => (io.told.at(-1)![1] as HandOut).peers

  test("hands out complete peers, then origins, then the others, each once", () => {
    const { io, machine } = announced(20, [3, 9])
    expect(lastHandOut(io)).toEqual([])
    machine.said(5, kinds.announce, 0)
    const peers = lastHandOut(io)
    expect(new Set(peers.slice(0, 2))).toEqual(new Set([3, 9]))
    expect(peers[2]).toBe(origin)
    expect(new Set(peers).size).toBe(21)
  })

  test("hands out fifty besides origins", () => {
    const { io, machine } = announced(90, [])
    machine.said(5, kinds.announce, 0)
    expect(lastHandOut(io)).toHaveLength(51)
  })
})
