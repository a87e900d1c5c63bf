// Rates against an independent solver by progressive filling, over random links and flows that come, go and change.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { waterFilling } from "../../../testing/runtime-sim/water-filling.ts"
import { FairFlow, FairLink, FairShares } from "./fair-shares.ts"

const linkCount = 14

/**
 * A route over two to six links. The first and the last are among the access links, which have the lowest numbers.
 */
const way = fc
  .tuple(fc.nat(4), fc.uniqueArray(fc.integer({ min: 10, max: linkCount - 1 }), { maxLength: 4 }), fc.nat(4))
  .map(([up, shared, down]) => [up, ...shared, 5 + down])

const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("open" as const), way, solve: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("close" as const), which: fc.nat(1000), solve: fc.boolean() })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("capacity" as const),
      link: fc.nat(linkCount - 1),
      capacity: fc.double({ min: 0.5, max: 2000, noNaN: true }),
      solve: fc.boolean()
    })
  }
)
const capacity = fc.oneof(
  fc.constantFrom(10, 100, 125),
  fc.double({ min: 0.5, max: 2000, noNaN: true }),
  fc.integer({ min: 1, max: 50 })
)
const play = fc.record({
  capacities: fc.array(capacity, { minLength: linkCount, maxLength: linkCount }),
  changes: fc.array(change, { minLength: 1, maxLength: 80 })
})

class NumberedFlow extends FairFlow {
  readonly numbers: ReadonlyArray<number>
  /** The rate that was last reported. */
  known = 0

  constructor(numbers: ReadonlyArray<number>, links: ReadonlyArray<FairLink>) {
    super(numbers.map((number) => links[number]!))
    this.numbers = numbers
  }
}

/** Makes the changes one after the other, and inspects links and open flows after every solve. */
const playAll = (
  { capacities, changes }: typeof play extends fc.Arbitrary<infer Play> ? Play : never,
  tolerance: number,
  look: (links: ReadonlyArray<FairLink>, open: ReadonlyArray<NumberedFlow>) => void
) => {
  const shares = new FairShares<NumberedFlow>(tolerance)
  const links = capacities.map((each) => new FairLink(each))
  const open: NumberedFlow[] = []
  const solveAndLook = () => {
    shares.solve((flow) => {
      expect(open).toContain(flow)
      flow.known = flow.rate
    })
    for (const flow of open) expect(flow.known).toBe(flow.rate)
    look(links, open)
  }
  for (const each of changes) {
    if (each.kind === "open") {
      const flow = new NumberedFlow(each.way, links)
      open.push(flow)
      shares.open(flow)
    } else if (each.kind === "capacity") {
      shares.setCapacity(links[each.link]!, each.capacity)
    } else if (open.length > 0) {
      const [flow] = open.splice(each.which % open.length, 1)
      shares.close(flow!)
    }
    if (each.solve) solveAndLook()
  }
  solveAndLook()
}

const relative = (value: number, expected: number): number => Math.abs(value - expected) / expected

describe("fair shares", () => {
  it("without a tolerance are the max-min rates, to one part in 10^9", () => {
    fc.assert(
      fc.property(play, (plan) => {
        playAll(plan, 0, (links, open) => {
          const rates = waterFilling(
            links.map((link) => link.capacity),
            open.map(({ numbers }) => ({ links: numbers }))
          )
          for (const [index, flow] of open.entries()) {
            expect(relative(flow.rate, rates[index]!)).toBeLessThan(1e-9)
          }
        })
      }),
      { numRuns: 400 }
    )
  })

  it("with a tolerance never exceed a link, and leave little of it unused", () => {
    const tolerance = 0.005
    fc.assert(
      fc.property(play, (plan) => {
        playAll(plan, tolerance, (links, open) => {
          for (const { capacity: can, flows, load, level } of links) {
            const carried = flows.reduce((sum, { rate }) => sum + rate, 0)
            expect(carried).toBeLessThanOrEqual(can * (1 + 1e-9))
            expect(relative(carried + 1, load + 1)).toBeLessThan(1e-9)
            expect(level).toBeLessThanOrEqual(can)
          }
          for (const flow of open) {
            const limiting = flow.links.find(({ level }) => level === flow.rate)!
            const spare = limiting.capacity - limiting.load
            expect(spare).toBeLessThanOrEqual(tolerance * flow.rate * limiting.flows.length + 1e-9)
          }
        })
      }),
      { numRuns: 200 }
    )
  })

  it("of a crowd leave half the tolerance to later flows, and seldom recompute a level", () => {
    const shares = new FairShares<FairFlow>(0.005)
    const origin = new FairLink(1000)
    const join = () => shares.open(new FairFlow([origin, new FairLink(100)]))
    for (let flow = 0; flow < 4000; flow++) join()
    shares.solve(() => {})
    expect(origin.load).toBeLessThanOrEqual(1000)
    expect(origin.load).toBeGreaterThan(994)
    const { level } = origin
    let reports = 0
    for (let flow = 0; flow < 5; flow++) {
      join()
      shares.solve(() => reports++)
    }
    expect([origin.level, reports]).toEqual([level, 5])
    for (let flow = 0; flow < 20; flow++) join()
    shares.solve(() => {})
    expect(origin.level).toBeLessThan(level)
    expect(origin.load).toBeLessThanOrEqual(1000)
  })
})

describe("progressive filling", () => {
  it("gives the rates of the textbook", () => {
    // Two flows share a slow link with a third one, which could have more elsewhere. The other flow of the fast link
    // takes the rest.
    const flows = [{ links: [0] }, { links: [0] }, { links: [0, 1] }, { links: [1] }]
    expect(waterFilling([3, 10], flows)).toEqual([1, 1, 1, 9])
  })
})
