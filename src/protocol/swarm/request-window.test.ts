// Outstanding requests under arbitrary calls, against the list of requests that they stand for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { NeighbourRequests, RequestWindow } from "./request-window.ts"

const pieces = 40

describe("the requests of one neighbour", () => {
  const of = (...entries: ReadonlyArray<readonly [number, number]>): NeighbourRequests => {
    const requests = new NeighbourRequests()
    for (const [piece, expiresAt] of entries) {
      requests.outstanding.push({ piece, sentAt: 0, state: "live", expiresAt })
    }
    return requests
  }

  it("have room for live ones within the limit, and for twice as many that are owed an answer", () => {
    const requests = of([1, 5], [2, 5], [3, 5])
    expect(requests.hasRoom(2)).toBe(true)
    requests.live = 2
    expect(requests.hasRoom(2)).toBe(false)
    requests.live = 1
    expect(requests.hasRoom(2)).toBe(true)
    requests.outstanding.push({ piece: 4, sentAt: 0, state: "expired", expiresAt: 5 })
    expect(requests.hasRoom(2)).toBe(false)
  })

  it("expire at the earliest instant of all", () => {
    expect(of().nextExpiry()).toBeUndefined()
    expect(of([1, 7], [2, 5], [3, 6]).nextExpiry()).toBe(5)
    expect(of([1, 5], [2, 7]).nextExpiry()).toBe(5)
  })

  it("are found and taken by their piece", () => {
    const requests = of([1, 7], [2, 5], [3, 6])
    expect(requests.find(2)).toBe(requests.outstanding[1])
    expect(requests.take(2)).toMatchObject({ piece: 2, expiresAt: 5 })
    expect(requests.find(2)).toBeUndefined()
    expect(requests.take(2)).toBeUndefined()
    expect(requests.outstanding.map(({ piece }) => piece)).toEqual([1, 3])
  })
})

describe("the requests of a swarm", () => {
  it("are not sent twice to one neighbour", () => {
    const window = new RequestWindow(pieces, { requested: 0, fetching: 1 })
    const requests = new NeighbourRequests()
    window.add(requests, 3, 0, 10)
    expect(() => window.add(requests, 3, 1, 10)).toThrow("piece 3 is requested twice from a neighbour")
  })

  it("make a piece requested until its last copy is over", () => {
    const window = new RequestWindow(pieces, { requested: 0, fetching: 1 })
    const neighbours = [0, 1, 2].map(() => new NeighbourRequests())
    for (const requests of neighbours) window.add(requests, 3, 0, 10)
    for (const [index, requests] of neighbours.entries()) {
      expect([window.isRequested(3), window.copies(3)]).toEqual([true, 3 - index])
      window.release(requests, requests.outstanding[0]!)
    }
    expect(window.isRequested(3)).toBe(false)
    window.add(new NeighbourRequests(), 3, 0, 10)
    expect(window.copies(3)).toBe(1)
  })

  it("are counted, with their copies, and know which pieces are requested", () => {
    const call = fc.record({
      tag: fc.constantFrom("add", "add", "answer", "expire", "store"),
      neighbour: fc.nat(3),
      piece: fc.constantFrom(0, 33)
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const window = new RequestWindow(pieces, { requested: 0, fetching: 1 })
        const neighbours = [0, 1, 2, 3].map(() => new NeighbourRequests())
        const live = new Set<string>()
        let now = 0
        for (const { tag, neighbour, piece } of calls) {
          const requests = neighbours[neighbour]!
          const name = `${neighbour} ${piece}`
          const request = requests.find(piece)
          now += 10
          if (tag === "add" && request === undefined) {
            window.add(requests, piece, now, 100)
            live.add(name)
            expect(requests.outstanding.at(-1)).toEqual({
              piece,
              sentAt: now,
              state: "live",
              expiresAt: now + 100
            })
          } else if (tag === "answer" && request !== undefined) {
            expect(requests.take(piece)).toBe(request)
            if (live.delete(name)) window.release(requests, request)
          } else if (tag === "expire" && request !== undefined && live.delete(name)) {
            window.release(requests, request)
            request.state = "expired"
          } else if (tag === "store" && ![...live].some((one) => one.endsWith(` ${piece}`))) {
            window.mark(piece)
            expect([window.isRequested(piece), window.copies(piece)]).toEqual([true, 1])
            window.unmark(piece)
          }
          expect(window.live).toBe(live.size)
          for (const [index, { live: count }] of neighbours.entries()) {
            expect(count).toBe([...live].filter((one) => one.startsWith(`${index} `)).length)
          }
          for (const other of [0, 33]) {
            const copies = [...live].filter((one) => one.endsWith(` ${other}`)).length
            expect(window.isRequested(other)).toBe(copies > 0)
            if (copies > 0) expect(window.copies(other)).toBe(copies)
          }
        }
      })
    )
  })
})
