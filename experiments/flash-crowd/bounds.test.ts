// Tests of the bounds: published values, their definition, and random swarms that must not beat them.

import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { countingSlots, fluidBound, hostFloor, landedBySlot, makespanBound } from "./bounds.ts"

const receivers = fc.integer({ min: 1, max: 20_000 })
const sources = fc.integer({ min: 1, max: 50 })
const pieces = fc.integer({ min: 1, max: 5_000 })

describe("counting bound", () => {
  it("gives the published values", () => {
    assert.strictEqual(countingSlots(999, 1, 768), 777)
    assert.strictEqual(countingSlots(999, 1, 2500), 2509)
    assert.strictEqual(countingSlots(2600, 3, 768), 777)
  })

  it("is M + floor(log2 N) with one source", () => {
    fc.assert(
      fc.property(receivers, pieces, (n, m) => {
        assert.strictEqual(countingSlots(n, 1, m), m + Math.floor(Math.log2(n)))
      })
    )
  })

  it("is the smallest T whose slots can carry all pieces", () => {
    fc.assert(
      fc.property(receivers, sources, pieces, (n, s, m) => {
        const slots = countingSlots(n, s, m)
        const sums = [0]
        for (let slot = 0; slot < slots; slot++) sums.push(sums[slot]! + Math.min(n, s * 2 ** slot))
        assert.isAtLeast(sums[slots]!, n * m)
        assert.isBelow(sums[slots - 1]!, n * m)
        const some = slots >> 1
        assert.strictEqual(landedBySlot(n, s, some), sums[some])
        assert.strictEqual(landedBySlot(n, s, slots), sums[slots])
      })
    )
  })

  it("is not beaten by random slotted swarms", () => {
    const small = fc.record({
      n: fc.integer({ min: 1, max: 7 }),
      s: fc.integer({ min: 1, max: 3 }),
      m: fc.integer({ min: 1, max: 5 }),
      seed: fc.integer()
    })
    fc.assert(
      fc.property(small, ({ n, s, m, seed }) => {
        assert.isAtLeast(slotsOfRandomSwarm(n, s, m, seed), countingSlots(n, s, m))
      })
    )
  })
})

/** Slots of a swarm where each host sends at most one piece per slot and receives at most one, chosen at random. */
const slotsOfRandomSwarm = (n: number, s: number, m: number, seed: number): number => {
  let state = seed | 0
  const next = (bound: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 8) % bound
  }
  const all = Array.from({ length: m }, (_, piece) => piece)
  const holds = Array.from({ length: s + n }, (_, host) => new Set(host < s ? all : []))
  for (let slot = 0; ; slot++) {
    if (holds.every((held) => held.size === m)) return slot
    const taken = new Set<number>()
    const landing: Array<readonly [number, number]> = []
    for (const sender of [...holds.keys()].sort(() => next(3) - 1)) {
      const choices = [...holds.keys()].flatMap((taker) =>
        taken.has(taker)
          ? []
          : [...holds[sender]!]
              .filter((piece) => !holds[taker]!.has(piece))
              .map((piece) => [taker, piece] as const)
      )
      if (choices.length === 0) continue
      const choice = choices[next(choices.length)]!
      taken.add(choice[0])
      landing.push(choice)
    }
    for (const [taker, piece] of landing) holds[taker]!.add(piece)
  }
}

describe("makespan bound", () => {
  const links = {
    bytes: 256 * 2 ** 20,
    pieceLength: 2 ** 18,
    receivers: 1000,
    sources: 1,
    rate: 300e6,
    latency: 0
  }

  it("is the slots of the counting bound at link rate, and one latency", () => {
    const slot = 2 ** 18 / 300e6
    assert.closeTo(makespanBound(links), (1024 + 9) * slot, 1e-12)
    assert.closeTo(makespanBound({ ...links, latency: 0.0005 }), (1024 + 9) * slot + 0.0005, 1e-12)
  })

  it("does not count a short last piece as a slot, but never falls below the time of the bytes", () => {
    const slot = 2 ** 18 / 300e6
    const longer = makespanBound({ ...links, bytes: links.bytes + 1 })
    assert.closeTo(longer, (1024 + 9) * slot, 1e-12)
    const lone = { ...links, receivers: 1, bytes: 2 ** 18 + 1000 }
    assert.closeTo(makespanBound(lone), lone.bytes / 300e6, 1e-12)
    const tiny = { ...links, bytes: 1000 }
    assert.closeTo(makespanBound(tiny), (1 + 9) * (1000 / 300e6), 1e-12)
  })

  it("falls with the burst, and is the fluid bound with a burst of at least a piece", () => {
    fc.assert(
      fc.property(
        receivers,
        sources,
        pieces,
        fc.integer({ min: 0, max: 2 ** 20 }),
        fc.integer({ min: 0, max: 2 ** 20 }),
        (n, s, m, left, right) => {
          const at = (burst: number) =>
            makespanBound({ ...links, receivers: n, sources: s, bytes: m * links.pieceLength, burst })
          assert.isAtMost(at(Math.max(left, right)), at(Math.min(left, right)) + 1e-9)
        }
      )
    )
    const second = makespanBound({ ...links, bytes: 3e9, pieceLength: 4e6, burst: 300e6 })
    assert.closeTo(second, 9, 1e-12)
  })

  it("falls by at most what a receiver may have ahead of its bucket", () => {
    const bucket = { ...links, bytes: 1e9, pieceLength: 4e6, burst: 1e6 }
    const drop = makespanBound(bucket) - makespanBound({ ...bucket, ahead: 3e7 })
    assert.isAtLeast(drop, 0)
    assert.isAtMost(drop, 3e7 / links.rate + 1e-12)
    const host = { bytes: 1e9, downlink: 1e8, othersUplink: 1e9, latency: 0, burst: 1e6, ahead: 3e7 }
    assert.closeTo(hostFloor(host), 9.69, 1e-12)
  })

  it("is at least the floor of every host", () => {
    fc.assert(
      fc.property(receivers, sources, fc.integer({ min: 1, max: 2 ** 31 }), (n, s, bytes) => {
        const bound = makespanBound({ ...links, receivers: n, sources: s, bytes, latency: 0.002 })
        const floor = hostFloor({ bytes, downlink: 300e6, othersUplink: (s + n - 1) * 300e6, latency: 0.002 })
        assert.isAtLeast(bound, floor - 1e-9)
      })
    )
  })

  it("is zero without bytes", () => {
    assert.strictEqual(makespanBound({ ...links, bytes: 0, latency: 1 }), 0)
    assert.strictEqual(hostFloor({ bytes: 0, downlink: 1, othersUplink: 1, latency: 1 }), 0)
  })
})

describe("fluid bound and host floor", () => {
  it("is that of the slowest of the receiver, the sources, and all hosts together", () => {
    const flow = {
      bytes: 100,
      receivers: 10,
      sources: 1,
      slowestDownlink: 50,
      sourcesUplink: 20,
      receiversUplink: 80
    }
    assert.strictEqual(fluidBound({ ...flow, slowestDownlink: 5 }), 20)
    assert.strictEqual(fluidBound({ ...flow, sourcesUplink: 4, receiversUplink: 800 }), 25)
    assert.strictEqual(fluidBound(flow), 10)
  })

  it("lets a host be early by its burst at most", () => {
    const host = { bytes: 1000, downlink: 100, othersUplink: 1000, latency: 0.5 }
    assert.strictEqual(hostFloor(host), 10.5)
    assert.strictEqual(hostFloor({ ...host, burst: 200, othersBurst: 1000 }), 8.5)
    assert.strictEqual(hostFloor({ ...host, othersUplink: 50 }), 20.5)
  })
})
