// The cost of a lost frame: one timeout for it and for the frames behind it, its bytes once more, and nothing else.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"
import { playGossip } from "../../../testing/runtime-sim/workload.ts"
import { FrameLoss } from "./frame-loss.ts"
import { NetworkRefused } from "./link-model.ts"
import { bulkThreshold } from "./links.ts"

const models = ["queue", "fair", "fair-exact"] as const

describe.each(models)("frames lost over the model %s", (linkModel) => {
  it("arrive late by timeouts and in order, and every copy is accounted for", () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: bulkThreshold }),
      fc.integer({ min: bulkThreshold, max: MB })
    )
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(100_000), size }), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(0.05, 0.5),
        (frames, probability) => {
          const play = (loss: { probability: number; timeout: number } | undefined) => {
            const { pair, at, send, passTime, network, kernel } = makeWorld({ linkModel, loss })
            const { a, b, hostA, hostB } = pair()
            for (const [index, frame] of frames.entries()) {
              at(kernel.now + frame.at, () => send(a, index, frame.size))
            }
            passTime(200_000_000)
            network.checkConservation()
            expect(network.bytesInFlight()).toBe(0)
            const { sent, lost } = network.links.bytes(hostA.index)
            return { arrivals: b.arrivals, sent, lost, received: network.links.bytes(hostB.index).received }
          }
          const calm = play(undefined)
          const rough = play({ probability, timeout: 300_000 })
          expect(rough.arrivals.map(({ payload }) => payload)).toEqual(
            calm.arrivals.map(({ payload }) => payload)
          )
          expect(rough.received).toBe(calm.received)
          expect(rough.sent).toBe(calm.sent + rough.lost)
          const last = (arrivals: typeof calm.arrivals) => arrivals.at(-1)!.at
          const late = last(rough.arrivals) - last(calm.arrivals)
          expect(late).toBeGreaterThanOrEqual(0)
          if (rough.lost === 0) expect(rough.arrivals).toEqual(calm.arrivals)
        }
      ),
      { numRuns: 40 }
    )
  })

  it("are as frequent as the probability says, and each costs the default timeout of 200 ms", () => {
    const { pair, at, send, passTime, network, kernel } = makeWorld({
      linkModel,
      loss: { probability: 0.25 }
    })
    const { a, b, hostA } = pair()
    const start = kernel.now
    for (let frame = 0; frame < 2000; frame++) at(start + frame * 1_700_000, () => send(a, frame, 1000))
    passTime(3_410_000_000)
    const { lost } = network.links.bytes(hostA.index)
    // One copy of four is lost: a third as many losses as frames.
    expect(lost / 1000).toBeGreaterThan(600)
    expect(lost / 1000).toBeLessThan(740)
    const delays = b.arrivals.map(({ at: when }, frame) => when - start - frame * 1_700_000 - 520)
    const timeouts = delays.reduce((sum, delay) => sum + Math.round(delay / 200_000), 0)
    expect(timeouts).toBe(lost / 1000)
    for (const delay of delays) expect(delay - Math.round(delay / 200_000) * 200_010).toBe(0)
  })

  it("may let control frames arrive later than the bulk before them", () => {
    const timeout = 50_000
    const { pair, send, passTime, network } = makeWorld({ linkModel, loss: { probability: 0.3, timeout } })
    const { a, b, hostA } = pair()
    for (let round = 0; round < 30; round++) {
      const before = b.arrivals.length
      const { lost: lostBefore } = network.links.bytes(hostA.index)
      send(a, "bulk", MB)
      for (let frame = 0; frame < 3; frame++) send(a, "control", 100)
      passTime(10_000_000)
      const [bulk, ...control] = b.arrivals.slice(before)
      const lostControl = (network.links.bytes(hostA.index).lost - lostBefore) % MB
      const late = control.at(-1)!.at - bulk!.at
      expect(control).toHaveLength(3)
      expect(Math.floor(late / timeout) > 0).toBe(lostControl > 0)
    }
  })

  it("charge their bytes once more to the bulk behind them", () => {
    const play = (probability: number) => {
      const { pair, send, passTime, network } = makeWorld({ linkModel, loss: { probability, timeout: 1 } })
      const { a, b, hostA } = pair()
      for (let frame = 0; frame < 200; frame++) send(a, frame, MB)
      passTime(20_000_000)
      const { lost } = network.links.bytes(hostA.index)
      return { lost, last: b.arrivals.at(-1)!.at, left: a.sentAt.at(-1)![1] }
    }
    const calm = play(0)
    const rough = play(0.3)
    expect(rough.lost).toBeGreaterThan(50 * MB)
    // Copies of the last frame have nothing behind them.
    const more = rough.left - calm.left
    expect(more).toBeGreaterThan((rough.lost / MB - 5) * 10_000)
  })
})

it("a lost copy takes time on the downlink from the bulk of other hosts", () => {
  const arrival = (lost: number) => {
    const { pair, listen, dial, send, passTime, network, connections, kernel } = makeWorld({
      linkModel: "queue"
    })
    const { hostA, hostB } = pair()
    const accepted = listen(connections.host("c"))
    const b = dial(hostB, "c")
    passTime(2000)
    const c = accepted[0]!
    // The bytes of the copy are charged when it is lost.
    network.links.charge(hostA.index, hostB.index, lost, kernel.now)
    const start = kernel.now
    send(c, "bulk", MB)
    passTime(1_000_000)
    return b.arrivals[0]!.at - start
  }
  expect(arrival(0)).toBe(500 + 10_000)
  expect(arrival(MB)).toBe(arrival(0) + 10_000 - 500)
})

describe("a copy of a frame", () => {
  it("is lost for the numbers below the nearest multiple of 2^-30, and the next number is the next copy's", () => {
    const grain = 2 ** 30
    for (const probability of [0.1, 0.25, 0.9]) {
      const lost = Math.round(probability * grain)
      const numbers = [lost - 1, 0, lost, lost, lost - 1, grain - 1]
      const random = {
        nextInt: (below: number) => {
          expect(below).toBe(grain)
          return numbers.shift() ?? 0
        }
      }
      const loss = new FrameLoss({ probability }, random)
      expect([loss.lostCopies(), loss.lostCopies(), loss.lostCopies()]).toEqual([2, 0, 1])
      expect(numbers).toEqual([])
    }
  })
})

describe("a run", () => {
  const calm = playGossip({ seed: "1" })

  it("without loss draws no random number and stays as it was", () => {
    expect(playGossip({ seed: "1", loss: { probability: 0 } })).toEqual(calm)
  })

  it("with loss differs, and repeats exactly", () => {
    const loss = { probability: 0.01 }
    const first = playGossip({ seed: "1", loss })
    expect(playGossip({ seed: "1", loss })).toEqual(first)
    expect(first.hash).not.toBe(calm.hash)
  })

  it("refuses a probability that lets nothing through", () => {
    for (const probability of [1, -0.1, Number.NaN]) {
      expect(() => makeWorld({ loss: { probability } })).toThrow(NetworkRefused)
    }
  })
})
