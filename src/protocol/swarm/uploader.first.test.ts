// The first piece of a neighbour that has none goes out alone, for a while.

import { describe, expect, it } from "vitest"
import { testNeighbour } from "../../../testing/protocol/test-context.ts"
import { setUpUploader } from "../../../testing/protocol/test-uploader.ts"

const setUp = () => setUpUploader({ firstPiecePatience: 4 })

describe("the first piece of a neighbour", () => {
  it("is followed by no other one until it has left", () => {
    const { enqueue, loaded, sent, out } = setUp()
    enqueue(1, 1)
    enqueue(2, 2)
    enqueue(3, 3)
    expect(out()).toEqual(["load 1"])
    loaded(1)
    expect(out()).toEqual(["1 <- piece 1"])
    sent(1, 1)
    expect(out()).toEqual(["load 2"])
  })

  it("goes beside the pieces that are on their way already", () => {
    const { neighbours, enqueue, out } = setUp()
    neighbours[1]!.theirs!.set(7)
    neighbours[2]!.theirs!.set(7)
    enqueue(1, 1)
    enqueue(3, 3)
    enqueue(2, 2)
    expect(out()).toEqual(["load 1", "load 3"])
  })

  it("is that of a neighbour which has no piece and was sent none", () => {
    const holder = setUp()
    holder.neighbours[1]!.theirs!.set(7)
    holder.enqueue(1, 1)
    holder.enqueue(1, 2)
    expect(holder.out()).toEqual(["load 1", "load 2"])
    const served = setUp()
    served.enqueue(1, 1)
    served.loaded(1)
    served.sent(1, 1)
    served.enqueue(1, 2)
    served.enqueue(1, 3)
    expect(served.out()).toEqual(["load 1", "1 <- piece 1", "load 2", "load 3"])
  })

  it("has the uplink to itself for firstPiecePatience times its usual time, and no longer", () => {
    const { context, uploader, enqueue, loaded, sent, out } = setUp()
    enqueue(1, 1)
    enqueue(2, 2)
    loaded(1)
    out()
    context.wakeUntil(3999)
    expect(out()).toEqual([])
    context.wakeUntil(4000)
    expect(out()).toEqual(["load 2"])
    // What the late one did is over with it: the next first piece has its whole time.
    loaded(2)
    enqueue(3, 3)
    sent(1, 1)
    expect(out()).toEqual(["2 <- piece 2"])
    sent(2, 2)
    expect(out()).toEqual(["load 3"])
    expect(uploader.queued).toBe(1)
  })

  it("goes with others on a connection on which one was late, when the peer leaves and comes back as new", () => {
    const { context, uploader, swarms, neighbours, enqueue, loaded, out } = setUp()
    const slow = neighbours[1]!
    enqueue(1, 1)
    loaded(1)
    context.wakeUntil(4000)
    uploader.channelClosed(slow, false)
    const again = Object.assign(testNeighbour(1), { session: slow.session })
    out()
    uploader.enqueue(swarms[0], again, 2, 1000)
    enqueue(3, 3)
    expect(out()).toEqual(["load 2", "load 3"])
  })

  it("holds nothing up when its load fails, it is cancelled, or the neighbour leaves", () => {
    const failed = setUp()
    failed.enqueue(1, 1)
    failed.enqueue(2, 2)
    failed.uploader.pieceLoadFailed(failed.swarms[0].id, 1)
    expect(failed.out()).toEqual(["load 1", "1 <- failed 1", "load 2"])
    const cancelled = setUp()
    cancelled.enqueue(1, 1)
    cancelled.enqueue(2, 2)
    cancelled.uploader.cancel(cancelled.neighbours[1]!, 1)
    expect(cancelled.out()).toEqual(["load 1", "1 <- cancelled 1", "load 2"])
    const left = setUp()
    left.enqueue(1, 1)
    left.enqueue(2, 2)
    left.loaded(1)
    left.uploader.disconnected(left.neighbours[1]!.session)
    expect(left.out()).toEqual(["load 1", "1 <- piece 1", "load 2"])
  })
})
