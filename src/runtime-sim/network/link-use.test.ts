// Tests of the use of access links that the network reports, against cases worked out by hand: how long bulk was on a
// link, and how many bytes it has carried. Links have 100 bytes a microsecond and a latency of 500.

import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"

/** A world in which `a` and `c` have connections to `b`, at 3 ms. */
const threeHosts = (linkModel: "fair" | "queue") => {
  const world = makeWorld({ linkModel })
  const { connections, listen, dial, passTime, kernel, network } = world
  const [a, b, c] = ["a", "b", "c"].map((name) => connections.host(name)) as [never, never, never]
  listen(b)
  const [fromA, fromC] = [dial(a, "b"), dial(c, "b")]
  passTime(3000 - kernel.now)
  const use = (host: typeof a) => {
    const { uplink, downlink } = network.use(host)
    return [uplink.busy, uplink.bytes, downlink.busy, downlink.bytes].map(Math.round)
  }
  return { ...world, a, b, c, fromA, fromC, use }
}

describe("the use of access links", () => {
  it("is nothing before the first bulk frame", () => {
    for (const model of ["fair", "queue"] as const) {
      const { a, b, use } = threeHosts(model)
      expect([use(a), use(b)]).toEqual([
        [0, 0, 0, 0],
        [0, 0, 0, 0]
      ])
    }
  })

  it("counts shared links as busy, and the bytes of their shares, also within frames", () => {
    const { a, b, c, fromA, fromC, use, send, passTime } = threeHosts("fair")
    // Both share b's downlink: 50 bytes a microsecond each. a has sent its MB after 20 ms, and c goes on alone with the
    // other half of its 2 MB, until 30 ms.
    send(fromA, 1, MB)
    send(fromC, 2, 2 * MB)
    passTime(10_000)
    expect([use(a), use(b), use(c)]).toEqual([
      [10_000, MB / 2, 0, 0],
      [0, 0, 10_000, MB],
      [10_000, MB / 2, 0, 0]
    ])
    passTime(15_000)
    expect([use(a), use(b), use(c)]).toEqual([
      [20_000, MB, 0, 0],
      [0, 0, 25_000, 2.5 * MB],
      [25_000, 1.5 * MB, 0, 0]
    ])
    passTime(75_000)
    expect([use(a), use(b), use(c)]).toEqual([
      [20_000, MB, 0, 0],
      [0, 0, 30_000, 3 * MB],
      [30_000, 2 * MB, 0, 0]
    ])
  })

  it("leaves out the bytes of a frame that a closed connection has not carried", () => {
    const { a, b, fromA, use, send, passTime, connections } = threeHosts("fair")
    send(fromA, 1, MB)
    passTime(4000)
    connections.reset(fromA.end, "test")
    passTime(50_000)
    expect(use(a)[1]).toBe(use(b)[3])
    expect(use(a)).toEqual([use(a)[0], 100 * use(a)[0]!, 0, 0])
    expect(use(a)[0]).toBeGreaterThanOrEqual(4000)
    expect(use(a)[0]).toBeLessThanOrEqual(4500)
  })

  it("is that of whole frames one after the other on queues", () => {
    const { a, b, c, fromA, fromC, use, send, passTime } = threeHosts("queue")
    // Both uplinks send at full rate from 0 on, for 10 and 20 ms. The downlink receives from 0.5 ms on, for 30 ms.
    send(fromA, 1, MB)
    send(fromC, 2, 2 * MB)
    passTime(5000)
    expect([use(a), use(c)]).toEqual([
      [5000, MB / 2, 0, 0],
      [5000, MB / 2, 0, 0]
    ])
    passTime(10_500)
    // The downlink is booked when a frame has left: that of a.
    expect([use(a), use(b), use(c)]).toEqual([
      [10_000, MB, 0, 0],
      [0, 0, 10_000, MB],
      [15_500, 1.55 * MB, 0, 0]
    ])
    passTime(10_000)
    expect([use(b), use(c)]).toEqual([
      [0, 0, 25_000, 2.5 * MB],
      [20_000, 2 * MB, 0, 0]
    ])
    passTime(50_000)
    send(fromA, 3, MB)
    passTime(50_000)
    expect([use(a), use(b)]).toEqual([
      [20_000, 2 * MB, 0, 0],
      [0, 0, 40_000, 4 * MB]
    ])
  })
})
