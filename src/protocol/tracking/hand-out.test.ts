// Hand-out: the peer table against a plain one, and the graph that results from hand-outs, which is connected, has
// similar degrees and a small diameter.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { RandomSource } from "../kit/random-source.ts"
import { type Micros, seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"
import { HandOut } from "./hand-out.ts"

interface CountingSource extends RandomSource {
  draws: number
}

const seeded = (seed: number): CountingSource => {
  let state = seed >>> 0
  const source: CountingSource = {
    draws: 0,
    nextInt: (bound) => {
      source.draws++
      state = (state + 0x9e3779b9) >>> 0
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
      return ((mixed ^ (mixed >>> 15)) >>> 0) % bound
    }
  }
  return source
}

const peer = (index: number, kind: PeerAddress["kind"] = "agent"): PeerAddress => ({
  peerId: index.toString(16).padStart(40, "0") as PeerId,
  address: `10.0.0.1:${index}`,
  kind
})
const indexOf = ({ peerId }: PeerAddress): number => Number.parseInt(peerId, 16)
const seeds = [peer(900, "origin"), peer(901, "origin"), peer(902, "origin")]

const downloading = (index: number, neighbours = 0) => ({
  peer: peer(index),
  complete: false,
  neighbours,
  stopped: false
})

test.each([
  [{}, 3],
  [{ comparedPeers: 1 }, 1],
  [{ maxPeerProbes: 2 }, 2]
] as const)("a place costs as many probes as its rules allow: %o", (rules, draws) => {
  const table = new HandOut(rules)
  for (let index = 0; index < 5000; index++) table.announce(downloading(index), 0)
  const random = seeded(1)
  expect(table.choose(peer(9999).peerId, 1, [], random, 0)).toHaveLength(1)
  expect(random.draws).toBe(draws)
})

describe("the table, under any history,", () => {
  const step = fc.record({
    index: fc.nat(40),
    act: fc.constantFrom("announce", "announce", "announce", "complete", "stop", "choose", "choose", "wait"),
    neighbours: fc.nat(25),
    wanted: fc.integer({ min: -1, max: 40 }),
    seedCount: fc.nat(3),
    wait: fc.nat(12_000_000)
  })

  test("holds the peers that announced in time and did not stop, and hands out only them and the seeds", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), fc.nat(), (steps, seed) => {
        const table = new HandOut()
        const random = seeded(seed)
        const model = new Map<number, { readonly complete: boolean; readonly expiresAt: Micros }>()
        let now = 0
        for (const { act, index, neighbours, wanted, seedCount, wait } of steps) {
          if (act === "wait") now += wait
          for (const [known, { expiresAt }] of model) if (expiresAt <= now) model.delete(known)
          if (act === "announce" || act === "complete" || act === "stop") {
            const complete = act === "complete"
            table.announce({ peer: peer(index), complete, neighbours, stopped: act === "stop" }, now)
            const interval = complete ? limits.seedAnnounceInterval : limits.announceInterval
            if (act === "stop") model.delete(index)
            else model.set(index, { complete, expiresAt: now + limits.announceMisses * interval })
          } else if (act === "choose") {
            const given = [...seeds.slice(0, seedCount), ...seeds.slice(0, seedCount)]
            const answer = table.choose(peer(index).peerId, wanted, given, random, now)
            const agents = answer.filter(({ kind }) => kind === "agent").map(indexOf)
            expect(new Set(answer.map(({ peerId }) => peerId)).size).toBe(answer.length)
            expect(answer.length).toBeLessThanOrEqual(limits.maxHandOut)
            expect(agents.length).toBeLessThanOrEqual(Math.max(0, wanted))
            expect(agents).not.toContain(index)
            for (const agent of agents) expect(model.has(agent)).toBe(true)
            if (wanted <= 0 || model.get(index)?.complete === true) expect(answer).toEqual([])
            else {
              expect(answer.length - agents.length).toBe(seedCount)
              const others = model.size - (model.has(index) ? 1 : 0)
              if (model.size <= limits.targetNeighbours + 1) {
                expect(agents.length).toBe(Math.min(wanted, others, limits.maxHandOut - seedCount))
              } else expect(agents.length).toBeGreaterThan(0)
            }
          }
          table.expire(now)
          expect(table.size).toBe(model.size)
          expect(table.completeCount).toBe([...model.values()].filter(({ complete }) => complete).length)
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe("a hand-out", () => {
  test("has the latest address of a peer", () => {
    const table = new HandOut()
    table.announce(downloading(1), 0)
    table.announce({ ...downloading(1), peer: { ...peer(1), address: "10.0.0.9:1" } }, 1)
    expect(table.choose(peer(2).peerId, 5, [], seeded(1), 2).map(({ address }) => address)).toEqual([
      "10.0.0.9:1"
    ])
  })

  test("has peers that announced within three of their intervals, to the microsecond", () => {
    const table = new HandOut()
    table.announce(downloading(1), 0)
    table.announce({ ...downloading(2), complete: true }, 0)
    const handed = (now: Micros): readonly number[] =>
      table.choose(peer(9).peerId, 5, [], seeded(1), now).map(indexOf).sort()
    expect(handed(seconds(9) - 1)).toEqual([1, 2])
    expect(handed(seconds(9))).toEqual([2])
    expect(handed(seconds(180) - 1)).toEqual([2])
    expect(handed(seconds(180))).toEqual([])
  })

  test("has the peers with the fewest neighbours when the swarm is small enough to read all", () => {
    for (let seed = 0; seed < 10; seed++) {
      const table = new HandOut()
      for (let index = 0; index < 9; index++) table.announce(downloading(index, (index * 5) % 9), 0)
      expect(table.choose(peer(20).peerId, 3, [], seeded(seed), 0).map(indexOf)).toEqual([0, 2, 4])
    }
  })

  test("has an origin once that is a seed and announces as well, and never the requesting seed", () => {
    const table = new HandOut()
    table.announce({ peer: seeds[0]!, complete: true, neighbours: 3, stopped: false }, 0)
    table.announce(downloading(1), 0)
    const answer = table.choose(peer(1).peerId, 5, seeds, seeded(1), 0)
    expect(answer.map(indexOf).sort()).toEqual([900, 901, 902])
    expect(table.choose(seeds[1]!.peerId, 5, seeds, seeded(1), 0).map(indexOf).sort()).toEqual([1, 900, 902])
  })

  test("begins its seeds at a random one", () => {
    const table = new HandOut()
    const random = seeded(5)
    const firsts = new Set<number>()
    for (let ask = 0; ask < 50; ask++) {
      firsts.add(indexOf(table.choose(peer(1).peerId, 5, seeds, random, 0)[0]!))
    }
    expect([...firsts].sort()).toEqual([900, 901, 902])
  })

  test("prefers peers with few neighbours, and skips those that would refuse", () => {
    const table = new HandOut()
    for (let index = 0; index < 200; index++) {
      table.announce(downloading(index, index % 2 === 0 ? limits.maxNeighbours : 6), 0)
    }
    const random = seeded(3)
    let full = 0
    let all = 0
    for (let asker = 1000; asker < 1050; asker++) {
      for (const given of table.choose(peer(asker).peerId, 5, [], random, 0)) {
        all++
        if (indexOf(given) % 2 === 0) full++
      }
    }
    expect(all).toBe(50 * limits.newcomerNeighbours)
    expect(full).toBeLessThanOrEqual(2)
  })

  test("counts its own hand-outs: a hundred requests between two announces spread over all peers evenly", () => {
    const table = new HandOut()
    for (let index = 0; index < 100; index++) table.announce(downloading(index), 0)
    const random = seeded(9)
    const given = new Array<number>(100).fill(0)
    for (let asker = 1000; asker < 1100; asker++) {
      for (const chosen of table.choose(peer(asker).peerId, 5, [], random, 0)) given[indexOf(chosen)]!++
    }
    expect(Math.min(...given)).toBeGreaterThanOrEqual(limits.newcomerNeighbours - 2)
    expect(Math.max(...given)).toBeLessThanOrEqual(limits.newcomerNeighbours + 2)
  })

  test("is the same for the same calls and the same random numbers", () => {
    const run = (): readonly (readonly number[])[] => {
      const table = new HandOut()
      const random = seeded(77)
      const answers: (readonly number[])[] = []
      for (let index = 0; index < 60; index++) {
        const now = index * 400_000
        table.announce(downloading(index % 45, index % 12), now)
        answers.push(table.choose(peer(index % 45).peerId, 8, seeds, random, now).map(indexOf))
      }
      return answers
    }
    expect(run()).toEqual(run())
  })

  test("costs the same from a full table, and a full table drops its oldest peer for a newcomer", () => {
    const table = new HandOut()
    for (let index = 0; index < limits.maxPeersPerSwarm; index++)
      table.announce(downloading(index, 10), index)
    expect(table.size).toBe(limits.maxPeersPerSwarm)
    const newcomer = limits.maxPeersPerSwarm
    table.announce(downloading(newcomer), newcomer)
    expect(table.size).toBe(limits.maxPeersPerSwarm)
    const random = seeded(2)
    for (let ask = 0; ask < 1000; ask++) {
      random.draws = 0
      const answer = table.choose(peer(newcomer).peerId, 40, seeds, random, newcomer)
      expect(random.draws).toBeLessThanOrEqual(1 + 12 * limits.maxHandOut)
      expect(answer.map(indexOf)).not.toContain(0)
    }
    table.announce({ ...downloading(0), stopped: true }, newcomer)
    expect(table.size).toBe(limits.maxPeersPerSwarm)
    table.announce({ ...downloading(1), stopped: true }, newcomer)
    expect(table.size).toBe(limits.maxPeersPerSwarm - 1)
  })
})

describe("the graph of a flash crowd", () => {
  /** Peers that dial their hand-outs until they have targetNeighbours; they accept up to maxNeighbours. */
  class Crowd {
    readonly neighbours: Set<number>[] = []
    readonly #table = new HandOut()
    readonly #random: RandomSource
    readonly #dead = new Set<number>()
    refused = 0

    constructor(seed: number) {
      this.#random = seeded(seed)
    }

    join(now: Micros): number {
      this.neighbours.push(new Set())
      this.announce(this.neighbours.length - 1, now)
      return this.neighbours.length - 1
    }

    announce(index: number, now: Micros): void {
      const own = this.neighbours[index]!
      this.#table.announce(downloading(index, own.size), now)
      const wanted = limits.targetNeighbours - own.size
      for (const handed of this.#table.choose(peer(index).peerId, wanted, [], this.#random, now)) {
        const theirs = this.neighbours[indexOf(handed)]!
        if (own.size >= limits.targetNeighbours || own.has(indexOf(handed))) continue
        if (this.#dead.has(indexOf(handed))) continue
        if (theirs.size >= limits.maxNeighbours) this.refused++
        else {
          own.add(indexOf(handed))
          theirs.add(index)
        }
      }
    }

    /** A host fails: its neighbours notice, the tracker does not. */
    kill(index: number): void {
      for (const theirs of this.neighbours) theirs.delete(index)
      this.neighbours[index]?.clear()
      this.#dead.add(index)
    }

    /** Hops from `start` to the farthest peer, and the number of peers that are reached. */
    reach(start: number): { readonly hops: number; readonly peers: number } {
      const hops = new Map([[start, 0]])
      for (const [index, distance] of hops) {
        for (const next of this.neighbours[index]!) if (!hops.has(next)) hops.set(next, distance + 1)
      }
      return { hops: Math.max(...hops.values()), peers: hops.size }
    }

    get degrees() {
      const sizes = this.neighbours.map(({ size }) => size)
      const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length
      const variance = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / sizes.length
      return { least: Math.min(...sizes), most: Math.max(...sizes), mean, deviation: Math.sqrt(variance) }
    }
  }

  const peers = 500
  const crowdOf = (seed: number): Crowd => {
    const crowd = new Crowd(seed)
    for (let index = 0; index < peers; index++) crowd.join(index * 100)
    return crowd
  }
  const round = (crowd: Crowd, now: Micros): void => {
    for (let index = 0; index < crowd.neighbours.length; index++) crowd.announce(index, now + index * 100)
  }

  for (const seed of [1, 2, 3, 4, 5]) {
    test(`is connected and thin when everyone announced once (seed ${seed})`, () => {
      const crowd = crowdOf(seed)
      expect(crowd.reach(0).peers).toBe(peers)
      for (const start of [0, 250, 499]) expect(crowd.reach(start).hops).toBeLessThanOrEqual(9)
      const { least, most, mean, deviation } = crowd.degrees
      expect(least).toBeGreaterThanOrEqual(limits.newcomerNeighbours)
      expect(most).toBeLessThanOrEqual(limits.maxNeighbours)
      expect(mean).toBeGreaterThan(2 * limits.newcomerNeighbours - 0.5)
      expect(mean).toBeLessThan(2 * limits.newcomerNeighbours + 0.5)
      expect(deviation).toBeLessThan(3)
      expect(crowd.refused).toBe(0)
    })

    test(`is near-regular when they announce again, and takes in a late joiner (seed ${seed})`, () => {
      const crowd = crowdOf(seed)
      round(crowd, seconds(3))
      round(crowd, seconds(6))
      const { least, most, mean, deviation } = crowd.degrees
      expect(least).toBeGreaterThanOrEqual(limits.targetNeighbours - 1)
      expect(most).toBeLessThanOrEqual(limits.maxNeighbours)
      expect(mean).toBeLessThan(limits.targetNeighbours + 1)
      expect(deviation).toBeLessThan(1)
      for (const start of [0, 250, 499]) expect(crowd.reach(start).hops).toBeLessThanOrEqual(6)

      const late = crowd.join(seconds(7))
      expect(crowd.neighbours[late]?.size).toBe(limits.newcomerNeighbours)
      crowd.announce(late, seconds(8))
      crowd.announce(late, seconds(9))
      expect(crowd.neighbours[late]?.size).toBeGreaterThanOrEqual(limits.targetNeighbours - 1)
      expect(crowd.refused).toBe(0)
    })
  }

  test("heals when a third of it dies", () => {
    const crowd = crowdOf(6)
    round(crowd, seconds(3))
    for (let index = 0; index < peers; index += 3) crowd.kill(index)
    const living = Array.from({ length: peers }, (_, index) => index).filter((index) => index % 3 !== 0)
    // Until their records expire, 9 s after their last announce, a third of the dials goes to failed hosts.
    for (const at of [6, 9, 12, 15]) for (const index of living) crowd.announce(index, seconds(at) + index)
    expect(crowd.reach(1).peers).toBe(living.length)
    const sizes = living.map((index) => crowd.neighbours[index]!.size)
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(limits.targetNeighbours - 1)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.maxNeighbours)
  })

  test("is complete in a swarm of at most targetNeighbours + 1 peers", () => {
    const crowd = new Crowd(1)
    for (let index = 0; index <= limits.targetNeighbours; index++) crowd.join(index)
    expect(crowd.degrees.least).toBe(limits.targetNeighbours)
  })
})

describe("other rules", () => {
  const fill = (table: HandOut, from: number, to: number, neighbours: number): void => {
    for (let index = from; index <= to; index++) table.announce(downloading(index, neighbours), 0)
  }

  test("set what a newcomer gets, and the maximum; later a peer gets half of what it lacks", () => {
    for (const newcomerNeighbours of [2, 3, 5]) {
      const table = new HandOut({ newcomerNeighbours })
      fill(table, 1, 100, 0)
      table.announce(downloading(500), 0)
      const wanted = (): number => table.choose(peer(500).peerId, 8, [], seeded(1), 0).length
      expect(wanted()).toBe(newcomerNeighbours)
      expect(wanted()).toBe(4)
    }
    const short = new HandOut({ maxHandOut: 4 })
    fill(short, 1, 100, 0)
    expect(short.choose(peer(500).peerId, 10, seeds, seeded(1), 0)).toHaveLength(4)
  })

  test("set when a peer is full and is skipped", () => {
    const chosenOfBusy = (maxNeighbours: number): number => {
      const table = new HandOut({ maxNeighbours })
      fill(table, 1, 300, 6)
      fill(table, 301, 400, 5)
      const answer = table.choose(peer(500).peerId, 10, [], seeded(1), 0)
      return answer.filter((chosen) => indexOf(chosen) <= 300).length
    }
    expect(chosenOfBusy(6)).toBe(0)
    expect(chosenOfBusy(7)).toBeGreaterThan(0)
  })
})
