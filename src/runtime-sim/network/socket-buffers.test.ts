// When senders are told that a frame has left, with send buffers of several sizes.

import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"

const told = (end: { readonly sentAt: ReadonlyArray<readonly [payload: unknown, at: number]> }) => end.sentAt

describe.each(["queue", "fair"] as const)("send buffers under %s", (linkModel) => {
  it("report a frame when all but their bytes have left, and change no arrival", () => {
    const play = (socketBuffer: number) => {
      const { pair, send, passTime } = makeWorld({ linkModel, socketBuffer })
      const { a, b } = pair()
      for (const name of ["one", "two", "three", "four"]) send(a, name, MB)
      // Nobody is told from inside a call.
      expect(told(a)).toEqual([])
      passTime(60_000)
      return { told: told(a), arrivals: b.arrivals.map(({ payload, at }) => [payload, at]) }
    }
    const none = play(0)
    const all = ["one", "two", "three", "four"]
    const leaves = [11_000, 21_000, 31_000, 41_000]
    expect(none.told).toEqual(all.map((name, index) => [name, leaves[index]]))
    expect(none.arrivals).toEqual(all.map((name, index) => [name, leaves[index]! + 500]))
    for (const [buffer, when] of [
      [MB - 1, leaves],
      [MB, [1000, 11_000, 21_000, 31_000]],
      [2.5 * MB, [1000, 1000, 11_000, 21_000]],
      [4 * MB, [1000, 1000, 1000, 1000]]
    ] as const) {
      const { told: reports, arrivals } = play(buffer)
      expect(reports).toEqual(all.map((name, index) => [name, when[index]]))
      expect(arrivals).toEqual(none.arrivals)
    }
  })

  it("report nothing of a connection that has ended", () => {
    const { pair, send, passTime, connections, network } = makeWorld({ linkModel, socketBuffer: 2 * MB })
    const { a } = pair()
    for (const name of ["one", "two", "three"]) send(a, name, MB)
    connections.reset(a.end, "enough")
    passTime(60_000)
    expect(told(a)).toEqual([])
    network.checkConservation()
    expect(network.bytesInFlight()).toBe(0)
  })

  it("are each connection's own, and let a sender go on when it is told", () => {
    const { connections, listen, dial, send, passTime } = makeWorld({ linkModel, socketBuffer: MB })
    for (const name of ["b", "c"]) listen(connections.host(name))
    const ab = dial(connections.host("a"), "b")
    const ac = dial(connections.host("a"), "c")
    passTime(1000)
    let sends = 3
    ab.sent = (payload) => {
      ab.sentAt.push([payload, 0])
      if (--sends > 0) send(ab, `left ${sends}`, MB)
    }
    send(ab, "first", MB)
    send(ac, "other", MB)
    passTime(1)
    expect(told(ab).map(([payload]) => payload)).toEqual(["first"])
    expect(told(ac)).toEqual([["other", 1000 + 0]])
    passTime(60_000)
    expect(told(ab).map(([payload]) => payload)).toEqual(["first", "left 2", "left 1"])
  })
})
