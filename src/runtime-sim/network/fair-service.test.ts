// When flows are through, for flows whose rates change, move between links, and wait.

import { describe, expect, it } from "vitest"
import { FairService } from "./fair-service.ts"

const make = (...capacities: ReadonlyArray<number>) => {
  let now = 0
  const service = new FairService(0, () => now)
  for (const capacity of capacities) service.addLink(capacity)
  return {
    service,
    pass: (micros: number) => {
      now += micros
    },
    /** Goes to the next end. */
    next: () => {
      now = service.nextEnd
      return [service.nextFlow, now]
    }
  }
}

describe("a flow", () => {
  it("is through when its rates over time have given it its bytes", () => {
    const { service, pass, next } = make(100, 80, 100)
    service.open(1, [0, 1], 8000)
    service.solve()
    expect(next()).toEqual([1, 100])
    service.extend(1, 6000)
    // The second flow halves the first link: 50 and 50 instead of 80.
    service.open(2, [0, 2], 10_000)
    service.solve()
    expect(next()).toEqual([1, 220])
    service.wait(1)
    pass(10)
    // A flow that waits keeps its share.
    expect(service.nextEnd).toBe(300)
    service.close(1)
    service.solve()
    expect(service.nextEnd).toBe(230 + (10_000 - 130 * 50) / 100)
  })

  it("keeps what it has got when another link limits it", () => {
    const { service, pass, next } = make(100, 100, 40)
    service.open(1, [0, 1], 1000)
    service.open(2, [0, 2], 1000)
    service.solve()
    // 60 and 40.
    pass(5)
    service.shares.setCapacity(0, 60)
    service.solve()
    // 30 and 30: the first link limits both.
    expect(service.shares.limit(2)).toBe(0)
    expect(next()).toEqual([1, 5 + 700 / 30])
    service.close(1)
    service.solve()
    expect(next()).toEqual([2, 5 + 700 / 30 + 100 / 40])
  })

  it("that waited begins again with its share, without a solution", () => {
    const { service, pass, next } = make(100, 100)
    service.open(1, [0, 1], 500)
    service.solve()
    next()
    pass(2)
    expect(service.wait(1)).toBe(200)
    pass(3)
    service.serve(1, 400)
    expect(next()).toEqual([1, 14])
  })
})
