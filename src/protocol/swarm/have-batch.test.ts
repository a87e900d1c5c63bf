// The Have batch alone, by single calls, and arbitrary calls against what every neighbour must have heard.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { piecesOf, TestContext, testNeighbour } from "../../../testing/protocol/test-context.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { HaveBatch } from "./have-batch.ts"
import type { PeerHostRules } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"

const MiB = 1024 * 1024
const pieces = 64

/** Haves wait 100 microseconds for company, 300 at most. */
const rules = {
  haveBatchDelay: 100,
  haveBatchDelayPerMiB: 0,
  haveBatchPatience: 3,
  haveHoldPieces: 3,
  haveHoldPatience: 10,
  havePlentyPart: 1,
  maxPiecesPerMessage: 8
}

const setUp = (
  overrides: Partial<PeerHostRules> = {},
  { pieceLength = MiB, have = new Bitfield(pieces) } = {}
) => {
  const context = new TestContext({ ...rules, ...overrides })
  const neighbours: Neighbour[] = []
  const batch = new HaveBatch(context, pieceLength, have, neighbours)
  const join = (connection: number, theirs = new Bitfield(pieces), kind: "agent" | "origin" = "agent") => {
    const neighbour = testNeighbour(connection, theirs, { kind })
    neighbour.havesSent = batch.end
    neighbours.push(neighbour)
    return neighbour
  }
  const storeAt = (now: number, ...stored: readonly number[]): void => {
    context.wakeUntil(now)
    for (const piece of stored) {
      have.set(piece)
      batch.pieceStored(piece, now)
    }
  }
  /** What was said since the last call: "1: 4 5" tells neighbour 1 of pieces 4 and 5. */
  const said = (): readonly string[] =>
    context.sent().map(([connection, message]) => {
      if (message.tag !== "Have") throw new Error(message.tag)
      expect(message.channel).toBe(100 + connection)
      return `${connection}: ${message.pieces.join(" ")}`
    })
  const at = (now: number): readonly string[] => {
    context.wakeUntil(now)
    return said()
  }
  return { context, batch, have, neighbours, join, storeAt, said, at }
}

describe("a Have", () => {
  it("goes out at once after a quiet while, to all neighbours", () => {
    const { join, storeAt, said, context } = setUp()
    join(1)
    join(2)
    storeAt(1000, 4)
    expect(said()).toEqual(["1: 4", "2: 4"])
    expect(context.deadlines.next).toBeUndefined()
  })

  it("waits for the next piece within the delay, and goes out with the first one after it", () => {
    const { context, join, storeAt, said } = setUp()
    join(1)
    storeAt(1000, 4)
    said()
    storeAt(1099, 6, 5)
    expect(said()).toEqual([])
    storeAt(1100, 7)
    expect(said()).toEqual(["1: 6 5 7"])
    expect(context.deadlines.next).toBeUndefined()
    storeAt(1199, 8)
    expect(said()).toEqual([])
  })

  it("goes out after haveBatchPatience delays when no piece comes", () => {
    const { join, storeAt, said, at } = setUp()
    join(1)
    storeAt(1000, 4)
    said()
    storeAt(1050, 5)
    expect(at(1299)).toEqual([])
    expect(at(1300)).toEqual(["1: 5"])
    expect(at(9000)).toEqual([])
  })

  it("waits longer for larger pieces, in whole microseconds", () => {
    const { join, storeAt, said, at } = setUp({ haveBatchDelayPerMiB: 8 }, { pieceLength: (3 * MiB) / 16 })
    join(1)
    storeAt(1000, 4)
    said()
    // 100 + 8 x 3 / 16 = 101.5 microseconds, which is rounded.
    storeAt(1101, 5)
    expect(said()).toEqual([])
    expect(at(1000 + 3 * 102 - 1)).toEqual([])
    expect(at(1000 + 3 * 102)).toEqual(["1: 5"])
  })

  it("is not said of what the neighbour has, but for an origin, which steers by it", () => {
    const { join, storeAt, said } = setUp()
    join(1, piecesOf(pieces, 4))
    join(2, piecesOf(pieces, 4), "origin")
    join(3, piecesOf(pieces, 4, 5))
    storeAt(1000, 4)
    expect(said()).toEqual(["2: 4"])
    storeAt(1001, 5)
    storeAt(1100, 6)
    expect(said()).toEqual(["1: 5 6", "2: 5 6", "3: 6"])
  })

  it("holds at most maxPiecesPerMessage pieces", () => {
    const { join, storeAt, said } = setUp({ maxPiecesPerMessage: 2 })
    join(1)
    join(2, piecesOf(pieces, 3))
    storeAt(1000, 0)
    said()
    storeAt(1001, 1, 2, 3)
    storeAt(1100, 4, 5)
    expect(said()).toEqual(["1: 1 2", "1: 3 4", "2: 1 2", "2: 4"])
    storeAt(1201, 6)
    expect(said()).toEqual(["1: 5 6", "2: 5 6"])
  })

  it("is not said again of what was in the neighbour's Open", () => {
    const { batch, join, storeAt, said } = setUp()
    join(1)
    storeAt(1000, 0)
    storeAt(1001, 1)
    expect(batch.end).toBe(2)
    join(2)
    said()
    storeAt(1100, 2)
    expect(said()).toEqual(["1: 1 2", "2: 2"])
  })

  it("goes out before its time with another message to the neighbour", () => {
    const { batch, join, storeAt, said } = setUp()
    const one = join(1)
    join(2)
    storeAt(1000, 0)
    storeAt(1001, 1, 2)
    said()
    batch.piggyback(one)
    expect(said()).toEqual(["1: 1 2"])
    batch.piggyback(one)
    expect(said()).toEqual([])
    storeAt(1100, 3)
    expect(said()).toEqual(["1: 3", "2: 1 2 3"])
  })

  it("is scheduled once for all neighbours, never in the past, until the batch is stopped", () => {
    const { context, batch, join, storeAt, at } = setUp()
    join(1)
    batch.schedule(50)
    expect(context.deadlines.next).toBe(50)
    storeAt(1000, 0)
    storeAt(1010, 1)
    batch.schedule(1020)
    expect(context.deadlines.next).toBe(1300)
    batch.stop()
    expect(at(5000)).toEqual(["1: 0"])
    batch.schedule(5000)
    expect(context.deadlines.next).toBe(5000)
  })
})

describe("a neighbour that has plenty to request", () => {
  // Three pieces at a time are held for at most 10 delays, for a neighbour that lacks more than half of 64.
  const plenty = { havePlentyPart: 0.5 }
  const have = () => piecesOf(pieces, ...Array.from({ length: 40 }, (_, piece) => piece))

  it("hears of pieces some at a time", () => {
    const { join, storeAt, said } = setUp(plenty, { have: have() })
    join(1)
    join(2, piecesOf(pieces, ...Array.from({ length: 30 }, (_, piece) => piece)))
    storeAt(1000, 40)
    expect(said()).toEqual(["1: 40", "2: 40"])
    storeAt(1100, 41)
    expect(said()).toEqual(["2: 41"])
    storeAt(1200, 42)
    expect(said()).toEqual(["2: 42"])
    storeAt(1300, 43)
    expect(said()).toEqual(["1: 41 42 43", "2: 43"])
  })

  it("hears of them after haveHoldPatience delays in any case", () => {
    const { context, join, storeAt, said, at } = setUp(plenty, { have: have() })
    join(1)
    storeAt(1000, 40)
    storeAt(1500, 41)
    expect(said()).toEqual(["1: 40"])
    expect(context.deadlines.next).toBe(2000)
    expect(at(1999)).toEqual([])
    expect(at(2000)).toEqual(["1: 41"])
    expect(context.deadlines.next).toBeUndefined()
    storeAt(2999, 42)
    expect(said()).toEqual([])
    expect(at(3000)).toEqual(["1: 42"])
  })

  it("hears of all when the blob is complete here", () => {
    const { have: field, batch, join, storeAt, said } = setUp(plenty, { have: have() })
    join(1)
    storeAt(1000, 40)
    said()
    storeAt(1100, 41)
    field.fill()
    batch.flush(1200)
    expect(said()).toEqual(["1: 41"])
  })

  it("lacks at least the part of the pieces that havePlentyPart says", () => {
    for (const [lacks, hears] of [
      [31, ["1: 41"]],
      [32, []]
    ] as const) {
      // 0.49 x 64 is between 31 and 32.
      const { join, storeAt, said } = setUp({ havePlentyPart: 0.49 }, { have: have() })
      const theirs = Array.from({ length: 42 - lacks }, (_, piece) => piece)
      join(1, piecesOf(pieces, ...theirs))
      storeAt(1000, 40)
      said()
      storeAt(1100, 41)
      expect(said()).toEqual(hears)
    }
  })

  it("lacks at least twice haveHoldPieces, of a small blob too", () => {
    for (const [lacks, hears] of [
      [5, ["1: 41"]],
      [6, []]
    ] as const) {
      const { join, storeAt, said } = setUp({ havePlentyPart: 0.01 }, { have: have() })
      join(1, piecesOf(pieces, ...Array.from({ length: 42 - lacks }, (_, piece) => piece)))
      storeAt(1000, 40)
      said()
      storeAt(1100, 41)
      expect(said()).toEqual(hears)
    }
  })

  it("is looked at anew once it has said that it has enough pieces more", () => {
    const { batch, join, storeAt, said } = setUp(plenty, { have: have() })
    const one = join(1)
    storeAt(1000, 40)
    storeAt(1100, 41)
    said()
    // It lacked 42 pieces and had 10 too many; each Have is one less.
    expect(one.plenty).toBe(42 + 1 - 32)
    batch.haveReceived(one, 10)
    expect(one.plenty).toBe(1)
    for (let piece = 0; piece < 30; piece++) one.theirs!.set(piece)
    storeAt(1200, 42)
    expect(said()).toEqual([])
    batch.haveReceived(one, 1)
    storeAt(1300, 43)
    expect(said()).toEqual(["1: 41 42 43"])
  })

  it("is no origin", () => {
    const { join, storeAt, said } = setUp(plenty, { have: have() })
    join(1, new Bitfield(pieces), "origin")
    storeAt(1000, 40)
    storeAt(1100, 41)
    expect(said()).toEqual(["1: 40", "1: 41"])
  })

  it("waits no longer because others are told meanwhile", () => {
    const { join, storeAt, said, at } = setUp(plenty, { have: have() })
    join(1)
    storeAt(1000, 40)
    said()
    storeAt(1900, 41)
    join(2)
    storeAt(1950, 42)
    expect(said()).toEqual([])
    expect(at(2000)).toEqual(["1: 41 42", "2: 42"])
  })
})

describe("neighbours under arbitrary calls", () => {
  const call = fc.record({
    tag: fc.constantFrom("store", "store", "wait", "piggyback", "theirs", "join"),
    pick: fc.nat(pieces - 1)
  })

  it("hear once of every piece that they lack, in the order of storing, and soon", () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 100 }), fc.boolean(), (calls, holds) => {
        const { context, batch, have, neighbours, join, said } = setUp({
          havePlentyPart: holds ? 0.01 : 1,
          maxPiecesPerMessage: 3
        })
        const log: number[] = []
        const heard = new Map<number, number[]>()
        /** What a neighbour need not hear of: it came before, or the neighbour had it. */
        const known = new Map<number, Set<number>>()
        const admit = (connection: number): void => {
          join(connection)
          heard.set(connection, [])
          known.set(connection, new Set(log))
        }
        const listen = (): void => {
          for (const text of said()) {
            const [connection, list] = text.split(": ")
            heard.get(Number(connection))!.push(...list!.split(" ").map(Number))
          }
        }
        admit(1)
        for (const { tag, pick } of calls) {
          const neighbour = neighbours[pick % neighbours.length]!
          if (tag === "store" && have.set(pick)) {
            log.push(pick)
            batch.pieceStored(pick, context.now)
          } else if (tag === "wait") context.wakeUntil(context.now + 10 * pick)
          else if (tag === "piggyback") batch.piggyback(neighbour)
          else if (tag === "theirs" && !have.has(pick) && neighbour.theirs!.set(pick)) {
            known.get(neighbour.connection)!.add(pick)
            batch.haveReceived(neighbour, 1)
          } else if (tag === "join" && neighbours.length < 4) admit(neighbours.length + 1)
          listen()
        }
        context.wakeUntil(context.now + 2 * rules.haveHoldPatience * rules.haveBatchDelay)
        listen()
        for (const [connection, list] of heard) {
          expect(list).toEqual(log.filter((piece) => !known.get(connection)!.has(piece)))
        }
      })
    )
  })
})
