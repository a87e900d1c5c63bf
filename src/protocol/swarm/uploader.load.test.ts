// The uploader under load, by single calls: room for a second swarm, the wait that it names, peers that do not take
// their pieces.

import { describe, expect, it } from "vitest"
import { counts, setUpUploader as setUp, watchedSwarm } from "../../../testing/protocol/test-uploader.ts"

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
    expect(uploader.makeRoomFor(watchedSwarm(3), 1000)).toBe(false)
    expect(out()).toEqual([])
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("is not made by pieces that are loading", () => {
    const { uploader, enqueue, out } = setUp({ maxUploadQueue: 2, maxUploadsInFlight: 2 })
    enqueue(1, 1)
    enqueue(2, 2)
    out()
    expect(uploader.makeRoomFor(watchedSwarm(3), 1000)).toBe(false)
    expect(out()).toEqual([])
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
  it("is half of what the queue takes at the assumed rate, within maxRejectBackoff", () => {
    const { uploader, enqueue } = setUp({ maxRejectBackoff: 2000 })
    expect(uploader.retryAfter()).toBe(0)
    enqueue(1, 0, { bytes: 3001 })
    expect(uploader.retryAfter()).toBe(1501)
    enqueue(1, 1, { bytes: 3000 })
    expect(uploader.retryAfter()).toBe(2000)
  })

  it("follows the time that sends take, an eighth at each", () => {
    const { context, uploader, enqueue, loaded, sent } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(1, 1)
    context.now = 500
    loaded(0)
    loaded(1)
    // The link was free: the first piece took from its hand-over on, 9000 microseconds for 1000 bytes.
    context.now = 9500
    sent(1, 0)
    expect(uploader.retryAfter()).toBe(1000)
    // The second took the time since the first had left: (1 - 2) / 8 less.
    context.now = 10_500
    sent(1, 1)
    enqueue(1, 2, { bytes: 16_000 })
    expect(uploader.retryAfter()).toBe(15_000)
  })
})

describe("a peer that does not take its piece", () => {
  // 1000 bytes in the queue at a byte a microsecond: a piece is late 500 + 8 x 1000 microseconds after it was sent, and
  // given up after 2 x (10,000 + 1000).
  const rules = {
    uploadStallTime: 500,
    requestTimeoutBase: 10_000,
    requestTimeoutPerMiB: MiB,
    maxUploadsInFlight: 1,
    maxUploadQueue: 2
  }
  const stalls = 8500
  const givenUp = 22_000

  it("lends its place to others once it is late, and is dropped when the asker has given up", () => {
    const { context, uploader, enqueue, loaded, sent, out } = setUp(rules)
    enqueue(1, 0)
    context.wakeUntil(100)
    loaded(0)
    context.wakeUntil(100 + stalls - 1)
    expect(counts(uploader)).toEqual([1, 0, 1000])
    context.wakeUntil(100 + stalls)
    expect(counts(uploader)).toEqual([0, 1, 1000])
    out()
    enqueue(2, 1)
    expect(out()).toEqual(["load 1"])
    loaded(1)
    sent(2, 1)
    context.wakeUntil(100 + givenUp - 1)
    expect(context.asked).toEqual([])
    context.wakeUntil(100 + givenUp)
    expect(context.asked).toEqual(["drop 1 stalled: a piece does not get through"])
    expect(counts(uploader)).toEqual([0, 1, 1000])
  })

  it("is late, and given up, after whole microseconds", () => {
    // 8 x 1001 / 16 and 1001 / 2 end with half a microsecond.
    const { context, uploader, enqueue, loaded } = setUp({
      ...rules,
      initialUploadTimePerMiB: MiB / 16,
      requestTimeoutPerMiB: MiB / 2
    })
    enqueue(1, 0, { bytes: 1001 })
    loaded(0)
    expect(context.deadlines.next).toBe(500 + 501)
    context.wakeUntil(500 + 501)
    expect(uploader.stalled).toBe(1)
    expect(context.deadlines.next).toBe(2 * (10_000 + 501))
  })

  it("is late earlier when what was queued with its piece has left", () => {
    const { context, uploader, enqueue, loaded, sent } = setUp({ ...rules, maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(2, 1)
    loaded(0)
    loaded(1)
    context.wakeUntil(1000)
    sent(1, 0)
    context.wakeUntil(stalls)
    expect(uploader.stalled).toBe(1)
  })

  it("is dropped in the order of the queue", () => {
    const { context, enqueue, loaded } = setUp({ ...rules, maxUploadsInFlight: 2, maxUploadQueue: 0 })
    enqueue(2, 0)
    enqueue(1, 1)
    loaded(0)
    loaded(1)
    context.wakeUntil(500 + 16_000)
    expect(context.asked.map((text) => text.slice(0, 6))).toEqual(["drop 2", "drop 1"])
  })

  it("lets the piece that waited for its place be loaded at once", () => {
    const { context, enqueue, loaded, out } = setUp({ ...rules, uploadStallTime: 600 })
    enqueue(1, 0)
    enqueue(2, 1)
    loaded(0)
    out()
    // 2000 bytes are queued.
    context.wakeUntil(600 + 16_000 - 1)
    expect(out()).toEqual([])
    context.wakeUntil(600 + 16_000)
    expect(out()).toEqual(["load 1"])
  })

  it("is not waited for longer than the asker waits, however long the queue", () => {
    const { context, uploader, enqueue, loaded } = setUp({ ...rules, maxUploadQueue: 9 })
    for (let piece = 0; piece < 4; piece++) enqueue(1, piece)
    loaded(0)
    context.wakeUntil(givenUp - 1)
    expect(uploader.stalled).toBe(0)
    context.wakeUntil(givenUp)
    expect(context.asked).toEqual(["drop 1 stalled: a piece does not get through"])
  })

  it("counts no more than before when its piece leaves after all", () => {
    const { context, uploader, enqueue, loaded, sent } = setUp(rules)
    enqueue(1, 0)
    loaded(0)
    context.wakeUntil(stalls)
    expect(uploader.stalled).toBe(1)
    sent(1, 0)
    expect(counts(uploader)).toEqual([0, 0, 0])
    expect(context.counters.piecesSent).toBe(1)
    // The stall says nothing of the uplink: 1000 bytes are still assumed to take 1000 microseconds.
    enqueue(1, 1)
    expect(uploader.retryAfter()).toBe(500)
    context.wakeUntil(1_000_000)
    expect(context.asked).toEqual([])
  })

  it("lends no more places than the queue has: the next one is dropped", () => {
    const { context, uploader, enqueue, loaded } = setUp({ ...rules, maxUploadQueue: 1 })
    enqueue(1, 0)
    loaded(0)
    context.wakeUntil(stalls)
    enqueue(2, 1)
    loaded(1)
    expect(context.asked).toEqual([])
    // 2000 bytes are queued now.
    context.wakeUntil(stalls + 500 + 16_000 - 1)
    expect(counts(uploader)).toEqual([1, 1, 2000])
    expect(context.asked).toEqual(["drop 1 stalled: a piece does not get through"])
    context.wakeUntil(stalls + 500 + 16_000)
    expect(context.asked.slice(1)).toContain("drop 2 stalled: a piece does not get through")
  })

  it("is left alone while its connection is being closed", () => {
    const { context, neighbours, enqueue, loaded } = setUp(rules)
    enqueue(1, 0)
    Object.assign(neighbours[1]!.session, { state: "closing" })
    loaded(0)
    expect(context.deadlines.next).toBeUndefined()
  })

  it("is told from others that were handed their pieces later", () => {
    const { context, uploader, enqueue, loaded } = setUp({
      ...rules,
      maxUploadsInFlight: 2,
      maxUploadQueue: 9
    })
    enqueue(1, 0)
    loaded(0)
    context.wakeUntil(4000)
    enqueue(2, 1)
    loaded(1)
    // 2000 bytes are queued since then; the check that was set for 1000 bytes comes too early.
    context.wakeUntil(500 + 16_000 - 1)
    expect(uploader.stalled).toBe(0)
    context.wakeUntil(500 + 16_000)
    expect(uploader.stalled).toBe(1)
    context.wakeUntil(4000 + 500 + 16_000)
    expect(uploader.stalled).toBe(2)
  })
})
