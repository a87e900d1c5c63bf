// The request filler alone, by single calls: whom it asks, for how much, and what it does with answers.

import { describe, expect, it } from "vitest"
import { highest } from "../../../testing/protocol/test-context.ts"
import { setUpFiller } from "../../../testing/protocol/test-requested-swarm.ts"

const all = [0, 1, 2, 3, 4, 5, 6, 7]

describe("what the filler asks of one neighbour", () => {
  it("is as many pieces as the neighbour may owe, each with the Haves that wait", () => {
    const { context, window, filler, piggybacked, join } = setUpFiller()
    const one = join(1, 2, 3, 4)
    filler.fill(one, 0)
    expect(context.sent()).toEqual([
      [1, { tag: "Request", channel: 101, piece: 2 }],
      [1, { tag: "Request", channel: 101, piece: 3 }]
    ])
    expect(piggybacked).toEqual([1, 1])
    expect(context.counters.requestsSent).toBe(2)
    expect([window.live, one.requests.live, one.isIdle]).toEqual([2, 2, false])
    expect(one.requests.outstanding).toEqual([
      { piece: 2, sentAt: 0, weight: 1000, state: "live", expiresAt: 1000 },
      { piece: 3, sentAt: 0, weight: 1000, state: "live", expiresAt: 1000 }
    ])
    expect(one.deadline!.at).toBe(1000)
  })

  it("is no more than the swarm may request, and nothing when it lacks what is wanted", () => {
    const { swarm, filler, join, asked } = setUpFiller()
    swarm.maxLive = 1
    const one = join(1, ...all)
    const two = join(2)
    filler.fill(one, 0)
    filler.fill(two, 0)
    expect(asked()).toEqual(["1:0"])
    expect([one.isIdle, two.isIdle]).toEqual([true, true])
    expect(two.deadline!.at).toBeUndefined()
  })

  it("is the piece 0 as well as others", () => {
    const { filler, join, asked } = setUpFiller()
    filler.fill(join(1, 0), 0)
    expect(asked()).toEqual(["1:0"])
  })

  it("is nothing while the neighbour backs off, until the instant at which it ends", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1, 0)
    one.backoffUntil = 501
    filler.fill(one, 500)
    expect(asked()).toEqual([])
    expect(one.deadline!.at).toBe(501)
    filler.fill(one, 501)
    expect(asked()).toEqual(["1:0"])
    expect(one.backoffUntil).toBeUndefined()
  })

  it("is nothing of a neighbour that has left", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1, 0)
    one.state = "left"
    filler.fill(one, 0)
    expect(asked()).toEqual([])
    expect(one.isIdle).toBe(false)
  })

  it("needs no deadline", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1, 0)
    one.deadline = undefined
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:0"])
  })

  it("moves its deadline to an earlier timeout, and never away", () => {
    const { context, filler, join, answer } = setUpFiller()
    const one = join(1, 0, 1, 2)
    filler.fill(one, 0)
    filler.pieceReceived(one, answer(one, 0), 100)
    filler.fill(one, 100)
    expect(one.deadline!.at).toBe(1000)
    context.deadlines.set(one.deadline!, 5000)
    filler.fill(one, 100)
    expect(one.deadline!.at).toBe(1000)
  })
})

describe("the neighbours that wait for something to ask", () => {
  it("are asked one piece each, the least loaded first, the longest idle first among them", () => {
    const { swarm, filler, join, asked } = setUpFiller()
    const [one, two, three] = [join(1, 0), join(2), join(3)]
    filler.fill(one, 0)
    filler.fill(three, 0)
    filler.fill(two, 0)
    asked()
    for (const { theirs } of [one, two, three]) theirs!.fill()
    filler.fillIdle(0)
    expect(asked()).toEqual(["3:1", "2:2", "1:3", "3:4", "2:5"])
    for (const neighbour of swarm.neighbours) expect(neighbour.isIdle).toBe(false)
  })

  it("are asked for no more than the swarm may request", () => {
    const { swarm, filler, join, asked } = setUpFiller()
    for (const connection of [1, 2, 3]) filler.fill(join(connection), 0)
    for (const { theirs } of swarm.neighbours) theirs!.fill()
    swarm.maxLive = 2
    filler.fillIdle(0)
    expect(asked()).toEqual(["1:0", "2:1"])
    filler.fillIdle(0)
    expect(asked()).toEqual([])
  })

  it("stay idle when they have nothing, and let those after them be asked", () => {
    const { filler, join, asked } = setUpFiller()
    const [one, two] = [join(1), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    two.theirs!.set(5)
    filler.fillIdle(0)
    expect(asked()).toEqual(["2:5"])
    expect([one.isIdle, two.isIdle]).toEqual([true, true])
  })

  it("are set back in the line by each piece that they are asked for", () => {
    const { filler, join, store, answer, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    const [one, two] = [join(1), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    one.theirs!.set(0)
    filler.fillIdle(0)
    filler.pieceReceived(one, answer(one, 0), 1)
    store(0)
    filler.fill(one, 1)
    for (const { theirs } of [one, two]) theirs!.set(1)
    asked()
    filler.fillIdle(1)
    expect(asked()).toEqual(["2:1"])
  })

  it("are asked before a neighbour gets a second request, since its pieces come one after the other", () => {
    const { swarm, filler, join, asked } = setUpFiller({ maxRequestsPerNeighbour: 2 })
    const one = join(1, 0)
    filler.fill(one, 0)
    const [two, three] = [join(2), join(3)]
    for (const neighbour of [two, three]) filler.fill(neighbour, 0)
    expect(asked()).toEqual(["1:0"])
    for (const neighbour of [one, two, three]) for (const piece of [1, 2, 3, 4]) neighbour.theirs!.set(piece)
    swarm.maxLive = 3
    filler.fill(one, 0)
    expect(asked()).toEqual(["2:1", "3:2"])
    swarm.maxLive = 4
    filler.fill(one, 0)
    expect(asked()).toEqual(["1:3"])
  })

  it("include one that backs off only while nothing is wanted of it", () => {
    const { window, filler, join, store, asked } = setUpFiller({}, { pieces: 40 })
    const one = join(1, 35)
    one.backoffUntil = 1000
    filler.fill(one, 0)
    expect([one.isIdle, one.deadline!.at]).toEqual([false, 1000])
    window.mark(35)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(true)
    window.unmark(35)
    store(35)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(true)
    expect(asked()).toEqual([])
  })

  it("include one that backs off in endgame unless it lacks all that is wanted, asked for or not", () => {
    const { swarm, window, filler, join, store } = setUpFiller()
    const one = join(1, 5)
    one.backoffUntil = 1000
    swarm.isEndgame = true
    window.mark(5)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(false)
    store(5)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(true)
  })

  it("are woken at the end of their backoff as soon as something is wanted of them", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1)
    one.backoffUntil = 1000
    filler.fill(one, 0)
    expect([one.isIdle, one.deadline!.at]).toEqual([true, undefined])
    filler.fillIdle(0)
    expect([one.isIdle, one.deadline!.at]).toEqual([true, undefined])
    one.theirs!.set(5)
    filler.fillIdle(0)
    expect([one.isIdle, one.deadline!.at]).toEqual([false, 1000])
    expect(asked()).toEqual([])
  })

  it("are asked at once when their backoff is over", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1)
    one.backoffUntil = 1000
    filler.fill(one, 0)
    one.theirs!.set(5)
    filler.fillIdle(1000)
    expect(asked()).toEqual(["1:5"])
    expect(one.deadline!.at).toBe(2000)
  })
})

describe("a request that is answered by its piece", () => {
  it("clears the neighbour's failures and makes room, and its time becomes the usual one", () => {
    const { window, filler, join, answer, asked } = setUpFiller()
    const one = join(1, ...all)
    filler.fill(one, 0)
    one.failures = 3
    filler.pieceReceived(one, answer(one, 0), 600)
    expect([one.failures, one.requests.live, window.live]).toEqual([0, 1, 1])
    filler.fill(one, 600)
    expect(asked()).toEqual(["1:0", "1:1", "1:0"])
    expect(one.requests.outstanding[1]).toMatchObject({ sentAt: 600, expiresAt: 600 + 4 * 600 })
    // 100 microseconds: the usual answer becomes 600 - 500 / 8.
    filler.pieceReceived(one, answer(one, 0), 700)
    filler.fill(one, 700)
    expect(one.requests.outstanding[1]).toMatchObject({ sentAt: 700, expiresAt: 700 + 2150 })
  })

  it("releases nothing when it had been given up", () => {
    const { context, window, filler, join, answer } = setUpFiller()
    const one = join(1, 0, 1)
    filler.fill(one, 0)
    context.wakeUntil(1000)
    expect([one.requests.live, window.live]).toEqual([0, 0])
    filler.pieceReceived(one, answer(one, 0), 1500)
    expect([one.requests.live, window.live]).toEqual([0, 0])
  })
})

describe("a request that is refused", () => {
  it("goes to another neighbour at once; the one that refused is left alone as long as it says", () => {
    const { context, window, filler, join, answer, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    const [one, two] = [join(1, 0), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    two.theirs!.set(0)
    asked()
    filler.rejected(one, answer(one, 0), 4000, 200)
    // A quarter less or more, by chance; here by the least of it.
    expect([one.backoffUntil, one.failures, one.isIdle]).toEqual([200 + 3000, 1, true])
    expect(asked()).toEqual(["2:0"])
    expect([window.live, one.requests.live, two.requests.live]).toEqual([1, 0, 1])
    expect(context.counters.rejectsReceived).toBe(0)
  })

  it("wakes the neighbour at the end of its backoff when nobody else has the piece", () => {
    const { context, filler, join, answer, asked } = setUpFiller()
    const one = join(1, 0)
    filler.fill(one, 0)
    filler.rejected(one, answer(one, 0), 400, 0)
    expect([one.isIdle, one.deadline!.at]).toEqual([false, 300])
    asked()
    context.wakeUntil(299)
    expect(asked()).toEqual([])
    context.wakeUntil(300)
    expect(asked()).toEqual(["1:0"])
  })

  it("leaves the neighbour alone for at most a quarter more than it says, by chance", () => {
    const { filler, join, answer } = setUpFiller({}, { random: highest })
    const one = join(1, 0)
    filler.fill(one, 0)
    filler.rejected(one, answer(one, 0), 4003, 0)
    expect(one.backoffUntil).toBe(4003 + 1000)
  })

  it("leaves it alone within the limits, whatever it says", () => {
    for (const [says, wait] of [
      [1, 75],
      [100, 75],
      [1e9, 7500]
    ] as const) {
      const { filler, join, answer } = setUpFiller()
      const one = join(1, 0)
      filler.fill(one, 0)
      filler.rejected(one, answer(one, 0), says, 0)
      expect(one.backoffUntil).toBe(wait)
    }
  })

  it("leaves it alone for longer after each failure when it says nothing", () => {
    const { filler, join, answer } = setUpFiller()
    const one = join(1, 0)
    const waits: number[] = []
    for (let now = 0; waits.length < 9; ) {
      filler.fill(one, now)
      filler.rejected(one, answer(one, 0), 0, now)
      waits.push(one.backoffUntil! - now)
      now = one.backoffUntil!
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
  })

  it("does not shorten a backoff", () => {
    const { filler, join, answer } = setUpFiller()
    const one = join(1, 0, 1)
    filler.fill(one, 0)
    filler.rejected(one, answer(one, 0), 8000, 0)
    filler.rejected(one, answer(one, 1), 400, 0)
    expect([one.backoffUntil, one.failures]).toEqual([6000, 2])
  })

  it("sets the neighbour back in the line of those that wait for something to ask", () => {
    const { filler, join, store, answer, asked } = setUpFiller()
    const [one, two] = [join(1, 0), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    store(0)
    filler.rejected(one, answer(one, 0), 400, 0)
    asked()
    for (const { theirs } of [one, two]) theirs!.set(1)
    filler.fillIdle(300)
    expect(asked()).toEqual(["2:1"])
  })

  it("is not asked of the same neighbour in the same step", () => {
    const { filler, join, answer, asked } = setUpFiller()
    const one = join(1, 0)
    filler.fill(one, 0)
    expect(one.isIdle).toBe(true)
    asked()
    filler.rejected(one, answer(one, 0), 400, 0)
    expect(asked()).toEqual([])
  })

  it("means nothing when the request had been cancelled, but that there is room again", () => {
    const { swarm, filler, join, answer, asked } = setUpFiller({ maxRequestsPerNeighbour: 1 })
    const [one, two] = [join(1, 0), join(2)]
    filler.fill(one, 0)
    filler.fill(two, 0)
    filler.cancelDuplicates(0, undefined, 10)
    one.requests.outstanding.push({ piece: 7, sentAt: 0, weight: 1000, state: "expired", expiresAt: 5000 })
    filler.fill(one, 10)
    expect(one.isIdle).toBe(false)
    swarm.maxLive = 0
    asked()
    filler.rejected(one, answer(one, 0), 400, 20)
    expect([one.backoffUntil, one.failures, one.isIdle]).toEqual([undefined, 0, true])
    expect(swarm.window.live).toBe(0)
  })
})

describe("a neighbour that leaves", () => {
  it("gives back its requests and is asked nothing more", () => {
    const { context, window, filler, join, asked } = setUpFiller()
    const one = join(1, 0, 1)
    filler.fill(one, 0)
    one.requests.outstanding[0]!.state = "expired"
    filler.releaseAll(one)
    expect([window.live, one.requests.outstanding.length, one.isIdle]).toEqual([1, 0, false])
    expect(window.isRequested(1)).toBe(false)
    expect(one.deadline!.at).toBeUndefined()
    asked()
    context.wakeUntil(10_000)
    filler.fillIdle(10_000)
    expect(asked()).toEqual([])
  })

  it("is no idle one any more, with or without a deadline", () => {
    const { filler, join, asked } = setUpFiller()
    const one = join(1)
    filler.fill(one, 0)
    one.deadline = undefined
    filler.releaseAll(one)
    one.theirs!.fill()
    filler.fillIdle(0)
    expect(asked()).toEqual([])
  })
})
