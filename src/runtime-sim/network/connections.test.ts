// The life of a single connection, with its instants: it opens, carries frames, closes and breaks.

import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"
import { frameFlags } from "./connection.ts"

describe("a connection", () => {
  it("opens after a round trip, and is refused without a listener", () => {
    const { listen, dial, passTime, connections } = makeWorld()
    const accepted = listen(connections.host("b"))
    const a = dial(connections.host("a"), "b")
    const refused = dial(connections.host("a"), "b", 2)
    const unknown = dial(connections.host("a"), "nobody")
    passTime(5000)
    expect(accepted[0]?.events).toEqual(["opened @500"])
    expect(a.events).toEqual(["opened @1000"])
    expect(refused.events).toEqual(["refused: connection refused by b:2 @1000"])
    expect(unknown.events).toEqual(["refused: no host is called nobody @1"])
  })

  it("delivers a bulk frame after latency and its time on one link, cut through", () => {
    const { pair, send, passTime } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    passTime(20_000)
    expect(a.sentAt).toEqual([["piece", 11_000]])
    expect(b.arrivals).toEqual([{ payload: "piece", size: MB, at: 11_500 }])
  })

  it("is as fast as a slower downlink", () => {
    const { listen, dial, send, passTime, connections } = makeWorld()
    const accepted = listen(connections.host("b", { uplink: 100 * MB, downlink: 50 * MB }))
    const a = dial(connections.host("a"), "b")
    passTime(1000)
    send(a, "piece", MB)
    passTime(30_000)
    expect(accepted[0]?.arrivals[0]?.at).toBe(1000 + 500 + 20_000)
  })

  it("sends control frames past bulk of other connections and behind its own bulk", () => {
    const { listen, dial, send, passTime, connections } = makeWorld()
    const toB = listen(connections.host("b"))
    const toC = listen(connections.host("c"))
    const ab = dial(connections.host("a"), "b")
    const ac = dial(connections.host("a"), "c")
    passTime(1000)
    send(ab, "piece", MB)
    send(ab, "behind", 100)
    send(ac, "past", 100)
    send(ab, "further behind", 100)
    passTime(20_000)
    expect(toC[0]?.arrivals.map(({ at }) => at)).toEqual([1503])
    expect(toB[0]?.arrivals.map(({ payload }) => payload)).toEqual(["piece", "behind", "further behind"])
  })

  it("lets a control frame with a lane of its own pass the bulk before it, but no control frame in order", () => {
    const { pair, send, passTime } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    send(a, "past", 100, frameFlags.overtakes)
    send(a, "behind", 100)
    send(a, "next piece", MB)
    send(a, "behind both", 100, frameFlags.overtakes)
    passTime(40_000)
    const names = b.arrivals.map(({ payload }) => payload)
    expect(names).toEqual(["past", "piece", "behind", "behind both", "next piece"])
    expect(b.arrivals[0]?.at).toBe(1502)
    send(a, "third piece", MB)
    send(a, "past again", 100, frameFlags.overtakes)
    passTime(20_000)
    expect(b.arrivals.at(-2)?.payload).toBe("past again")
  })

  it("delays bulk by the time of the control frames before it", () => {
    const { pair, send, passTime } = makeWorld({ linkModel: "queue" })
    const { a, b } = pair()
    send(a, "first", MB)
    for (let frame = 0; frame < 100; frame++) send(a, "control", 10_000)
    send(a, "second", MB)
    passTime(60_000)
    // Three times a million bytes at 100 bytes per microsecond, minus the microsecond that each rounding may take.
    expect(b.arrivals.at(-1)).toMatchObject({ payload: "second", at: 1000 + 30_000 + 500 })
  })

  it("closes after the last sent frame, and reports the close to both ends once", () => {
    const { network, pair, send, passTime, connections } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    connections.close(a.end, "done")
    send(a, "too late", 10)
    passTime(30_000)
    expect(b.arrivals.map(({ payload }) => payload)).toEqual(["piece"])
    expect(b.events).toEqual(["opened @500", "closed: done @11500"])
    expect(a.events).toEqual(["opened @1000", "closed: done @12000"])
    expect(network.hosts.map(({ ends }) => ends.size)).toEqual([0, 0])
  })

  it("ends at once with a reset", () => {
    const { network, pair, send, passTime, connections } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    connections.reset(a.end, "gone")
    passTime(30_000)
    expect(b.arrivals).toEqual([])
    expect([a.events[1], b.events[1]]).toEqual(["closed: gone @1000", "closed: gone @1500"])
    network.checkConservation()
  })
})

describe("faults", () => {
  it("is reset by the machine of a killed process, whose queued frames never leave", () => {
    const { faults, network, pair, send, passTime, dial } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    for (let piece = 0; piece < 5; piece++) send(a, piece, MB)
    passTime(15_000)
    faults.killProcess(hostA)
    passTime(5_000_000)
    expect(b.arrivals.map(({ payload }) => payload)).toEqual([0])
    expect(b.events[1]).toBe("closed: a reset the connection @16500")
    expect(a.events).toEqual(["opened @1000"])
    faults.killProcess(hostB)
    const again = dial(hostA, "b")
    passTime(10_000)
    expect(again.events[0]).toMatch(/refused: connection refused/)
    network.checkConservation()
    expect(network.bytesInFlight()).toBe(0)
  })

  it("breaks by timeout when a machine loses power", () => {
    const { faults, pair, send, passTime, dial } = makeWorld()
    const { a, b, hostA } = pair()
    for (let piece = 0; piece < 3; piece++) send(a, piece, MB)
    faults.powerOff(hostA)
    const late = dial(b.end.host, "a")
    passTime(5_000_000)
    expect(b.arrivals).toEqual([])
    expect(b.events[1]).toBe("closed: a does not answer @1001000")
    expect(a.events).toHaveLength(1)
    expect(late.events).toEqual(["refused: a:1 does not answer @3001000"])
  })

  it("breaks at a cut when it is used, and survives when it is idle until the cut heals", () => {
    const { faults, pair, send, dial, passTime, network } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    const idle = dial(hostA, "b")
    passTime(2000)
    send(a, "lost", MB)
    faults.cut(hostA, hostB)
    const unanswered = dial(hostA, "b")
    passTime(500_000)
    faults.heal(hostA, hostB)
    passTime(5_000_000)
    expect(b.arrivals).toEqual([])
    expect(a.events[1]).toBe("closed: the link is cut @1003000")
    expect(b.events[1]).toBe("closed: the link is cut @1003000")
    expect(unanswered.events).toEqual(["refused: b:1 does not answer @3003000"])
    expect(idle.events).toHaveLength(1)
    send(idle, "again", 100)
    passTime(10_000)
    expect(network.links.bytes(hostB.index).received).toBeGreaterThan(0)
    network.checkConservation()
  })

  it("breaks at a cut while a control frame is in flight, and not once it has arrived", () => {
    for (const inFlight of [true, false]) {
      const { faults, pair, send, passTime } = makeWorld()
      const { a, b, hostA, hostB } = pair()
      send(a, "control", 100)
      if (!inFlight) passTime(1000)
      faults.cut(hostA, hostB)
      passTime(2_000_000)
      expect(b.arrivals).toHaveLength(inFlight ? 0 : 1)
      expect([a.over, b.over]).toEqual([inFlight, inFlight])
    }
  })

  it("loses one direction at a one-way cut", () => {
    const { faults, pair, send, passTime } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    faults.cutOneWay(hostA, hostB)
    send(b, "arrives", 100)
    passTime(10_000)
    expect(a.arrivals).toHaveLength(1)
    send(a, "lost", 100)
    passTime(2_000_000)
    expect(b.arrivals).toHaveLength(0)
    expect([a.over, b.over]).toEqual([true, true])
  })

  it("does not open while either direction is cut", () => {
    const { faults, listen, dial, passTime, connections } = makeWorld()
    const [a, b] = [connections.host("a"), connections.host("b")]
    const accepted = listen(b)
    for (const [from, to] of [
      [a, b],
      [b, a]
    ] as const) {
      faults.cutOneWay(from, to)
      const dialled = dial(a, "b")
      passTime(4_000_000)
      expect(dialled.events).toEqual([expect.stringMatching(/^refused: b:1 does not answer @/)])
      expect(accepted).toEqual([])
      faults.heal(a, b)
    }
    const dialled = dial(a, "b")
    passTime(4_000_000)
    expect(dialled.events).toEqual([expect.stringMatching(/^opened @/)])
  })

  it("fails between the groups of a partition, and works again after it heals", () => {
    const { faults, listen, dial, passTime, connections } = makeWorld()
    const [a, b, c] = [connections.host("a"), connections.host("b"), connections.host("c")]
    listen(b)
    listen(c)
    faults.partition([[a, b]])
    const inside = dial(a, "b")
    const across = dial(a, "c")
    passTime(4_000_000)
    faults.healAll()
    const healed = dial(a, "c")
    passTime(1_000_000)
    expect(inside.events[0]).toMatch(/^opened/)
    expect(across.events[0]).toMatch(/^refused/)
    expect(healed.events[0]).toMatch(/^opened/)
  })
})
