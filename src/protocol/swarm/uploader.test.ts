// The uploader alone, by single calls: its room, what it loads and sends, and how an upload ends.

import { describe, expect, it } from "vitest"
import { piecesOf, testNeighbour } from "../../../testing/protocol/test-context.ts"
import {
  counts,
  loadedBytes,
  setUpUploader as setUp,
  watchedSwarm
} from "../../../testing/protocol/test-uploader.ts"
import { testMetainfo, testSwarm } from "../../../testing/protocol/test-values.ts"
import { levelsAbove } from "../wire/hash-tree.ts"

it("has one place more for a neighbour that is behind those that are served", () => {
  const { uploader, neighbours, enqueue } = setUp({ maxUploadQueue: 2, piecesBehind: 4 })
  const has = (connection: number, count: number): void => {
    const pieces = Array.from({ length: count }, (_, piece) => piece)
    Object.assign(neighbours[connection]!, { theirs: piecesOf(40, ...pieces), swarm: neighbours[0]!.swarm })
  }
  has(1, 10)
  has(2, 14)
  enqueue(1, 0)
  enqueue(2, 1)
  const hasRoomAt = (count: number): boolean => {
    has(3, count)
    return uploader.hasRoom(1000, neighbours[3]!)
  }
  // Those that are served have 12 on average.
  expect([hasRoomAt(12), hasRoomAt(8), hasRoomAt(7), hasRoomAt(0)]).toEqual([false, false, true, true])
  enqueue(3, 2)
  has(4, 0)
  expect(uploader.hasRoom(1000, neighbours[4]!)).toBe(false)
})

describe("the uploader's room", () => {
  it("ends with the last piece of the queue", () => {
    const { uploader, enqueue } = setUp({ maxUploadQueue: 2 })
    expect(uploader.hasRoom(1, testNeighbour(10))).toBe(true)
    enqueue(1, 0)
    expect(uploader.hasRoom(1, testNeighbour(10))).toBe(true)
    enqueue(1, 1)
    expect(uploader.hasRoom(1, testNeighbour(10))).toBe(false)
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("ends with the last byte; a piece above the bound has room alone", () => {
    const { uploader, enqueue } = setUp({ maxUploadQueue: 9, maxUploadBytes: 3000 })
    expect(uploader.hasRoom(3001, testNeighbour(10))).toBe(true)
    enqueue(1, 0)
    expect(uploader.hasRoom(2000, testNeighbour(10))).toBe(true)
    expect(uploader.hasRoom(2001, testNeighbour(10))).toBe(false)
  })
})

describe("what the uploader loads and sends", () => {
  it("loads as many pieces as may be on their way, and the next one when one has left", () => {
    const { uploader, context, enqueue, loaded, sent, out } = setUp({ maxUploadsInFlight: 2 })
    for (const piece of [1, 2, 3]) enqueue(piece, piece)
    expect(out()).toEqual(["load 1", "load 2"])
    loaded(1)
    loaded(2)
    expect(out()).toEqual(["1 <- piece 1", "2 <- piece 2"])
    sent(1, 1)
    expect(out()).toEqual(["load 3"])
    expect(context.counters).toMatchObject({ piecesSent: 1, bytesSent: 1000 })
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("sends a Piece on the neighbour's channel, with the swarm's id and the payload of the store", () => {
    const { context, uploader, swarms, enqueue } = setUp()
    enqueue(3, 7, { swarm: 1 })
    context.take()
    const { payload, proof } = loadedBytes
    uploader.pieceLoaded({ swarm: swarms[1].id, piece: 7, payload, proof }, 0)
    expect(context.take()).toEqual([
      {
        tag: "Send",
        connection: 3,
        message: { tag: "Piece", channel: 103, piece: 7, proof: expect.anything(), payload },
        swarm: swarms[1].id
      }
    ])
  })

  it("sends each neighbour the uncles that the pieces that it announced do not vouch for", () => {
    const { context, uploader, swarms, neighbours, enqueue } = setUp({ maxUploadsInFlight: 3 })
    const count = neighbours[1]!.theirs!.length
    const whole = Uint8Array.from({ length: 32 * levelsAbove(count) }, (_, index) => index >> 5)
    neighbours[2]!.theirs!.set(6)
    neighbours[3]!.theirs!.set(4)
    for (const connection of [1, 2, 3]) enqueue(connection, 7)
    context.take()
    uploader.pieceLoaded({ swarm: swarms[0].id, piece: 7, payload: loadedBytes.payload, proof: whole }, 0)
    const proofs = context.take().map((output) => {
      if (output.tag !== "Send" || output.message.tag !== "Piece") throw new Error("not a Piece")
      return [output.connection, Array.from(output.message.proof as Uint8Array)]
    })
    expect(proofs).toEqual([
      [1, Array.from(whole)],
      [2, []],
      [3, Array.from(whole.subarray(0, 32))]
    ])
  })

  it("sends the whole signature of a piece of an arrival, whatever the neighbour has", () => {
    const { context, uploader, neighbours } = setUp()
    const { root: key, ...blob } = testMetainfo(40, 1000)
    const arriving = watchedSwarm(3, { ...blob, key })
    const signature = new Uint8Array(64).fill(9)
    neighbours[1]!.theirs!.set(6)
    uploader.enqueue(arriving, neighbours[1]!, 7, 1000)
    context.take()
    uploader.pieceLoaded({ swarm: arriving.id, piece: 7, payload: loadedBytes.payload, proof: signature }, 0)
    const [output] = context.take()
    expect(output?.tag === "Send" && output.message.tag === "Piece" && output.message.proof).toBe(signature)
  })

  it("loads a piece once for all neighbours that wait for it", () => {
    const { enqueue, loaded, out } = setUp({ maxUploadsInFlight: 3 })
    for (const connection of [1, 2, 3]) enqueue(connection, 7)
    enqueue(4, 7, { swarm: 1 })
    expect(out()).toEqual(["load 7"])
    loaded(7)
    expect(out()).toEqual(["1 <- piece 7", "2 <- piece 7", "3 <- piece 7"])
  })

  it("sends a loaded piece to nobody who has been sent it before", () => {
    const { enqueue, loaded, out } = setUp()
    enqueue(1, 7)
    loaded(7)
    enqueue(2, 7)
    out()
    loaded(7)
    expect(out()).toEqual(["2 <- piece 7"])
  })

  it("tells pieces of one number in two swarms apart", () => {
    const { enqueue, loaded, sent, out, uploader } = setUp({ maxUploadsInFlight: 4 })
    enqueue(1, 7)
    enqueue(1, 7, { swarm: 1 })
    enqueue(1, 8, { swarm: 1 })
    expect(out()).toEqual(["load 7", "load b7", "load b8"])
    loaded(7, 1)
    expect(out()).toEqual(["1 <- piece 7"])
    expect(() => loaded(7, 1)).toThrow("piece 7 was loaded but not asked for")
    loaded(8, 1)
    loaded(7)
    out()
    sent(1, 8, 1)
    sent(1, 7, 1)
    expect(uploader.isServing(testSwarm(2))).toBe(false)
    expect(uploader.isServing(testSwarm(1))).toBe(true)
    sent(1, 7)
    expect(uploader.isServing(testSwarm(1))).toBe(false)
  })

  it("serves swarms in turn, and neighbours in turn within a swarm", () => {
    const { enqueue, loaded, sent, out } = setUp({ maxUploadsInFlight: 1 })
    for (const piece of [0, 1, 2]) enqueue(1, piece)
    enqueue(2, 3)
    enqueue(3, 9, { swarm: 1 })
    enqueue(1, 10, { swarm: 1 })
    const order: string[] = []
    for (const [connection, piece, swarm] of [
      [1, 0, 0],
      [3, 9, 1],
      [2, 3, 0],
      [1, 10, 1],
      [1, 1, 0],
      [1, 2, 0]
    ] as const) {
      order.push(...out())
      loaded(piece, swarm)
      sent(connection, piece, swarm)
    }
    expect(order.filter((text) => text.startsWith("load"))).toEqual([
      "load 0",
      "load b9",
      "load 3",
      "load b10",
      "load 1",
      "load 2"
    ])
  })

  it("serves the swarm whose turn it is, though another swarm's neighbour was served longer ago", () => {
    const { enqueue, loaded, sent, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(2, 0)
    enqueue(1, 1, { swarm: 1 })
    enqueue(2, 2)
    enqueue(3, 3, { swarm: 1 })
    loaded(0)
    sent(2, 0)
    loaded(1, 1)
    out()
    sent(1, 1, 1)
    expect(out()).toEqual(["load 2"])
  })

  it("counts a load that nobody waits for any more as in flight, and drops its piece", () => {
    const { uploader, neighbours, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(1, 0)
    uploader.cancel(neighbours[1]!, 0)
    enqueue(2, 5)
    expect(out()).toEqual(["load 0", "1 <- cancelled 0"])
    loaded(0)
    expect(out()).toEqual(["load 5"])
  })

  it("counts such a load beside loads of other pieces and swarms", () => {
    const { uploader, neighbours, enqueue, out } = setUp({ maxUploadsInFlight: 3 })
    enqueue(1, 0)
    enqueue(2, 5)
    enqueue(3, 0, { swarm: 1 })
    uploader.cancel(neighbours[1]!, 0)
    out()
    enqueue(4, 6)
    expect(out()).toEqual([])
  })

  it("keeps a second load that is still out apart from the one that has come back", () => {
    const { uploader, neighbours, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(1, 5)
    uploader.cancel(neighbours[1]!, 0)
    uploader.cancel(neighbours[1]!, 5)
    enqueue(2, 6)
    loaded(5)
    expect(out().slice(-1)).toEqual(["load 6"])
    loaded(0)
    expect(() => loaded(5)).toThrow()
  })

  it("asks again for a piece whose first load came back, and joins one that is out", () => {
    const { uploader, neighbours, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    uploader.cancel(neighbours[1]!, 0)
    enqueue(2, 0)
    loaded(0)
    expect(out()).toEqual(["load 0", "1 <- cancelled 0", "2 <- piece 0"])
    enqueue(3, 0)
    expect(out()).toEqual(["load 0"])
  })

  it("refuses what cannot be loaded, and goes on with the next piece", () => {
    const { uploader, swarms, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 4 })
    enqueue(1, 3)
    enqueue(2, 3)
    enqueue(3, 3, { swarm: 1 })
    enqueue(4, 4)
    enqueue(5, 5)
    expect(out()).toEqual(["load 3", "load b3", "load 4"])
    uploader.pieceLoadFailed(swarms[0].id, 3)
    expect(out()).toEqual(["2 <- failed 3", "1 <- failed 3", "load 5"])
    expect(swarms[0].aborted).toEqual([
      [2, 3],
      [1, 3]
    ])
    expect(() => uploader.pieceLoadFailed(swarms[0].id, 3)).toThrow("not asked for")
    uploader.pieceLoadFailed(swarms[0].id, 4)
    expect(out()).toEqual(["4 <- failed 4"])
    loaded(3, 1)
    expect(out()).toEqual(["3 <- piece 3"])
  })

  it("leaves a waiting request of the piece alone when an earlier load of it fails", () => {
    const { uploader, swarms, neighbours, enqueue, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(1, 3)
    uploader.cancel(neighbours[1]!, 3)
    enqueue(2, 3)
    out()
    uploader.pieceLoadFailed(swarms[0].id, 3)
    expect(out()).toEqual(["load 3"])
  })
})

describe("what ends an upload", () => {
  it("is a Reject when the request is cancelled before its piece was sent, and the Piece after", () => {
    const { context, uploader, swarms, neighbours, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(1, 0)
    enqueue(2, 1)
    enqueue(1, 1)
    out()
    uploader.cancel(neighbours[1]!, 1)
    expect(out()).toEqual(["1 <- cancelled 1"])
    expect(swarms[0].aborted).toEqual([[1, 1]])
    uploader.cancel(neighbours[1]!, 1)
    loaded(0)
    uploader.cancel(neighbours[1]!, 0)
    expect(out()).toEqual(["1 <- piece 0"])
    expect(context.counters.rejectsSent).toBe(1)
    expect(uploader.has(neighbours[1]!, 0)).toBe(true)
    expect(uploader.has(neighbours[2]!, 0)).toBe(false)
    expect(uploader.has(neighbours[2]!, 1)).toBe(true)
    expect(counts(uploader)).toEqual([2, 0, 2000])
  })

  it("makes place for the next piece when a load is cancelled that another neighbour does not wait for", () => {
    const { uploader, neighbours, enqueue, out } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(2, 0)
    enqueue(3, 5)
    expect(out()).toEqual(["load 0"])
    uploader.cancel(neighbours[2]!, 0)
    expect(out()).toEqual(["2 <- cancelled 0", "load 5"])
  })

  it("is a Reject with the channel and no wait, but for busy", () => {
    const { context, uploader, neighbours, enqueue } = setUp()
    enqueue(4, 2)
    enqueue(5, 2)
    context.take()
    uploader.cancel(neighbours[4]!, 2)
    expect(context.sent()).toEqual([
      [4, { tag: "Reject", channel: 104, piece: 2, reason: "cancelled", retryAfter: 0 }]
    ])
  })

  it("is a Reject when the channel closes, but not for a piece that is being sent", () => {
    const { uploader, neighbours, enqueue, loaded, sent, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(1, 0)
    enqueue(1, 1)
    enqueue(2, 2)
    enqueue(1, 3)
    loaded(0)
    out()
    uploader.channelClosed(neighbours[1]!, true)
    expect(out()).toEqual(["1 <- closed 3", "1 <- closed 1"])
    expect(counts(uploader)).toEqual([2, 0, 2000])
    sent(1, 0)
    expect(out()).toEqual(["load 2"])
    uploader.channelClosed(neighbours[2]!, false)
    expect(out()).toEqual([])
    expect(counts(uploader)).toEqual([0, 0, 0])
  })

  it("lets others go on when a channel closes", () => {
    const { uploader, neighbours, enqueue, out } = setUp({ maxUploadsInFlight: 2 })
    enqueue(1, 0)
    enqueue(3, 0)
    enqueue(2, 2)
    out()
    uploader.channelClosed(neighbours[1]!, false)
    expect(out()).toEqual(["load 2"])
  })

  it("is nothing when the connection is lost, and includes what was being sent", () => {
    const { uploader, swarms, neighbours, enqueue, loaded, out } = setUp({ maxUploadsInFlight: 1 })
    enqueue(1, 0)
    enqueue(1, 1)
    enqueue(2, 2)
    loaded(0)
    out()
    uploader.disconnected(neighbours[1]!.session)
    expect(out()).toEqual(["load 2"])
    expect(counts(uploader)).toEqual([1, 0, 1000])
    expect(swarms[0].aborted).toEqual([
      [1, 1],
      [1, 0]
    ])
  })

  it("is the send of that piece, swarm and connection, once", () => {
    const { context, uploader, enqueue, loaded, sent } = setUp({ maxUploadsInFlight: 9 })
    enqueue(1, 5)
    enqueue(1, 6)
    enqueue(2, 6)
    enqueue(1, 6, { swarm: 1 })
    loaded(6)
    loaded(6, 1)
    sent(1, 5)
    sent(3, 6)
    expect(context.counters.piecesSent).toBe(0)
    sent(2, 6)
    sent(1, 6, 1)
    expect(context.counters.piecesSent).toBe(2)
    expect(counts(uploader)).toEqual([2, 0, 2000])
    sent(2, 6)
    expect(counts(uploader)).toEqual([2, 0, 2000])
    sent(1, 6)
    expect(counts(uploader)).toEqual([1, 0, 1000])
  })

  it("is one send for each of two channels that a connection had in turn", () => {
    const { uploader, swarms, enqueue, loaded, sent } = setUp({ maxUploadsInFlight: 3 })
    enqueue(1, 6)
    enqueue(2, 6)
    loaded(6)
    uploader.enqueue(swarms[0], testNeighbour(1), 6, 1000)
    loaded(6)
    sent(1, 6)
    expect(counts(uploader)).toEqual([2, 0, 2000])
    sent(1, 6)
    expect(counts(uploader)).toEqual([1, 0, 1000])
  })
})
