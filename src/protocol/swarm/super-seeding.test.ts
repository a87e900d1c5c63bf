// Super-seeding alone, by single calls: what is suggested to whom, and which requests are steered.

import { describe, expect, it } from "vitest"
import { lowest, piecesOf, TestContext, testNeighbour } from "../../../testing/protocol/test-context.ts"
import { Bitfield } from "../kit/bitfield.ts"
import type { RandomSource } from "../kit/random-source.ts"
import type { PeerHostRules } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"
import type { SeedArc } from "./peer-host-io.ts"
import { SuperSeeding } from "./super-seeding.ts"

const pieces = 8

/** A seeder of eight pieces, from piece 0 on unless it has an arc or draws another; two suggestions a neighbour. */
const setUp = ({
  rules = {},
  arc,
  random = lowest,
  count = pieces,
  have = Bitfield.full(count)
}: {
  readonly rules?: Partial<PeerHostRules>
  readonly arc?: SeedArc
  readonly random?: RandomSource
  readonly count?: number
  readonly have?: Bitfield
} = {}) => {
  const context = new TestContext({ maxRequestsPerNeighbour: 2, ...rules }, { kind: "origin", random })
  const seeding = new SuperSeeding(context, have, arc)
  const join = (connection: number, ...theirs: readonly number[]): Neighbour => {
    const neighbour = testNeighbour(connection, piecesOf(count, ...theirs))
    seeding.neighbourJoined(neighbour)
    return neighbour
  }
  /** What was suggested since the last call: "1: 4 5" suggests pieces 4 and 5 to neighbour 1. */
  const said = (): readonly string[] =>
    context.sent().map(([connection, message]) => {
      if (message.tag !== "Suggest") throw new Error(message.tag)
      expect(message.channel).toBe(100 + connection)
      return `${connection}: ${message.pieces.join(" ")}`
    })
  return { context, seeding, join, said }
}

describe("what a seeder suggests", () => {
  it("is nothing to a neighbour that is alone, and other pieces to each that joins", () => {
    const { join, said } = setUp()
    join(1)
    expect(said()).toEqual([])
    join(2)
    expect(said()).toEqual(["1: 0 1", "2: 2 3"])
    join(3)
    expect(said()).toEqual(["3: 4 5"])
  })

  it("is as much as a neighbour may ask for, and as a message holds", () => {
    const more = setUp({ rules: { maxRequestsPerNeighbour: 3 } })
    more.join(1)
    more.join(2)
    expect(more.said()).toEqual(["1: 0 1 2", "2: 3 4 5"])
    const less = setUp({ rules: { maxPiecesPerMessage: 1 } })
    less.join(1)
    less.join(2)
    expect(less.said()).toEqual(["1: 0", "2: 1"])
  })

  it("begins at a piece that is drawn, and goes round", () => {
    const { join, said } = setUp({ random: { nextInt: (bound) => bound - 2 } })
    join(1)
    join(2)
    join(3)
    expect(said()).toEqual(["1: 6 7", "2: 0 1", "3: 2 3"])
  })

  it("needs no chance for a blob without pieces", () => {
    const random = {
      nextInt: () => {
        throw new Error("a draw")
      }
    }
    const { join, said } = setUp({ random, count: 0 })
    join(1)
    join(2)
    expect(said()).toEqual([])
  })

  it("is again what was suggested least when everything has been", () => {
    const { join, said } = setUp()
    for (const connection of [1, 2, 3, 4, 5, 6]) join(connection)
    expect(said()).toEqual(["1: 0 1", "2: 2 3", "3: 4 5", "4: 6 7", "5: 0 1", "6: 2 3"])
  })

  it("is nothing that a neighbour has when it joins", () => {
    const { join, said } = setUp()
    join(1, 0, 3)
    join(2, 2)
    expect(said()).toEqual(["1: 1 4", "2: 5 6"])
  })

  it("changes for a neighbour that says it has pieces, and not for one whose suggestions stay", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    const two = join(2)
    said()
    seeding.haveReceived(two, [7])
    expect(said()).toEqual([])
    seeding.haveReceived(two, [2, 0])
    expect(said()).toEqual(["2: 3 4"])
    // What was suggested to the first is outside by now; it is told when something happens with it.
    join(3)
    expect(said()).toEqual(["3: 5 6"])
    seeding.haveReceived(one, [4])
    expect(said()).toEqual(["1: 1 3"])
  })

  it("is free for others once a neighbour has left or declined", () => {
    for (const leaves of ["left", "declined", "both"]) {
      const { seeding, join, said } = setUp()
      const one = join(1)
      join(2)
      join(3)
      said()
      if (leaves !== "left") seeding.declined(one)
      if (leaves !== "declined") seeding.neighbourLeft(one)
      join(4)
      join(5)
      expect(said()).toEqual(["4: 0 1", "5: 6 7"])
      seeding.haveReceived(one, [0])
      expect(said()).toEqual([])
    }
  })

  it("is nothing any more once all others have left", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    seeding.neighbourLeft(join(2))
    said()
    seeding.haveReceived(one, [0])
    expect(said()).toEqual([])
    expect(seeding.shouldSteer(one, 0)).toBe(false)
  })

  it("leaves out what the neighbour has, whether others have heard of it or not", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    join(2)
    said()
    one.theirs!.set(4)
    seeding.haveReceived(one, [0])
    expect(said()).toEqual(["1: 1 5"])
  })

  it("does not change a message that was sent", () => {
    const { context, seeding, join } = setUp()
    const one = join(1)
    join(2)
    for (const piece of [0, 1, 2, 3, 4, 5, 6]) seeding.uploadAccepted(one, piece)
    const last = context.sent().at(-1)
    expect(last).toMatchObject([1, { tag: "Suggest", pieces: [7] }])
    seeding.uploadAborted(0, 0)
    seeding.haveReceived(one, [])
    expect(context.sent()).toMatchObject([[1, { tag: "Suggest", pieces: [7, 0] }]])
    expect(last).toMatchObject([1, { tag: "Suggest", pieces: [7] }])
  })

  it("ends when every piece is outside", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    const two = join(2)
    said()
    seeding.haveReceived(two, [0, 1, 2, 3, 4, 5, 6, 7])
    expect(said()).toEqual([])
    seeding.haveReceived(one, [1])
    seeding.uploadAccepted(one, 3)
    join(3)
    expect(seeding.shouldSteer(one, 3)).toBe(false)
    expect(said()).toEqual([])
  })
})

describe("a seeder with an arc", () => {
  const arc = { firstPiece: 5, endPiece: 8 }

  it("suggests nothing else while there is something of it to suggest", () => {
    const { join, said } = setUp({ arc })
    for (const connection of [1, 2, 3, 4]) join(connection)
    expect(said()).toEqual(["1: 5 6", "2: 7 5", "3: 6 7", "4: 5 6"])
  })

  it("suggests an arc that begins with piece 0 again before anything else", () => {
    const { join, said } = setUp({ arc: { firstPiece: 0, endPiece: 2 } })
    join(1)
    join(2)
    expect(said()).toEqual(["1: 0 1", "2: 0 1"])
  })

  it("goes on backwards from its beginning, and round, when its arc is outside", () => {
    for (const [first, end, order] of [
      [5, 8, [5, 6, 7, 4, 3, 2, 1, 0]],
      [2, 4, [2, 3, 1, 0, 7, 6, 5, 4]],
      [0, 2, [0, 1, 7, 6, 5, 4, 3, 2]]
    ] as const) {
      const { seeding, join, said } = setUp({
        rules: { maxRequestsPerNeighbour: 1 },
        arc: { firstPiece: first, endPiece: end }
      })
      const one = join(1)
      seeding.declined(join(2))
      said()
      const suggested: number[] = []
      for (let piece: number | undefined = first; piece !== undefined; ) {
        suggested.push(piece)
        seeding.uploadAccepted(one, piece)
        const [next] = said()
        piece = next === undefined ? undefined : Number(next.split(" ")[1])
      }
      expect(suggested).toEqual(order)
    }
  })

  it("mixes its arc and what comes before when little of the arc is left", () => {
    const { join, said } = setUp({ arc })
    join(1, 5, 6)
    join(2)
    expect(said()).toEqual(["1: 7 4", "2: 7 3"])
  })
})

describe("an upload", () => {
  it("puts its piece outside, so that the neighbour is suggested another one", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    join(2)
    said()
    seeding.uploadAccepted(one, 0)
    expect(said()).toEqual(["1: 1 4"])
    seeding.uploadAccepted(one, 3)
    expect(said()).toEqual([])
  })

  it("puts it back when it does not go out after all, unless others were given it or have it", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    const two = join(2)
    said()
    for (const piece of [0, 1, 2]) seeding.uploadAccepted(one, piece)
    seeding.uploadAccepted(two, 1)
    said()
    seeding.uploadAborted(0, 0)
    seeding.uploadAborted(1, 0)
    seeding.uploadAborted(2, 1)
    join(3)
    expect(said()).toEqual(["3: 0 7"])
    seeding.uploadAborted(1, 0)
    join(4)
    expect(said()).toEqual(["4: 1 0"])
  })

  it("is counted up to 65,535 of one piece", () => {
    const { seeding, join } = setUp()
    const one = join(1)
    for (let copy = 0; copy < 65_537; copy++) seeding.uploadAccepted(one, 0)
    seeding.uploadAborted(0, 0)
    join(2)
    expect(seeding.shouldSteer(one, 0)).toBe(true)
  })
})

describe("a request", () => {
  it("is steered when its piece is outside and the neighbour can be suggested another", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    const two = join(2)
    expect(seeding.shouldSteer(two, 0)).toBe(false)
    seeding.uploadAccepted(one, 0)
    said()
    expect(seeding.shouldSteer(two, 0)).toBe(true)
    expect(said()).toEqual([])
    expect(seeding.shouldSteer(two, 1)).toBe(false)
  })

  it("is steered with the suggestions as they are now", () => {
    const { seeding, join, said } = setUp()
    const one = join(1)
    const two = join(2)
    seeding.uploadAccepted(one, 2)
    said()
    expect(seeding.shouldSteer(two, 2)).toBe(true)
    expect(said()).toEqual(["2: 3 4"])
  })

  it("is not steered when the neighbour is alone, unknown or declined", () => {
    const { seeding, join } = setUp()
    const one = join(1)
    seeding.uploadAccepted(one, 0)
    expect(seeding.shouldSteer(one, 0)).toBe(false)
    const two = join(2)
    expect(seeding.shouldSteer(two, 0)).toBe(true)
    expect(seeding.shouldSteer(testNeighbour(3), 0)).toBe(false)
    seeding.declined(two)
    expect(seeding.shouldSteer(two, 0)).toBe(false)
  })

  it("is not steered when there is nothing to suggest to the neighbour", () => {
    const { seeding, join } = setUp({ rules: { maxRequestsPerNeighbour: 0 } })
    const one = join(1)
    const two = join(2)
    seeding.uploadAccepted(one, 0)
    expect(seeding.shouldSteer(two, 0)).toBe(false)
  })

  it("is not steered 65 times in a row", () => {
    const { seeding, join } = setUp()
    const one = join(1)
    const two = join(2)
    seeding.uploadAccepted(one, 0)
    const steers = (): number => {
      let count = 0
      while (count < 100 && seeding.shouldSteer(two, 0)) count++
      return count
    }
    expect(steers()).toBe(64)
    expect(steers()).toBe(0)
    seeding.uploadAccepted(two, 0)
    expect(steers()).toBe(64)
  })
})

describe("a source that still receives the blob", () => {
  it("suggests what it has, and every piece that comes to those with room for it", () => {
    const have = new Bitfield(pieces)
    const arc = { firstPiece: 0, endPiece: pieces }
    const { seeding, join, said } = setUp({ have, arc })
    const one = join(1)
    join(2)
    expect(said()).toEqual([])
    const comes = (piece: number) => {
      have.set(piece)
      seeding.gained()
      return said()
    }
    expect(comes(0)).toEqual(["1: 0", "2: 0"])
    expect(comes(1)).toEqual(["1: 0 1", "2: 0 1"])
    expect(comes(2)).toEqual([])
    seeding.uploadAccepted(one, 0)
    expect(said()).toEqual(["1: 1 2"])
  })

  it("refuses what is outside while it has something that is not", () => {
    const have = piecesOf(pieces, 0, 1)
    const { seeding, join } = setUp({ have, arc: { firstPiece: 0, endPiece: pieces } })
    const one = join(1)
    const two = join(2)
    seeding.uploadAccepted(one, 0)
    expect(seeding.shouldSteer(two, 0)).toBe(true)
    seeding.uploadAccepted(two, 1)
    expect(seeding.shouldSteer(one, 1)).toBe(false)
  })
})
