// Tests of the fluid bound of several images: cases worked out by hand, and for random crowds that it is the optimum of
// the linear program that it stands for.

import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { type FluidCrowd, fluidMakespan, originsFloor, ownFloor } from "./fluid-bound.ts"

const crowd = (change: Partial<FluidCrowd>): FluidCrowd => ({
  lengths: [100, 300],
  owners: [[0], [1]],
  origins: 2,
  wants: [[0], [0, 1]],
  rate: 100,
  latency: 0.5,
  ...change
})

describe("the fluid bound", () => {
  it("is the downlink of the host that wants most", () => {
    assert.strictEqual(ownFloor(crowd({}), 0), 1.5)
    assert.strictEqual(ownFloor(crowd({}), 1), 4.5)
    assert.strictEqual(fluidMakespan(crowd({})), 4.5)
    assert.strictEqual(ownFloor(crowd({ wants: [[], [1]] }), 0), 0)
  })

  it("is what some set of origins must send once", () => {
    // Four blobs of 300 bytes, each wanted by a host of its own: 12 s on one uplink, 6 s on both.
    const lengths = [300, 300, 300, 300]
    const wants = [[0], [1], [2], [3]]
    const shared = crowd({ lengths, wants, owners: [[0, 1], [0, 1], [0, 1], [1]] })
    assert.strictEqual(originsFloor(shared), 6.5)
    const lopsided = crowd({ lengths, wants, owners: [[0], [1], [1], [1]] })
    assert.strictEqual(originsFloor(lopsided), 9.5)
    assert.strictEqual(fluidMakespan(lopsided), 9.5)
    // With three origins the worst set is neither one of them nor all.
    const three = crowd({ lengths, wants, owners: [[0], [0, 1], [0, 1], [2]], origins: 3 })
    assert.strictEqual(originsFloor(three), 5)
  })

  it("is nothing when nobody wants anything", () => {
    assert.strictEqual(fluidMakespan(crowd({ lengths: [], owners: [], wants: [[], []] })), 0)
  })

  it("is the least time in which the linear program of all links has a solution", () => {
    const choice = fc.record({
      lengths: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      origins: fc.integer({ min: 1, max: 3 }),
      picks: fc.infiniteStream(fc.nat(1000))
    })
    fc.assert(
      fc.property(choice, ({ lengths, origins, picks }) => {
        const pick = (): number => picks.next().value
        const subset = (of: number): ReadonlyArray<number> => {
          const some = Array.from({ length: of }, (_, item) => item).filter(() => pick() % 2 === 0)
          return some.length > 0 ? some : [pick() % of]
        }
        const owners = lengths.map(() => subset(origins))
        const drawn = Array.from({ length: 1 + (pick() % 4) }, () => subset(lengths.length))
        // Every blob is wanted by somebody, as in a catalogue.
        const wants = [
          ...drawn,
          lengths.map((_, blob) => blob).filter((blob) => !drawn.flat().includes(blob))
        ]
        const random = { lengths, owners, origins, wants, rate: 1, latency: 0 }
        const bound = fluidMakespan(random)
        assert.isTrue(isFeasible(random, bound + 1e-6), "the bound can be reached")
        assert.isFalse(isFeasible(random, bound * (1 - 1e-3)), "nothing is faster")
      })
    )
  })
})

/**
 * Whether hosts and origins can send every wanted byte in this time: first copies from owners, further ones from
 * origins that have room or from hosts that want the blob, all below the rates of their links. A blob has two demands,
 * that of its first copy and that of the others, and only origins serve the first.
 */
const isFeasible = ({ lengths, owners, origins, wants, rate }: FluidCrowd, time: number): boolean => {
  const room = rate * time
  if (wants.some((own) => own.reduce((sum, blob) => sum + lengths[blob]!, 0) > room)) return false
  const wanters = lengths.map((_, blob) => wants.filter((own) => own.includes(blob)).length)
  const [source, sink] = ["source", "sink"]
  const edges = new Map<string, Map<string, number>>()
  const add = (from: string, to: string, capacity: number): void => {
    const out = edges.get(from) ?? new Map<string, number>()
    edges.set(from, out.set(to, capacity))
    const back = edges.get(to) ?? new Map<string, number>()
    if (!back.has(from)) edges.set(to, back.set(from, 0))
  }
  for (let origin = 0; origin < origins; origin++) add(source, `o${origin}`, room)
  for (const [host, own] of wants.entries()) {
    add(source, `h${host}`, room)
    // A host has no use for bytes that it sends to itself.
    for (const blob of own) add(`h${host}`, `further${blob}`, (wanters[blob]! - 1) * lengths[blob]!)
  }
  let demand = 0
  for (const [blob, length] of lengths.entries()) {
    for (const origin of owners[blob]!) {
      add(`o${origin}`, `first${blob}`, length)
      add(`o${origin}`, `further${blob}`, Number.POSITIVE_INFINITY)
    }
    add(`first${blob}`, sink, length)
    add(`further${blob}`, sink, (wanters[blob]! - 1) * length)
    demand += wanters[blob]! * length
  }
  let flow = 0
  for (;;) {
    const before = new Map<string, string>([[source, source]])
    const queue = [source]
    for (let at = queue.shift(); at !== undefined && !before.has(sink); at = queue.shift()) {
      for (const [next, capacity] of edges.get(at) ?? []) {
        if (capacity <= 1e-9 || before.has(next)) continue
        before.set(next, at)
        queue.push(next)
      }
    }
    if (!before.has(sink)) return flow >= demand - 1e-6
    const path: Array<readonly [string, string]> = []
    for (let at = sink; at !== source; at = before.get(at)!) path.push([before.get(at)!, at])
    const along = Math.min(...path.map(([from, to]) => edges.get(from)!.get(to)!))
    for (const [from, to] of path) {
      edges.get(from)!.set(to, edges.get(from)!.get(to)! - along)
      edges.get(to)!.set(from, edges.get(to)!.get(from)! + along)
    }
    flow += along
  }
}
