// A swarm alone: what it does with each message of a neighbour.

import { describe, expect, it } from "vitest"
import { setUpSwarm as setUp } from "../../../testing/protocol/test-swarm.ts"

const all = [0, 1, 2, 3, 4, 5, 6, 7]

describe("a Have", () => {
  it("makes its pieces available, each once, and those that are wanted are asked for", () => {
    const { swarm, join, out, has } = setUp({ have: [1] })
    const one = join(1, [0])
    out()
    expect(has(one, 1, 0, 4, 4)).toBeUndefined()
    expect([one.theirs?.count, swarm.availability[1], swarm.availability[0], swarm.availability[4]]).toEqual([
      3, 1, 1, 1
    ])
    expect(out()).toEqual(["1:4"])
  })

  it("makes nothing available of a seed's", () => {
    const { swarm, join, has } = setUp()
    const one = join(1, all)
    one.theirs!.clear(3)
    has(one, 3)
    expect(swarm.availability[3]).toBe(0)
  })

  it("names pieces of the blob only", () => {
    const { join, has } = setUp()
    const one = join(1)
    expect(has(one, 8)).toBe("Have of piece 8 of 8")
    expect(has(one, -1)).toBe("Have of piece -1 of 8")
    expect(has(one, 7)).toBeUndefined()
  })

  it("of a piece that is requested is news only in endgame", () => {
    for (const endgamePieces of [0, 8]) {
      const { context, join, out, has } = setUp({ rules: { endgamePieces }, have: [1, 2, 3, 4, 5, 6, 7] })
      join(1, [0])
      const two = join(2)
      context.now = 700
      out()
      has(two, 0)
      expect(out()).toEqual(endgamePieces === 0 ? [] : ["2:0"])
    }
  })

  it("is looked at when the neighbour backs off, so that it is asked when that ends", () => {
    const rules = { maxRequestsPerSwarm: 1 }
    const { context, join, out, has, reject } = setUp({ rules })
    const one = join(1, [0])
    reject(one, 0, "missing")
    join(2, [1])
    expect(one.deadline!.at).toBe(1000)
    out()
    context.wakeUntil(50)
    has(one, 3)
    expect([one.isIdle, one.deadline!.at]).toEqual([false, 300])
  })

  it("that completes the neighbour ends what two complete ends have to say", () => {
    const { context, join, has } = setUp({ have: all })
    const one = join(1, [0, 1, 2, 3, 4, 5, 6])
    has(one, 7)
    expect(context.asked).toEqual(["close 1 finished"])
  })

  it("counts against what the neighbour has plenty of", () => {
    const { join, has } = setUp()
    const one = join(1)
    one.plenty = 5
    has(one, 1, 2, 2)
    expect(one.plenty).toBe(2)
  })

  it("tells a super-seeding origin what is outside", () => {
    const { join, out, has } = setUp({ kind: "origin", have: all })
    join(1)
    const two = join(2)
    expect(out()).toEqual(["1 Suggest 0 1", "2 Suggest 2 3"])
    has(two, 2)
    expect(out()).toEqual(["2 Suggest 3 4"])
  })
})

describe("a Request", () => {
  it("goes to the uploader with the size of its piece", () => {
    const { swarm, join, uploads, out } = setUp({ have: [3, 7] })
    const one = join(1)
    expect(swarm.onRequest(one, 3)).toBeUndefined()
    expect(swarm.onRequest(one, 7)).toBeUndefined()
    expect(uploads).toEqual(["1:3, 1000 bytes", "1:7, 700 bytes"])
    expect(out()).toEqual([])
  })

  it("is refused when the piece is not stored, with the Haves that wait", () => {
    const { context, swarm, join, piece, stored, out } = setUp()
    const one = join(1, [0, 1])
    const two = join(2)
    piece(one, 0)
    piece(one, 1)
    stored(0)
    stored(1)
    out()
    expect(swarm.onRequest(two, 5)).toBeUndefined()
    expect(out()).toEqual(["2 Have 1", "2 missing 5, 0"])
    expect(context.counters.rejectsSent).toBe(1)
  })

  it("is refused while the uploader has no room and makes none", () => {
    const { swarm, uploader, uploads, join, out } = setUp({ have: [7] })
    const one = join(1)
    uploader.isFull = true
    swarm.onRequest(one, 7)
    expect([out(), uploads.splice(0)]).toEqual([["1 busy 7, 77"], ["room for 700"]])
    uploader.makesRoom = true
    swarm.onRequest(one, 7)
    expect([out(), uploads]).toEqual([[], ["room for 700", "1:7, 700 bytes"]])
  })

  it("is of a piece of the blob, and sent once", () => {
    const { swarm, uploader, uploads, join } = setUp({ have: [3] })
    const one = join(1)
    expect(swarm.onRequest(one, 8)).toBe("Request of piece 8 of 8")
    expect(swarm.onRequest(one, -1)).toBe("Request of piece -1 of 8")
    uploader.isQueued = true
    expect(swarm.onRequest(one, 3)).toBe("Request of piece 3, which is requested already")
    expect(uploads).toEqual([])
  })

  it("is steered by a super-seeding origin, and let go back when its upload is aborted", () => {
    const { swarm, join, uploads, out } = setUp({ kind: "origin", have: all })
    const one = join(1)
    const two = join(2)
    out()
    swarm.onRequest(one, 0)
    expect(out()).toEqual(["1 Suggest 1 4"])
    swarm.onRequest(two, 0)
    expect([out(), uploads]).toEqual([["2 busy 0, 100"], ["1:0, 1000 bytes"]])
    swarm.uploadAborted(one, 0)
    swarm.onRequest(two, 0)
    expect(uploads).toEqual(["1:0, 1000 bytes", "2:0, 1000 bytes"])
  })

  it("is steered still when a neighbour has the piece of the aborted upload", () => {
    const { swarm, join, uploads, has } = setUp({ kind: "origin", have: all })
    const [one, two, three] = [join(1), join(2), join(3)]
    swarm.onRequest(one, 0)
    has(three, 0)
    swarm.uploadAborted(one, 0)
    swarm.onRequest(two, 0)
    expect(uploads).toEqual(["1:0, 1000 bytes"])
  })
})

describe("super-seeding", () => {
  it("is for origins that are complete, where experiments do not forbid it", () => {
    const suggests = (setting: Parameters<typeof setUp>[0]): boolean => {
      const { join, out } = setUp(setting)
      join(1)
      join(2)
      return out().some((text) => text.includes("Suggest"))
    }
    expect(suggests({ kind: "origin", have: all })).toBe(true)
    expect(suggests({ kind: "origin", have: [0, 1, 2, 3, 4, 5, 6] })).toBe(false)
    expect(suggests({ kind: "agent", have: all })).toBe(false)
    expect(suggests({ kind: "origin", have: all, rules: { suggest: false } })).toBe(false)
  })

  it("begins with the origin's arc, and forgets neighbours that leave", () => {
    const { swarm, join, out } = setUp({
      kind: "origin",
      have: all,
      seedArc: { firstPiece: 4, endPiece: 8 }
    })
    join(1)
    const two = join(2)
    expect(out()).toEqual(["1 Suggest 4 5", "2 Suggest 6 7"])
    swarm.leave(two, 0)
    join(3)
    expect(out()).toEqual(["3 Suggest 6 7"])
  })
})

describe("a Piece", () => {
  it("is stored, counted by its sender's kind, and followed by the next request", () => {
    const { context, swarm, join, piece, out } = setUp()
    const one = join(1, [0, 1, 2])
    const origin = join(2, [5, 7], "origin")
    expect(out()).toEqual(["1:0", "1:1", "2:5", "2:7"])
    expect(piece(one, 0)).toBeUndefined()
    expect(out()).toEqual(["store 0", "1:2"])
    piece(origin, 7)
    expect(context.counters).toMatchObject({ bytesReceivedFromAgents: 1000, bytesReceivedFromOrigins: 700 })
    expect([swarm.window.isRequested(0), swarm.window.live, swarm.requested]).toEqual([true, 3, 5])
  })

  it("is one that was requested, of its size", () => {
    const { context, swarm, join, piece } = setUp()
    const one = join(1, [0, 7])
    expect(piece(one, 3)).toBe("Piece 3, which was not requested")
    expect(context.counters.piecesUnrequested).toBe(1)
    expect(piece(one, 0, 999)).toBe("Piece 0 of 999 bytes")
    expect([swarm.window.live, swarm.window.isRequested(0), one.requests.live]).toEqual([1, false, 1])
    expect(piece(one, 7, 1000)).toBe("Piece 7 of 1000 bytes")
    expect(context.counters.bytesReceivedFromAgents).toBe(0)
  })

  it("of another size that was given up releases nothing", () => {
    const { context, swarm, join, piece } = setUp()
    const one = join(1, [0])
    context.wakeUntil(1000)
    expect(swarm.window.live).toBe(0)
    piece(one, 0, 999)
    expect([swarm.window.live, one.requests.live]).toEqual([0, 0])
  })

  it("cancels the requests of it that others have", () => {
    const { context, join, piece, out } = setUp({ rules: { endgamePieces: 8 }, have: [1, 2, 3, 4, 5, 6, 7] })
    const one = join(1, [0])
    join(2, [0])
    context.wakeUntil(600)
    expect(out()).toEqual(["1:0", "2:0"])
    piece(one, 0)
    expect(out()).toEqual(["2:!0", "store 0"])
  })

  it("is a duplicate when it is stored, being stored, or the swarm has failed", () => {
    const late = (before: "stored" | "being stored" | "failed") => {
      const { context, swarm, join, piece, stored, out } = setUp({
        rules: { endgamePieces: 8 },
        have: [2, 3, 4, 5, 6, 7]
      })
      const one = join(1, [0, 1])
      const two = join(2, [0])
      context.wakeUntil(600)
      piece(two, 0)
      if (before === "stored") stored(0)
      if (before === "failed") swarm.pieceStoreFailed(0, "disk full")
      out()
      piece(one, 0)
      return [out(), context.counters.piecesDuplicate]
    }
    expect(late("stored")).toEqual([[], 1])
    expect(late("being stored")).toEqual([[], 1])
    expect(late("failed")).toEqual([[], 1])
  })

  it("that was given up is welcome, unless too many are being stored", () => {
    const late = (maxRequestsPerSwarm: number) => {
      const { context, join, piece, out } = setUp({ rules: { maxRequestsPerSwarm } })
      const one = join(1, [0])
      context.wakeUntil(1000)
      const two = join(2, [1, 2])
      piece(two, 1)
      piece(two, 2)
      out()
      piece(one, 0)
      return [out(), context.counters.piecesDuplicate]
    }
    expect(late(2)).toEqual([["store 0"], 0])
    expect(late(1)).toEqual([[], 1])
  })

  it("that was given up and is asked of another is welcome in any case", () => {
    const { context, swarm, join, piece, out } = setUp({
      rules: { maxRequestsPerSwarm: 1, maxRequestsPerNeighbour: 1 },
      have: [2, 3, 4, 5, 6, 7]
    })
    const one = join(1, [0])
    context.wakeUntil(1000)
    const two = join(2, [1])
    piece(two, 1)
    const three = join(3, [0])
    expect(three.requests.live).toBe(1)
    expect(swarm.requested).toBe(2)
    out()
    piece(one, 0)
    expect(out()).toEqual(["3:!0", "store 0"])
  })

  it("clears the neighbour's failures", () => {
    const { join, piece } = setUp()
    const one = join(1, [0])
    one.failures = 4
    piece(one, 0)
    expect(one.failures).toBe(0)
  })
})

describe("a Reject", () => {
  it("of what was requested sends the request elsewhere", () => {
    const { context, join, reject, out } = setUp({ have: [1, 2, 3, 4, 5, 6, 7] })
    const one = join(1, [0])
    join(2, [0])
    out()
    expect(reject(one, 0)).toBeUndefined()
    expect([out(), context.counters.rejectsReceived]).toEqual([["2:0"], 1])
    expect(reject(one, 0)).toBe("Reject of piece 0, which was not requested")
    expect([one.backoffUntil, context.counters.rejectsReceived]).toEqual([300, 1])
  })

  it("says that the neighbour has not the piece when it is missing there or cannot be read", () => {
    for (const [reason, has] of [
      ["missing", false],
      ["failed", false],
      ["busy", true],
      ["cancelled", true]
    ] as const) {
      const { swarm, join, reject } = setUp()
      const one = join(1, [0])
      reject(one, 0, reason)
      expect([one.theirs?.has(0), swarm.availability[0]]).toEqual([has, has ? 1 : 0])
    }
  })

  it("changes the availability of what was available once, and of no seed's pieces", () => {
    const { swarm, join, reject } = setUp()
    const seed = join(1, all)
    const two = join(2, [2])
    reject(seed, 0, "missing")
    expect([seed.theirs?.has(0), swarm.availability[0]]).toEqual([false, 0])
    two.theirs!.clear(2)
    reject(two, 2, "missing")
    expect(swarm.availability[2]).toBe(1)
  })
})

describe("a Cancel", () => {
  it("goes to the uploader when its piece is one of the blob", () => {
    const { swarm, join, uploads } = setUp()
    const one = join(1)
    expect(swarm.onCancel(one, 7)).toBeUndefined()
    expect(swarm.onCancel(one, 0)).toBeUndefined()
    expect(swarm.onCancel(one, 8)).toBe("Cancel of piece 8 of 8")
    expect(swarm.onCancel(one, -1)).toBe("Cancel of piece -1 of 8")
    expect(uploads).toEqual(["1:!7", "1:!0"])
  })
})

describe("a Suggest", () => {
  it("is followed, up to maxSuggestions, instead of the one before", () => {
    const { swarm, join, out } = setUp({ rules: { maxSuggestions: 2, maxRequestsPerNeighbour: 3 } })
    const one = join(1, [0])
    one.theirs!.fill()
    out()
    expect(swarm.onSuggest(one, [6, 5, 4], 0)).toBeUndefined()
    expect([out(), one.suggested]).toEqual([
      ["1:6", "1:5"],
      [6, 5]
    ])
    swarm.onSuggest(one, [3], 0)
    expect(one.suggested).toEqual([3])
  })

  it("names pieces of the blob only", () => {
    const { swarm, join } = setUp()
    const one = join(1)
    expect(swarm.onSuggest(one, [0, 8], 0)).toBe("Suggest of piece 8 of 8")
    expect(swarm.onSuggest(one, [-1], 0)).toBe("Suggest of piece -1 of 8")
    expect(one.suggested).toEqual([])
  })

  it("is declined by a swarm on demand, whose readers choose", () => {
    const { context, swarm, join, out } = setUp({ onDemand: true })
    const one = join(1, all)
    expect(swarm.onSuggest(one, [3], 0)).toBeUndefined()
    expect(context.sent()).toEqual([[1, { tag: "Suggest", channel: 101, pieces: [] }]])
    expect([one.suggested, out()]).toEqual([[], []])
  })

  it("of nothing declines what this host suggests", () => {
    const { swarm, join, out } = setUp({ kind: "origin", have: all })
    const one = join(1)
    join(2)
    out()
    swarm.onSuggest(one, [], 0)
    swarm.onRequest(one, 0)
    expect(out()).toEqual([])
  })

  it("of nothing is not answered by a swarm on demand", () => {
    const { swarm, join, out } = setUp({ onDemand: true })
    swarm.onSuggest(join(1, all), [], 0)
    expect(out()).toEqual([])
  })
})
