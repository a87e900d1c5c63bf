// The uploader under load, by single calls: room for a second swarm, the wait that it names, peers that do not take
// their pieces.

import { describe, expect, it } from "vitest"
import { testNeighbour } from "../../../testing/protocol/test-context.ts"
import { counts, setUpUploader as setUp, watchedSwarm } from "../../../testing/protocol/test-uploader.ts"
import type { PeerHostRules } from "./host-context.ts"

const MiB = 1024 * 1024

describe("room for a swarm that has nothing in the queue", () => {
  it("is made by the newest waiting piece of the fullest swarm", () => {
    const { context, uploader, swarms, enqueue, out } = setUp({ maxUploadQueue: 3, maxUploadsInFlight: 1 })
    for (const connection of [1, 2, 3]) enqueue(connection, connection)
    out()
    expect(uploader.makeRoomFor(swarms[1], 1000)).toBe(true)
    expect(context.sent()).toEqual([
      [3, { tag: "Reject", channel: 103, piece: 3, reason: "busy", retryAfter: 1000 }]
    ])
    expect(swarms[0].aborted).toEqual([[3, 3]])
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("is not made for a swarm that is being served", () => {
    const { uploader, swarms, enqueue, out } = setUp({ maxUploadQueue: 3, maxUploadsInFlight: 1 })
    for (const connection of [1, 2, 3]) enqueue(connection, connection)
    out()
    expect(uploader.makeRoomFor(swarms[0], 1000)).toBe(false)
    expect(out()).toEqual([])
  })

  it("is not made by the only piece of a swarm, though it waits", () => {
    const { uploader, enqueue, out } = setUp({ maxUploadQueue: 2, maxUploadsInFlight: 0 })
    enqueue(1, 1)
    enqueue(2, 2, { swarm: 1 })
    uploader.makeRoomFor(watchedSwarm(3), 1000)
    expect(out()).toEqual([])
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("is one place beyond the queue when no piece can be refused, and it is served next", () => {
    const { uploader, swarms, enqueue, loaded, sent, out } = setUp({
      maxUploadQueue: 2,
      maxUploadsInFlight: 2,
      maxUploadBytes: 3000
    })
    enqueue(1, 1)
    enqueue(2, 2)
    out()
    expect(uploader.makeRoomFor(swarms[1], 1001)).toBe(false)
    expect(uploader.makeRoomFor(swarms[1], 1000)).toBe(true)
    enqueue(3, 3, { swarm: 1 })
    expect(uploader.makeRoomFor(watchedSwarm(3), 0)).toBe(false)
    expect(out()).toEqual([])
    expect(counts(uploader)).toEqual([3, 0, 3000])
    loaded(1)
    sent(1, 1)
    expect(uploader.hasRoom(1000, testNeighbour(10))).toBe(false)
    expect(out()).toEqual(["1 <- piece 1", "load b3"])
  })

  it("is made by a swarm of two pieces", () => {
    const { uploader, swarms, enqueue } = setUp({ maxUploadQueue: 2, maxUploadsInFlight: 1 })
    enqueue(1, 1)
    enqueue(2, 2)
    expect(uploader.makeRoomFor(swarms[1], 1000)).toBe(true)
    expect(swarms[0].aborted).toEqual([[2, 2]])
  })

  it("is made by the fullest of several swarms, wherever its pieces stand in the queue", () => {
    for (const order of [
      [0, 0, 1, 1, 1],
      [1, 1, 1, 0, 0],
      [1, 0, 1, 0, 1]
    ]) {
      const { uploader, swarms, enqueue } = setUp({ maxUploadQueue: 5, maxUploadsInFlight: 0 })
      for (const [piece, swarm] of order.entries()) enqueue(1, piece, { swarm })
      expect(uploader.makeRoomFor(watchedSwarm(3), 1000)).toBe(true)
      expect(swarms[0].aborted).toEqual([])
      expect(swarms[1].aborted).toEqual([[1, order.lastIndexOf(1)]])
    }
  })

  it("may still be too little", () => {
    const { uploader, enqueue } = setUp({ maxUploadBytes: 3000, maxUploadsInFlight: 0 })
    for (const piece of [1, 2, 3]) enqueue(1, piece)
    expect(uploader.makeRoomFor(watchedSwarm(3), 1001)).toBe(false)
  })
})

describe("the wait that the uploader names when it is busy", () => {
  it("is what one of the queued pieces takes at the assumed rate, within maxRejectBackoff", () => {
    const { uploader, enqueue } = setUp({ maxRejectBackoff: 2000 })
    expect(uploader.retryAfter()).toBe(0)
    enqueue(1, 0, { bytes: 1001 })
    expect(uploader.retryAfter()).toBe(1001)
    enqueue(1, 1, { bytes: 2000 })
    expect(uploader.retryAfter()).toBe(1501)
    enqueue(1, 2, { bytes: 9000 })
    expect(uploader.retryAfter()).toBe(2000)
  })

  it("is by the first send, and follows later ones by an eighth", () => {
    const { context, uploader, enqueue, loaded, sent } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(1, 1)
    context.now = 500
    loaded(0)
    loaded(1)
    // The link was free: the first piece took from its hand-over on, 9000 microseconds for 1000 bytes.
    context.now = 9500
    sent(1, 0)
    expect(uploader.retryAfter()).toBe(9000)
    // The second took the time since the first had left: (1 - 9) / 8 less.
    context.now = 10_500
    sent(1, 1)
    enqueue(1, 2, { bytes: 16_000 })
    expect(uploader.retryAfter()).toBe(128_000)
  })
})

describe("a peer that does not take its piece", () => {
  // Pieces of 1000 bytes take 1000 microseconds: one that two others have passed is late 500 + 8 x 1000 microseconds
  // after it was sent, and given up after 2 x (10,000 + 1000).
  const rules = {
    uploadStallTime: 500,
    requestTimeoutBase: 10_000,
    requestTimeoutPerMiB: MiB,
    maxUploadsInFlight: 2,
    maxUploadQueue: 2
  }
  const stalls = 8500
  const givenUp = 22_000

  /** An uploader, and `pass`, by which pieces of neighbour 9 are handed over and leave, one after the other. */
  const setUpPassed = (changed: Partial<PeerHostRules> = {}) => {
    const all = setUp({ ...rules, ...changed })
    const pass = (times = 2, bytes = 1000, micros = 1000): void => {
      for (let piece = 90; piece < 90 + times; piece++) {
        all.enqueue(9, piece, { bytes })
        all.loaded(piece)
        all.context.wakeUntil(all.context.now + micros)
        all.sent(9, piece)
      }
      all.out()
    }
    return { ...all, pass }
  }

  it("lends its place to others once it is late, and is dropped when the asker has given up", () => {
    const { context, uploader, enqueue, loaded, sent, out, pass } = setUpPassed()
    enqueue(1, 0)
    context.wakeUntil(100)
    loaded(0)
    pass()
    context.wakeUntil(100 + stalls - 1)
    expect(counts(uploader)).toEqual([1, 0, 1000])
    context.wakeUntil(100 + stalls)
    expect(counts(uploader)).toEqual([0, 1, 1000])
    enqueue(2, 1)
    enqueue(3, 2)
    expect(out()).toEqual(["load 1", "load 2"])
    for (const piece of [1, 2]) {
      loaded(piece)
      sent(piece + 1, piece)
    }
    context.wakeUntil(100 + givenUp - 1)
    expect(context.asked).toEqual([])
    context.wakeUntil(100 + givenUp)
    expect(context.asked).toEqual(["drop 1 stalled: a piece does not get through"])
    expect(counts(uploader)).toEqual([0, 1, 1000])
  })

  it("is late, and given up, after whole microseconds", () => {
    // 8 x 1001 / 16 and 1001 / 2 end with half a microsecond.
    const { context, uploader, enqueue, loaded, pass } = setUpPassed({ requestTimeoutPerMiB: MiB / 2 })
    enqueue(1, 0, { bytes: 1001 })
    loaded(0)
    pass(2, 1600, 100)
    expect(context.deadlines.next).toBe(500 + 501)
    context.wakeUntil(500 + 501)
    expect(uploader.stalled).toBe(1)
    expect(context.deadlines.next).toBe(2 * (10_000 + 501))
  })

  it("keeps its place until all that is queued must be given up while later pieces have not passed it", () => {
    const { context, uploader, enqueue, loaded, pass } = setUpPassed({ maxUploadsInFlight: 3 })
    enqueue(1, 0)
    enqueue(2, 1)
    loaded(0)
    loaded(1)
    pass(1)
    context.wakeUntil(2 * (10_000 + 2000) - 1)
    expect(counts(uploader)).toEqual([2, 0, 2000])
    context.wakeUntil(2 * (10_000 + 2000))
    expect(context.asked).toEqual([1, 2].map((peer) => `drop ${peer} stalled: a piece does not get through`))
  })

  it("is passed by pieces that were handed over later, and by no others", () => {
    const { context, uploader, enqueue, loaded, sent } = setUpPassed({ maxUploadsInFlight: 3 })
    for (const [connection, piece] of [
      [2, 1],
      [3, 2],
      [1, 0]
    ] as const) {
      enqueue(connection, piece)
      loaded(piece)
    }
    context.wakeUntil(1000)
    sent(2, 1)
    sent(3, 2)
    context.wakeUntil(stalls)
    expect(uploader.stalled).toBe(0)
  })

  it("is not late because a burst of its rate limit was fast", () => {
    const { context, uploader, enqueue, loaded, sent, pass } = setUpPassed()
    pass(9, 1000, 1)
    for (const [connection, piece] of [
      [1, 0],
      [2, 1]
    ] as const) {
      enqueue(connection, piece)
      loaded(piece)
    }
    context.wakeUntil(10_000)
    sent(1, 0)
    context.wakeUntil(20_000)
    expect(uploader.stalled).toBe(0)
    sent(2, 1)
    expect(context.asked).toEqual([])
  })

  it("is late by the time of its own piece, smoothed, whatever else is queued", () => {
    const { context, uploader, enqueue, loaded, pass } = setUpPassed({ maxUploadsInFlight: 4 })
    pass(1)
    // An eighth more: 1100.
    pass(1, 1000, 1800)
    const from = context.now
    enqueue(3, 2)
    loaded(2)
    pass(2, 1000, 1100)
    enqueue(4, 3, { bytes: 5000 })
    context.wakeUntil(from + 500 + 8 * 1100 - 1)
    expect(uploader.stalled).toBe(0)
    context.wakeUntil(from + 500 + 8 * 1100)
    expect([uploader.stalled, context.asked]).toEqual([1, []])
  })

  it("is dropped in the order of the queue", () => {
    const { context, enqueue, loaded, pass } = setUpPassed({ maxUploadQueue: 0 })
    pass(1, 1000, 400)
    enqueue(2, 0)
    enqueue(1, 1)
    loaded(0)
    loaded(1)
    context.wakeUntil(400 + 500 + 8 * 400)
    expect(context.asked.map((text) => text.slice(0, 6))).toEqual(["drop 2", "drop 1"])
  })

  it("lets the piece that waited for its place be loaded at once", () => {
    const { context, enqueue, loaded, out, pass } = setUpPassed({ uploadStallTime: 600 })
    enqueue(1, 0)
    loaded(0)
    pass()
    enqueue(2, 1)
    enqueue(3, 2)
    expect(out()).toEqual(["load 1"])
    context.wakeUntil(600 + 8000 - 1)
    expect(out()).toEqual([])
    context.wakeUntil(600 + 8000)
    expect(out()).toEqual(["load 2"])
  })

  it("is not waited for longer than the asker waits, however slow pieces were", () => {
    const { context, uploader, enqueue, loaded, pass } = setUpPassed()
    enqueue(1, 0)
    loaded(0)
    pass(2, 1000, 8000)
    context.wakeUntil(givenUp - 1)
    expect(uploader.stalled).toBe(0)
    context.wakeUntil(givenUp)
    expect(context.asked).toEqual(["drop 1 stalled: a piece does not get through"])
  })

  it("counts no more than before when its piece leaves after all", () => {
    const { context, uploader, enqueue, loaded, sent, pass } = setUpPassed()
    enqueue(1, 0)
    loaded(0)
    pass()
    context.wakeUntil(stalls)
    expect(uploader.stalled).toBe(1)
    sent(1, 0)
    expect(counts(uploader)).toEqual([0, 0, 0])
    expect(context.counters.piecesSent).toBe(3)
    // The stall says nothing of the uplink: 1000 bytes are still assumed to take 1000 microseconds.
    enqueue(1, 1)
    expect(uploader.retryAfter()).toBe(1000)
    loaded(1)
    pass()
    context.wakeUntil(stalls + stalls)
    expect(uploader.stalled).toBe(1)
    sent(1, 1)
    context.wakeUntil(1_000_000)
    expect(context.asked).toEqual([])
  })

  it("lends no more places than the queue has: the next one is dropped", () => {
    const { context, uploader, enqueue, loaded, pass } = setUpPassed({ maxUploadQueue: 1 })
    enqueue(1, 0)
    loaded(0)
    pass()
    context.wakeUntil(stalls)
    enqueue(2, 1)
    loaded(1)
    pass()
    context.wakeUntil(stalls + stalls - 1)
    expect(counts(uploader)).toEqual([1, 1, 2000])
    expect(context.asked).toEqual([])
    context.wakeUntil(stalls + stalls)
    expect(context.asked).toEqual(["drop 2 stalled: a piece does not get through"])
  })

  it("is left alone while its connection is being closed", () => {
    const { context, neighbours, enqueue, loaded } = setUp(rules)
    enqueue(1, 0)
    Object.assign(neighbours[1]!.session, { state: "closing" })
    loaded(0)
    expect(context.deadlines.next).toBeUndefined()
  })

  it("is told from others that were handed their pieces later", () => {
    const { context, uploader, enqueue, loaded, pass } = setUpPassed({ maxUploadsInFlight: 3 })
    enqueue(1, 0)
    loaded(0)
    pass()
    context.wakeUntil(4000)
    enqueue(2, 1)
    loaded(1)
    pass()
    context.wakeUntil(stalls - 1)
    expect(uploader.stalled).toBe(0)
    context.wakeUntil(stalls)
    expect(uploader.stalled).toBe(1)
    context.wakeUntil(4000 + stalls - 1)
    expect(uploader.stalled).toBe(1)
    context.wakeUntil(4000 + stalls)
    expect(uploader.stalled).toBe(2)
  })
})
