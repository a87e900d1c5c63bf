// The request filler alone, by single calls: timeouts, endgame, suggestions and readers.

import { describe, expect, it } from "vitest"
import { setUpFiller } from "../../../testing/protocol/test-requested-swarm.ts"

const all = [0, 1, 2, 3, 4, 5, 6, 7]

describe("a request that is not answered in time", () => {
  it("is asked of another neighbour; the silent one is left alone for maxRejectBackoff", () => {
    const { context, window, filler, join, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    const [one, two] = [join(1, 0), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    two.theirs!.set(0)
    asked()
    context.wakeUntil(999)
    expect([asked(), context.counters.requestsTimedOut]).toEqual([[], 0])
    context.wakeUntil(1000)
    expect(asked()).toEqual(["2:0"])
    expect(context.counters.requestsTimedOut).toBe(1)
    expect([one.failures, one.backoffUntil, one.requests.live, window.live]).toEqual([1, 11_000, 0, 1])
    // Its answer is still owed, for as long as a request is waited for from now on.
    expect(one.requests.outstanding).toEqual([
      { piece: 0, sentAt: 0, weight: 1000, state: "expired", expiresAt: 3000 }
    ])
    expect(one.deadline!.at).toBe(3000)
  })

  it("is never answered when a second timeout passes as well: the connection is dropped", () => {
    const { context, filler, join } = setUpFiller()
    filler.fill(join(1, 0), 0)
    context.wakeUntil(2999)
    expect(context.asked).toEqual([])
    context.wakeUntil(3000)
    expect(context.asked).toEqual(["drop 1 silent: a request was never answered"])
    expect(context.counters.requestsTimedOut).toBe(1)
  })

  it("leaves later requests of the neighbour as they are", () => {
    const { context, filler, join, answer } = setUpFiller()
    const one = join(1, 0, 1, 2)
    filler.fill(one, 0)
    filler.pieceReceived(one, answer(one, 0), 400)
    filler.fill(one, 400)
    context.wakeUntil(1000)
    // The second request came at 0, the third at 400 with a timeout of 4 x 400.
    expect(one.requests.outstanding.map(({ piece, state, expiresAt }) => [piece, state, expiresAt])).toEqual([
      [1, "expired", 1000 + 3200],
      [0, "live", 2000]
    ])
    context.wakeUntil(2000)
    expect(one.requests.outstanding.map(({ state, expiresAt }) => [state, expiresAt])).toEqual([
      ["expired", 4200],
      ["expired", 2000 + 3200]
    ])
  })

  it("does not lengthen the wait for the answer to a cancelled one", () => {
    const { context, filler, join } = setUpFiller()
    const one = join(1, 0, 1)
    filler.fill(one, 0)
    filler.cancelDuplicates(0, undefined, 500)
    context.wakeUntil(1000)
    expect(one.requests.outstanding.map(({ state, expiresAt }) => [state, expiresAt])).toEqual([
      ["cancelled", 1500],
      ["expired", 3000]
    ])
    context.wakeUntil(1500)
    expect(context.asked).toEqual(["drop 1 silent: a request was never answered"])
  })

  it("is not asked of the same neighbour again before its answer comes, though others may be", () => {
    const { context, window, filler, join, asked, answer } = setUpFiller()
    const one = join(1, 0, 1)
    filler.fill(one, 0)
    asked()
    context.wakeUntil(1000)
    one.backoffUntil = undefined
    filler.fill(one, 1000)
    expect(asked()).toEqual([])
    expect(window.requested).toEqual([0])
    one.theirs!.set(2)
    window.mark(1)
    filler.fill(one, 1000)
    expect(asked()).toEqual(["1:2"])
    expect(window.isRequested(1)).toBe(true)
    window.unmark(1)
    answer(one, 0)
    filler.fill(one, 1000)
    expect(asked()).toEqual(["1:0"])
    const two = join(2, 1)
    filler.fill(two, 1000)
    expect(asked()).toEqual(["2:1"])
  })

  it("is not waited for when the neighbour is woken early: it is filled instead", () => {
    const { context, filler, join, asked } = setUpFiller()
    const one = join(1, 0)
    filler.fill(one, 0)
    one.theirs!.set(1)
    asked()
    context.deadlines.set(one.deadline!, 300)
    context.wakeUntil(300)
    expect(asked()).toEqual(["1:1"])
    expect(one.deadline!.at).toBe(1000)
  })

  it("keeps a silent neighbour from being asked in the same step, though it was idle", () => {
    const { context, filler, join, asked } = setUpFiller()
    const one = join(1, 0)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(true)
    one.theirs!.set(1)
    asked()
    context.wakeUntil(1000)
    expect(asked()).toEqual([])
    expect(one.isIdle).toBe(false)
  })

  it("sets the neighbour back in the line of those that wait for something to ask", () => {
    const { context, filler, join, store, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    const [one, two] = [join(1, 0), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    store(0)
    context.wakeUntil(1000)
    expect(one.isIdle).toBe(true)
    asked()
    for (const { theirs } of [one, two]) theirs!.fill()
    filler.fillIdle(11_000)
    expect(asked()).toEqual(["2:1", "1:2"])
  })

  it("bounds what a neighbour may owe", () => {
    const { context, filler, join, asked } = setUpFiller({ maxRequestTimeout: 1_000_000 })
    const one = join(1, ...all)
    filler.fill(one, 0)
    context.wakeUntil(1000)
    one.backoffUntil = undefined
    filler.fill(one, 1000)
    expect(asked()).toEqual(["1:0", "1:1", "1:2", "1:3"])
    one.requests.live = 0
    filler.fill(one, 1000)
    expect(asked()).toEqual([])
  })
})

describe("requests for a piece that has come from another neighbour", () => {
  it("are cancelled, and owe their one answer from then on", () => {
    const { context, swarm, window, filler, join, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    swarm.isEndgame = true
    const [one, two, three] = [join(1, 0), join(2, 0), join(3, 0)]
    filler.fill(one, 0)
    window.add(two.requests, 0, 100, 1000)
    window.add(three.requests, 0, 100, 1000)
    three.requests.outstanding[0]!.state = "expired"
    context.take()
    filler.cancelDuplicates(0, one, 200)
    expect(context.sent()).toEqual([[2, { tag: "Cancel", channel: 102, piece: 0 }]])
    expect(two.requests.outstanding).toEqual([
      { piece: 0, sentAt: 100, weight: 1000, state: "cancelled", expiresAt: 1200 }
    ])
    expect([one.requests.live, two.requests.live]).toEqual([1, 0])
    expect([two.isIdle, two.deadline!.at]).toEqual([true, 1200])
    expect(asked()).toEqual([])
  })
})

describe("the endgame", () => {
  const setUp = (pieces: readonly number[], rules = {}) => {
    const parts = setUpFiller(rules)
    for (const piece of all) if (!pieces.includes(piece)) parts.store(piece)
    parts.swarm.isEndgame = true
    return parts
  }

  it("asks a second neighbour for a copy when the first is late, not before", () => {
    const { context, filler, join, asked } = setUp([5])
    filler.fill(join(1, 5), 0)
    const two = join(2, 5)
    filler.fill(two, 100)
    expect(asked()).toEqual(["1:5"])
    context.wakeUntil(499)
    expect(asked()).toEqual([])
    context.wakeUntil(500)
    expect(asked()).toEqual(["2:5"])
    expect(two.requests.outstanding).toEqual([
      { piece: 5, sentAt: 500, weight: 1000, state: "live", expiresAt: 1500 }
    ])
  })

  it("asks for a copy of piece 0 as well", () => {
    const { filler, join, asked } = setUp([0])
    filler.fill(join(1, 0), 0)
    filler.fill(join(2, 0), 600)
    expect(asked()).toEqual(["1:0", "2:0"])
  })

  it("is late after twice the usual answer", () => {
    const { context, filler, join, answer, asked } = setUp([5, 6])
    const one = join(1, 5)
    filler.fill(one, 0)
    filler.pieceReceived(one, answer(one, 5), 30)
    filler.fill(one, 30)
    filler.fill(join(3, 6), 30)
    filler.fill(join(2, 5), 30)
    asked()
    context.wakeUntil(89)
    expect(asked()).toEqual([])
    context.wakeUntil(90)
    expect(asked()).toEqual(["2:5"])
  })

  it("asks for the copy of the oldest request first, whoever has been asked", () => {
    for (const [first, second] of [
      [5, 6],
      [6, 5]
    ] as const) {
      const { filler, join, asked } = setUp([5, 6], { maxRequestsPerNeighbour: 1 })
      filler.fill(join(1, 5), first === 5 ? 0 : 100)
      filler.fill(join(2, 6), first === 6 ? 0 : 100)
      asked()
      filler.fill(join(3, 5, 6), 700)
      expect(asked()).toEqual([`3:${first}`])
      filler.fill(join(4, 5, 6), 700)
      expect(asked()).toEqual([`4:${second}`])
    }
  })

  it("takes the one found first of two requests as old as each other", () => {
    const { filler, join, asked } = setUp([5, 6], { maxRequestsPerNeighbour: 1 })
    filler.fill(join(1, 6), 0)
    filler.fill(join(2, 5), 0)
    asked()
    filler.fill(join(3, 5, 6), 700)
    expect(asked()).toEqual(["3:6"])
  })

  it("asks for no copy from a neighbour that lacks the piece, is asked for it, or is the only one", () => {
    const { swarm, filler, join, asked } = setUp([5])
    const one = join(1, 5)
    filler.fill(one, 0)
    asked()
    filler.fill(one, 700)
    filler.fill(join(2), 700)
    const three = join(3, 5)
    three.requests.outstanding.push({ piece: 5, sentAt: 0, weight: 1000, state: "expired", expiresAt: 5000 })
    filler.fill(three, 700)
    expect(asked()).toEqual([])
    expect(swarm.window.live).toBe(1)
  })

  it("asks for no copy of what was given up, or is not wanted any more", () => {
    const { filler, join, store, window, asked } = setUp([5, 6])
    const one = join(1, 5, 6)
    filler.fill(one, 0)
    one.requests.outstanding[0]!.state = "cancelled"
    store(6)
    asked()
    filler.fill(join(2, 5, 6), 700)
    expect(window.isRequested(5)).toBe(true)
    expect(asked()).toEqual([])
  })

  it("asks for as many copies as maxEndgameCopies, the first included", () => {
    const { filler, join, asked } = setUp([5], { maxEndgameCopies: 2 })
    for (const connection of [1, 2, 3]) filler.fill(join(connection, 5), connection * 600)
    expect(asked()).toEqual(["1:5", "2:5"])
  })

  it("has not begun before everything is asked for, or while much is missing", () => {
    const parts = setUp([5, 6])
    parts.filler.fill(parts.join(1, 5), 0)
    parts.filler.fill(parts.join(2, 5), 700)
    expect(parts.asked()).toEqual(["1:5"])
    const early = setUp([5])
    early.swarm.isEndgame = false
    early.filler.fill(early.join(1, 5), 0)
    early.filler.fill(early.join(2, 5), 700)
    expect(early.asked()).toEqual(["1:5"])
    expect(early.context.deadlines.next).toBe(1000)
  })

  it("wakes for the first request that becomes late, then for the next, and no more once stopped", () => {
    for (const stopped of [false, true]) {
      const { context, filler, join, asked } = setUp([5, 6, 7], { maxRequestsPerNeighbour: 1 })
      filler.fill(join(1, 5), 200)
      filler.fill(join(2, 6), 100)
      filler.fill(join(3, 7), 300)
      filler.fill(join(4, 5, 6), 350)
      filler.fill(join(5, 5), 350)
      filler.fill(join(6), 350)
      asked()
      if (stopped) filler.stop()
      expect(context.deadlines.next).toBe(stopped ? 1100 : 600)
      context.wakeUntil(600)
      expect(asked()).toEqual(stopped ? [] : ["4:6"])
      context.wakeUntil(700)
      expect(asked()).toEqual(stopped ? [] : ["5:5"])
    }
  })
})

describe("what a neighbour suggests", () => {
  it("goes first, without what has come since", () => {
    const { filler, store, join, asked } = setUpFiller()
    const one = join(1, ...all)
    one.suggested = [3, 6, 2]
    store(3)
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:6", "1:2"])
    expect(one.suggested).toEqual([6, 2])
    const two = join(2)
    two.suggested = [3]
    filler.fill(two, 0)
    expect(two.suggested).toEqual([])
  })

  it("goes before what a reader waits for, until the reader is urgent", () => {
    const { demand, filler, join, asked } = setUpFiller({ maxRequestsPerNeighbour: 1, readerPatience: 2 })
    demand.readerMoved(1, { firstPiece: 4, endPiece: 8 }, 0)
    const one = join(1, ...all)
    one.suggested = [2]
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:2"])
    const two = join(2, ...all)
    filler.fill(two, 0)
    expect(asked()).toEqual(["2:4"])
    demand.reading.missingChanged(6)
    const three = join(3, ...all)
    three.suggested = [3]
    filler.fill(three, 0)
    expect(asked()).toEqual(["3:5"])
  })

  it("goes after what a reader waits for where nobody wants the whole", () => {
    const { demand, filler, join, asked } = setUpFiller({}, { isWhole: false })
    demand.readerMoved(1, { firstPiece: 4, endPiece: 6 }, 0)
    const one = join(1, ...all)
    one.suggested = [5]
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:4", "1:5"])
  })
})

describe("the order of the rest", () => {
  it("is that of the tail once it has begun", () => {
    const { swarm, demand, filler, join, asked } = setUpFiller(
      { maxRequestsPerNeighbour: 1, pieceChoice: "rarest", orderedTail: 1, tailWindow: 0 },
      { pieces: 64 }
    )
    swarm.availability.fill(2)
    swarm.availability[40] = 1
    const one = join(1, 3, 40)
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:40"])
    demand.reading.missingChanged(64)
    filler.fill(join(2, 3, 4), 0)
    expect(asked()).toEqual(["2:3"])
  })

  it("looks at as many words as the tail's window has", () => {
    const rules = { maxRequestsPerNeighbour: 1, orderedTail: 1, tailWindow: 1 / 3 }
    const { swarm, demand, filler, join, asked } = setUpFiller(rules, { pieces: 96 })
    swarm.availability.fill(2)
    swarm.availability[5] = 1
    swarm.availability[40] = 0
    demand.reading.missingChanged(96)
    filler.fill(join(1, 4, 5, 40), 0)
    expect(asked()).toEqual(["1:5"])
  })
})
