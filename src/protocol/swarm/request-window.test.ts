// Outstanding requests under arbitrary calls, against the list of requests that they stand for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { wholeRequest } from "./path-times.ts"
import { NeighbourRequests, RequestWindow } from "./request-window.ts"

const pieces = 40

describe("the requests of one neighbour", () => {
  const of = (...entries: ReadonlyArray<readonly [number, number]>): NeighbourRequests => {
    const requests = new NeighbourRequests()
    for (const [piece, expiresAt] of entries) {
      requests.outstanding.push({ piece, sentAt: 0, weight: wholeRequest, state: "live", expiresAt })
    }
    return requests
  }

  it("have room for live ones within the limit, and for twice as many that are owed an answer", () => {
    const requests = of([1, 5], [2, 5], [3, 5])
    expect(requests.hasRoom(2, 1, 64)).toBe(true)
    requests.live = 2
    expect(requests.hasRoom(2, 1, 64)).toBe(false)
    requests.live = 1
    expect(requests.hasRoom(2, 1, 64)).toBe(true)
    requests.outstanding.push({ piece: 4, sentAt: 0, weight: wholeRequest, state: "expired", expiresAt: 5 })
    expect(requests.hasRoom(2, 1, 64)).toBe(false)
  })

  it("have room for as many as let that many pieces come at once", () => {
    const requests = new NeighbourRequests()
    requests.live = 4
    expect([1, 0.5, 0.4, 0.25].map((part) => requests.hasRoom(2, part, 64))).toEqual([
      false,
      false,
      false,
      true
    ])
    requests.live = 3
    expect([1, 0.5, 0.4, 0.25].map((part) => requests.hasRoom(2, part, 64))).toEqual([
      false,
      true,
      true,
      true
    ])
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
  it("weigh no more than the share of the swarm and of the host, to the nearest whole one", () => {
    const rules = { requestsAtFirst: 1, maxRequestsPerHost: 5, maxRequestsPerSwarm: 5 }
    const sent = (weight: number, have: number, byOthers: number): number => {
      const window = new RequestWindow(pieces, { load: byOthers * wholeRequest, fetching: 1 })
      let count = 0
      while (count < pieces && window.hasShare(rules, have)) {
        window.add(new NeighbourRequests(), count++, 0, 10, weight)
      }
      return count
    }
    expect([1000, 980, 800, 400, 300, 0].map((weight) => sent(weight, 9, 0))).toEqual([5, 5, 6, 12, 16, 40])
    expect([0, 1, 2].map((have) => sent(500, have, 0))).toEqual([2, 4, 6])
    expect([2, 4, 5, 9].map((others) => sent(500, 9, others))).toEqual([6, 2, 1, 1])
  })

  it("leave memory for the pieces that come at once, and are bounded in number and bytes besides", () => {
    const rules = { maxRequestsPerSwarm: 2, maxRequestsOut: 6, maxRequestedBytes: 5000 }
    const most = (weight: number, stored: number, pieceLength: number): number => {
      const window = new RequestWindow(pieces, { load: 0, fetching: 1 })
      let count = 0
      while (window.hasMemory(rules, stored, pieceLength)) {
        window.add(new NeighbourRequests(), count++, 0, 10, weight)
      }
      return count
    }
    expect([most(1000, 0, 1), most(1000, 3, 1), most(1000, 4, 1)]).toEqual([4, 1, 0])
    expect([most(100, 0, 1), most(100, 2, 1), most(100, 0, 1000), most(0, 0, 2000)]).toEqual([6, 4, 5, 3])
  })

  it("are not sent twice to one neighbour", () => {
    const window = new RequestWindow(pieces, { load: 0, fetching: 1 })
    const requests = new NeighbourRequests()
    window.add(requests, 3, 0, 10)
    expect(() => window.add(requests, 3, 1, 10)).toThrow("piece 3 is requested twice from a neighbour")
  })

  it("make a piece requested until its last copy is over", () => {
    const window = new RequestWindow(pieces, { load: 0, fetching: 1 })
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
        const host = { load: 0, fetching: 1 }
        const window = new RequestWindow(pieces, host)
        const neighbours = [0, 1, 2, 3].map(() => new NeighbourRequests())
        const live = new Set<string>()
        let load = 0
        let now = 0
        for (const { tag, neighbour, piece } of calls) {
          const requests = neighbours[neighbour]!
          const name = `${neighbour} ${piece}`
          const request = requests.find(piece)
          now += 10
          if (tag === "add" && request === undefined) {
            const weight = now % 7
            window.add(requests, piece, now, 100, weight)
            live.add(name)
            load += weight
            expect(requests.outstanding.at(-1)).toEqual({
              piece,
              sentAt: now,
              weight,
              state: "live",
              expiresAt: now + 100
            })
          } else if (tag === "answer" && request !== undefined) {
            expect(requests.take(piece)).toBe(request)
            if (live.delete(name)) {
              window.release(requests, request)
              load -= request.weight
            }
          } else if (tag === "expire" && request !== undefined && live.delete(name)) {
            window.release(requests, request)
            load -= request.weight
            request.state = "expired"
          } else if (tag === "store" && ![...live].some((one) => one.endsWith(` ${piece}`))) {
            window.mark(piece)
            expect([window.isRequested(piece), window.copies(piece)]).toEqual([true, 1])
            window.unmark(piece)
          }
          expect([window.live, window.load, host.load]).toEqual([live.size, load, load])
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
