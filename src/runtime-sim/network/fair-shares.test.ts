// Rates against an independent solver by progressive filling, over random links and flows that come, go and change.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { waterFilling } from "../../../testing/runtime-sim/water-filling.ts"
import { FairShares, type SharesFollower } from "./fair-shares.ts"

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

interface OpenFlow {
  readonly flow: number
  readonly route: ReadonlyArray<number>
}

/** Keeps the link that limits each flow as it is told, and fails when it is told about a link that was not touched. */
class Told implements SharesFollower {
  readonly limits = new Map<number, number>()
  readonly #touched = new Set<number>()

  touched(link: number) {
    this.#touched.add(link)
  }
  moved(flow: number, from: number, to: number) {
    expect(this.limits.get(flow)).toBe(from)
    expect(this.#touched).toContain(from)
    expect(this.#touched).toContain(to)
    this.limits.set(flow, to)
  }
}

/** Makes the changes one after the other, and inspects links and open flows after every solve. */
const playAll = (
  { capacities, changes }: typeof play extends fc.Arbitrary<infer Play> ? Play : never,
  tolerance: number,
  look: (shares: FairShares, open: ReadonlyArray<OpenFlow>) => void
) => {
  const told = new Told()
  const shares = new FairShares(tolerance, told)
  for (const each of capacities) shares.addLink(each)
  const open: OpenFlow[] = []
  const closed: number[] = []
  const solveAndLook = () => {
    shares.solve()
    for (const { flow, route } of open) {
      expect(told.limits.get(flow)).toBe(shares.limit(flow))
      const least = Math.min(...route.map((link) => shares.offer(link)))
      expect(relative(shares.offer(shares.limit(flow)), least)).toBeLessThan(1e-9)
    }
    look(shares, open)
  }
  for (const each of changes) {
    if (each.kind === "open") {
      const flow = closed.pop() ?? open.length + 1
      open.push({ flow, route: each.way })
      told.limits.set(flow, shares.open(flow, each.way))
    } else if (each.kind === "capacity") {
      shares.setCapacity(each.link, each.capacity)
    } else if (open.length > 0) {
      const [gone] = open.splice(each.which % open.length, 1)
      shares.close(gone!.flow)
      closed.push(gone!.flow)
    }
    if (each.solve) solveAndLook()
  }
  solveAndLook()
}

const linksOf = (shares: FairShares) =>
  Array.from({ length: linkCount }, (_, link) => ({ link, capacity: shares.capacity(link) }))

const relative = (value: number, expected: number): number => Math.abs(value - expected) / expected

describe("fair shares", () => {
  it("without a tolerance are the max-min rates, to one part in 10^9", () => {
    fc.assert(
      fc.property(play, (plan) => {
        playAll(plan, 0, (shares, open) => {
          const rates = waterFilling(
            linksOf(shares).map(({ capacity: can }) => can),
            open.map(({ route }) => ({ links: route }))
          )
          for (const [index, { flow }] of open.entries()) {
            expect(relative(shares.rate(flow), rates[index]!)).toBeLessThan(1e-9)
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
        playAll(plan, tolerance, (shares, open) => {
          for (const { link, capacity: can } of linksOf(shares)) {
            const on = open.filter(({ route }) => route.includes(link))
            expect(shares.flowsOn(link)).toBe(on.length)
            const carried = on.reduce((sum, { flow }) => sum + shares.rate(flow), 0)
            expect(carried).toBeLessThanOrEqual(can * (1 + 1e-9))
            const isLimiting = on.some(({ flow }) => shares.limit(flow) === link)
            if (isLimiting) expect(carried).toBeGreaterThan(can * (1 - tolerance - 1e-9))
          }
          for (const { flow } of open) {
            const limit = shares.limit(flow)
            expect(shares.level(limit)).toBeLessThanOrEqual(shares.offer(limit) * (1 + 1e-9))
            expect(shares.level(limit)).toBeGreaterThan(shares.offer(limit) * (1 - tolerance - 1e-9))
          }
        })
      }),
      { numRuns: 200 }
    )
  })

  it("of a crowd change without a look at its other links while the offer holds", () => {
    const touched: number[] = []
    const shares = new FairShares(0.01, { touched: (link) => touched.push(link), moved: () => {} })
    const origin = shares.addLink(1000)
    const flows = 400
    const join = (flow: number) => shares.open(flow, [origin, shares.addLink(100)])
    for (let flow = 1; flow <= flows; flow++) join(flow)
    shares.solve()
    expect(shares.level(origin)).toBeCloseTo(1000 / flows, 12)
    const offer = shares.offer(origin)
    expect(offer).toBeGreaterThan(shares.level(origin) * 1.004)
    for (const [step, count] of [400, 401, 402, 401, 400, 399].entries()) {
      if (step > 0 && count > [400, 401, 402, 401, 400, 399][step - 1]!) join(count)
      else if (step > 0) shares.close(count + 1)
      touched.length = 0
      shares.solve()
      expect(shares.offer(origin)).toBe(offer)
      expect(shares.level(origin)).toBeCloseTo(1000 / count, 12)
      expect(new Set(touched)).toEqual(step === 0 ? new Set() : new Set([origin]))
    }
  })
})

describe("the offer of a link", () => {
  it("is beyond its level from sixteen flows on that it limits", () => {
    const tolerance = 0.01
    const offerOf = (flows: number) => {
      const shares = new FairShares(tolerance, { touched: () => {}, moved: () => {} })
      const origin = shares.addLink(1000)
      for (let flow = 1; flow <= flows; flow++) shares.open(flow, [origin, shares.addLink(1000)])
      shares.solve()
      return shares.offer(origin) / (1000 / flows)
    }
    expect(offerOf(15)).toBe(1)
    expect(offerOf(16)).toBeCloseTo(1 + tolerance / 2, 12)
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
