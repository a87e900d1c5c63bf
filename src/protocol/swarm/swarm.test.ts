// A swarm alone: its pieces and neighbours, what it may request, and how it completes or fails.

import { describe, expect, it } from "vitest"
import { TestContext, testNeighbour } from "../../../testing/protocol/test-context.ts"
import { setUpSwarm as setUp } from "../../../testing/protocol/test-swarm.ts"
import { testMetainfo, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { wholeRequest } from "./path-times.ts"
import { Swarm } from "./swarm.ts"
import { Uploader } from "./uploader.ts"

const all = [0, 1, 2, 3, 4, 5, 6, 7]
const upTo = (end: number) => Array.from({ length: end }, (_, piece) => piece)

describe("a swarm that is opened", () => {
  it("misses what is not stored, and nothing beyond its last piece", () => {
    const { swarm } = setUp({ pieces: 40, have: [0, 33] })
    expect(swarm.missing).toEqual([~1, 0xff & ~2])
    expect([swarm.pieces, swarm.isComplete, swarm.wantsPieces]).toEqual([40, false, true])
    expect(setUp({ pieces: 64, have: [0] }).swarm.missing).toEqual([~1, -1])
    const complete = setUp({ pieces: 40, have: upTo(40) })
    expect(complete.swarm.missing).toEqual([0, 0])
    expect([complete.swarm.isComplete, complete.swarm.wantsPieces]).toEqual([true, false])
  })

  it("fetches unless it is complete or on demand", () => {
    expect(setUp().context.fetching).toBe(1)
    expect(setUp({ have: all }).context.fetching).toBe(0)
    expect(setUp({ onDemand: true }).context.fetching).toBe(0)
  })

  it("begins its tail at once when little is missing", () => {
    const rules = { orderedTail: 0.25 }
    expect(setUp({ rules, have: [0, 1, 2, 3, 4] }).swarm.demand.reading.tail).toBeUndefined()
    expect(setUp({ rules, have: [0, 1, 2, 3, 4, 5] }).swarm.demand.reading.tail).toBeDefined()
  })
})

it("a swarm on demand asks its idle neighbours for what a reader comes to wait for", () => {
  const { swarm, join, out } = setUp({ onDemand: true })
  join(1, all)
  swarm.demand.readerMoved(1, { firstPiece: 4, endPiece: 5 }, 0)
  expect(out()).toEqual(["1:4"])
})

describe("what a swarm may request", () => {
  it("is its share of what the host may, rounded up, at least one piece and at most maxRequestsPerSwarm", () => {
    const asked = (fetching: number, maxRequestsPerHost: number): number => {
      const rules = { maxRequestsPerHost, maxRequestsPerSwarm: 3, maxRequestsPerNeighbour: 9 }
      const { context, join, out } = setUp({ rules })
      context.fetching = fetching
      join(1, all)
      return out().length
    }
    expect([asked(1, 100), asked(2, 4), asked(2, 5), asked(3, 6), asked(9, 6), asked(0, 2)]).toEqual([
      3, 2, 3, 2, 1, 2
    ])
  })

  it("is what other swarms leave of the host's requests, but one piece always", () => {
    const rules = { maxRequestsPerHost: 4, maxRequestsPerSwarm: 4, maxRequestsPerNeighbour: 9 }
    const asked = (byOthers: number): readonly [asked: number, ofHost: number] => {
      const { context, join, out } = setUp({ rules })
      context.load = byOthers * wholeRequest
      join(1, all)
      return [out().length, context.load / wholeRequest]
    }
    expect([asked(0), asked(2), asked(3), asked(4), asked(7)]).toEqual([
      [4, 4],
      [2, 4],
      [1, 4],
      [1, 5],
      [1, 8]
    ])
  })

  it("is one piece while it has none, and one more for each that it has, unless it reads on demand", () => {
    const rules = {
      maxRequestsPerHost: 4,
      maxRequestsPerSwarm: 4,
      maxRequestsPerNeighbour: 9,
      requestsAtFirst: 1
    }
    const asked = (have: readonly number[], onDemand = false): number => {
      const { swarm, join, out } = setUp({ rules, have, onDemand })
      join(1, all)
      if (onDemand) swarm.demand.readerMoved(1, { firstPiece: 0, endPiece: 8 }, 0)
      return out().length
    }
    expect([asked([]), asked([0]), asked([0, 1]), asked([], true)]).toEqual([1, 2, 3, 4])
  })

  it("is given back when the neighbour leaves", () => {
    const { context, swarm, join } = setUp()
    const neighbour = join(1, all)
    expect(context.load).toBeGreaterThan(0)
    swarm.leave(neighbour, 0)
    expect(context.load).toBe(0)
  })

  it("is bounded by the pieces that are being stored, too", () => {
    const rules = { maxRequestsPerSwarm: 1, maxRequestsPerNeighbour: 9 }
    const { swarm, join, out, piece, stored } = setUp({ rules })
    const one = join(1, all)
    piece(one, 0)
    piece(one, 1)
    expect(out()).toEqual(["1:0", "store 0", "1:1", "store 1"])
    expect([swarm.mayRequestMore, swarm.requested]).toEqual([false, 2])
    stored(0)
    expect(out().slice(-1)).toEqual(["1:2"])
    expect(swarm.requested).toBe(2)
  })

  it("is nothing once it has failed or is being closed", () => {
    const { swarm } = setUp()
    swarm.failed = true
    expect([swarm.mayRequestMore, swarm.wantsPieces]).toEqual([false, false])
    swarm.failed = false
    swarm.closing = true
    expect([swarm.mayRequestMore, swarm.wantsPieces]).toEqual([false, false])
  })

  it("is in its endgame when few pieces are missing, or none but what readers wait for is wanted", () => {
    const rules = { endgamePieces: 3 }
    expect(setUp({ rules, have: [0, 1, 2, 3] }).swarm.isEndgame).toBe(false)
    expect(setUp({ rules, have: [0, 1, 2, 3, 4] }).swarm.isEndgame).toBe(true)
    expect(setUp({ rules, onDemand: true }).swarm.isEndgame).toBe(true)
  })

  it("is all requested when every wanted piece is, in every word", () => {
    const { swarm } = setUp({ pieces: 40, have: upTo(40).filter((piece) => piece !== 3 && piece !== 35) })
    expect(swarm.isAllRequested).toBe(false)
    swarm.window.mark(3)
    expect(swarm.isAllRequested).toBe(false)
    swarm.window.mark(35)
    expect(swarm.isAllRequested).toBe(true)
    swarm.window.unmark(3)
    expect(swarm.isAllRequested).toBe(false)
  })
})

describe("the neighbours of a swarm", () => {
  it("count when they are joined, opened or dialled, but for joined origins", () => {
    const { context, swarm, join } = setUp()
    const agent = join(1)
    const origin = join(2, [], "origin")
    join(3, [], "origin")
    swarm.opening = 4
    swarm.dialling = 8
    expect(swarm.degree).toBe(13)
    swarm.leave(origin, context.now)
    expect(swarm.degree).toBe(13)
    swarm.leave(agent, context.now)
    expect(swarm.degree).toBe(12)
    expect(swarm.neighbours.map(({ connection }) => connection)).toEqual([3])
  })

  it("are joined with what they have, and asked at once", () => {
    const { context, join, out } = setUp()
    const one = join(1, [3])
    expect([one.state, one.theirs?.count, one.counted]).toEqual(["joined", 1, true])
    expect(out()).toEqual(["1:3"])
    expect(one.deadline!.at).toBe(1000)
    expect(context.asked).toEqual([])
  })

  it("make pieces available, but for seeds, until they leave", () => {
    const { context, swarm, join } = setUp({ pieces: 70 })
    const one = join(1, [0, 31, 32, 69])
    const seed = join(2, Bitfield.full(70))
    join(3, [32])
    const available = () => [0, 30, 31, 32, 69].map((piece) => swarm.availability[piece])
    expect([available(), seed.counted]).toEqual([[1, 0, 1, 2, 1], false])
    swarm.leave(seed, context.now)
    expect(available()).toEqual([1, 0, 1, 2, 1])
    swarm.leave(one, context.now)
    expect(available()).toEqual([0, 0, 0, 1, 0])
  })

  it("hear of what was stored while they were being opened", () => {
    const { context, swarm, join, piece, stored, out } = setUp()
    const one = join(1, [0])
    piece(one, 0)
    const late = testNeighbour(2, new Bitfield(8), { swarm })
    late.havesSent = swarm.haves.end
    stored(0)
    out()
    swarm.join(late, new Bitfield(8), 0)
    context.wakeUntil(30)
    expect(out()).toEqual(["2 Have 0"])
    swarm.join(testNeighbour(3, new Bitfield(8), { swarm }), new Bitfield(8), 30)
    const current = testNeighbour(4, new Bitfield(8), { swarm })
    current.havesSent = swarm.haves.end
    swarm.haves.stop()
    const { size } = context.deadlines
    swarm.join(current, new Bitfield(8), 30)
    expect(context.deadlines.size).toBe(size)
  })

  it("give back their requests when they leave, which others are asked for", () => {
    const { context, swarm, join, out } = setUp({ have: [1, 2, 3, 4, 5, 6, 7] })
    const one = join(1, [0])
    const two = join(2, [0])
    expect(out()).toEqual(["1:0"])
    swarm.leave(one, context.now)
    expect([out(), one.state, one.deadline!.at, two.requests.live]).toEqual([["2:0"], "left", undefined, 1])
    expect(() => swarm.leave(one, context.now)).toThrow("a neighbour that is not joined leaves")
  })

  it("are left when both ends are complete", () => {
    const { context, join, out } = setUp({ have: all })
    join(1, [0])
    join(2, all)
    expect([context.asked, out()]).toEqual([["close 2 finished"], []])
  })

  it("are not left when only they are complete", () => {
    const { context, join } = setUp({ have: [0] })
    join(1, all)
    expect(context.asked).toEqual([])
  })
})

describe("a starving swarm", () => {
  it("has nothing under way, and no neighbour with anything that is wanted", () => {
    const { swarm, join, piece, stored, has } = setUp({ pieces: 40, have: [0] })
    expect(swarm.isStarving).toBe(true)
    const one = join(1, [0])
    expect(swarm.isStarving).toBe(true)
    has(one, 35)
    expect(swarm.isStarving).toBe(false)
    piece(one, 35)
    expect(swarm.isStarving).toBe(false)
    stored(35)
    expect(swarm.isStarving).toBe(true)
  })

  it("does not starve while a neighbour has something, though it may not be asked", () => {
    const { swarm, join, reject } = setUp({ pieces: 40, have: [0] })
    const one = join(1, [35])
    reject(one, 35)
    expect([swarm.requested, swarm.isStarving]).toEqual([0, false])
  })

  it("does not starve while anything is requested or being stored, whoever has left since", () => {
    const { context, swarm, join, piece } = setUp({ pieces: 40 })
    const one = join(1, [35])
    one.theirs!.clear(35)
    expect([swarm.requested, swarm.isStarving]).toEqual([1, false])
    piece(one, 35)
    swarm.leave(one, context.now)
    expect([swarm.requested, swarm.isStarving]).toEqual([1, false])
    const early = setUp({ pieces: 40 })
    early.reject(early.join(1, [3]), 3)
    expect([early.swarm.requested, early.swarm.isStarving]).toEqual([0, false])
  })

  it("does not starve when it is being closed", () => {
    const { swarm } = setUp()
    swarm.closing = true
    expect(swarm.isStarving).toBe(false)
  })

  it("does not starve when it wants nothing", () => {
    expect(setUp({ have: all }).swarm.isStarving).toBe(false)
    expect(setUp({ onDemand: true }).swarm.isStarving).toBe(false)
  })
})

describe("a piece that is stored", () => {
  it("is had, told to neighbours that lack it, and wanted no more", () => {
    const { context, swarm, join, piece, stored, out } = setUp({ pieces: 40 })
    const one = join(1, [35])
    join(2)
    piece(one, 35)
    out()
    stored(35)
    expect(out()).toEqual(["2 Have 35"])
    expect([swarm.have.has(35), swarm.missing[1], swarm.window.isRequested(35)]).toEqual([true, 0xf7, false])
    expect([context.counters.piecesStored, swarm.requested]).toEqual([1, 0])
  })

  it("begins the tail when it is the last one before it", () => {
    const { swarm, join, piece, stored } = setUp({ rules: { orderedTail: 7 / 8 } })
    const one = join(1, [0])
    piece(one, 0)
    expect(swarm.demand.reading.tail).toBeUndefined()
    stored(0)
    expect(swarm.demand.reading.tail).toBeDefined()
  })

  it("is nothing when it was not being stored, or was there before", () => {
    const { context, swarm, join, piece, stored, out } = setUp()
    stored(5)
    const one = join(1, [0])
    piece(one, 0)
    swarm.have.set(0)
    out()
    stored(0)
    expect([context.counters.piecesStored, out(), swarm.requested]).toEqual([0, [], 0])
    expect(swarm.window.isRequested(0)).toBe(false)
  })

  it("completes the swarm when it is the last one: its neighbours hear, and those that are complete are left", () => {
    const { context, swarm, join, piece, stored, out } = setUp({ have: [0, 1, 2, 3, 4, 5, 6] })
    const one = join(1, all)
    join(2)
    join(3, all)
    piece(one, 7)
    out()
    stored(7)
    expect(out()).toEqual(["2 Have 7", "completed"])
    expect(context.asked).toEqual(["close 1 finished", "close 3 finished"])
    expect([swarm.id, swarm.isComplete, context.fetching]).toEqual([testSwarm(1), true, 0])
  })

  it("tells all that waits when it is the last one", () => {
    const { join, piece, stored, out } = setUp({ have: [0, 1, 2, 3, 4, 5] })
    const one = join(1, [6, 7])
    join(2)
    piece(one, 6)
    piece(one, 7)
    stored(6)
    out()
    stored(7)
    expect(out()).toEqual(["2 Have 7", "completed"])
  })
})

describe("a piece that is not stored", () => {
  it("because it is corrupt is held against its sender, and asked of another", () => {
    const { context, swarm, join, piece, out } = setUp({ have: [0, 1, 2, 3, 4, 5, 6] })
    const one = join(1, [7])
    join(2, [7])
    piece(one, 7)
    swarm.leave(one, 0)
    out()
    swarm.pieceCorrupt(7, 0)
    expect(context.asked).toEqual([`ban 1 host-1:1 sent a corrupt piece 7 of ${swarm.id}`])
    expect([out(), context.counters.piecesCorrupt]).toEqual([["2:7"], 1])
    swarm.pieceCorrupt(7, 0)
    expect(context.counters.piecesCorrupt).toBe(1)
  })

  it("for want of storage fails the swarm, once", () => {
    const { context, swarm, join, piece, out, has } = setUp()
    const one = join(1, [0, 1])
    piece(one, 0)
    piece(one, 1)
    out()
    swarm.pieceStoreFailed(5, "nothing")
    expect(out()).toEqual([])
    swarm.pieceStoreFailed(0, "disk full")
    expect([out(), swarm.failed, context.fetching]).toEqual([["failed: disk full"], true, 0])
    swarm.pieceStoreFailed(1, "disk full")
    expect([out(), swarm.window.isRequested(1), swarm.requested]).toEqual([[], false, 0])
    has(one, 2)
    expect(out()).toEqual([])
  })
})

describe("a swarm that is closed", () => {
  it("fetches nothing and wakes for nothing any more", () => {
    const { context, swarm, join, piece, stored } = setUp({
      rules: { endgamePieces: 8 },
      have: [2, 3, 4, 5, 6, 7]
    })
    const one = join(1, [0])
    join(2, [0])
    piece(one, 0)
    stored(0)
    swarm.haves.schedule(0)
    for (const neighbour of [...swarm.neighbours]) swarm.leave(neighbour, 0)
    swarm.close()
    expect([context.fetching, context.deadlines.next]).toEqual([0, undefined])
  })

  it("wakes for no copy either", () => {
    const { context, swarm, join } = setUp({ rules: { endgamePieces: 8 }, have: [1, 2, 3, 4, 5, 6, 7] })
    const [one, two] = [join(1, [0]), join(2, [0])]
    for (const neighbour of [one, two]) context.deadlines.set(neighbour.deadline!, undefined)
    expect(context.deadlines.next).toBe(500)
    swarm.close()
    expect(context.deadlines.next).toBeUndefined()
  })
})

it("a swarm is of one blob: what is had has as many pieces as the metainfo", () => {
  const context = new TestContext()
  const have = new Bitfield(9)
  const make = () =>
    new Swarm(context, new Uploader(context), testSwarm(1), testMetainfo(8, 1000), have, undefined, false)
  expect(make).toThrow("metainfo has 8 pieces, have 9")
})
