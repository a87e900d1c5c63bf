// The candidates of a swarm alone, and what is held against them.

import { describe, expect, it } from "vitest"
import { TestContext } from "../../../testing/protocol/test-context.ts"
import { testPeer } from "../../../testing/protocol/test-values.ts"
import { NeighbourSearch } from "./neighbour-search.ts"

const peers = (...numbers: readonly number[]) => numbers.map((number) => testPeer(number))
const idOf = (peer: number) => testPeer(peer).peerId

const setUp = (maxCandidates = 4) => {
  const context = new TestContext({ maxCandidates })
  const woken: number[] = []
  const search = new NeighbourSearch(context, (now) => woken.push(now))
  return { context, search, woken }
}

describe("the candidates of a swarm", () => {
  it("are those of the latest hand-outs, the newest first, each once, never this host", () => {
    const { search } = setUp()
    expect(search.candidates).toEqual([])
    search.offer(peers(1, 2, 1, 50))
    expect(search.candidates).toEqual(peers(1, 2))
    search.offer(peers(3, 2))
    expect(search.candidates).toEqual(peers(3, 2, 1))
    search.offer(peers(4, 5))
    expect(search.candidates).toEqual(peers(4, 5, 3, 2))
    search.offer(peers(6, 7, 8, 9, 10))
    expect(search.candidates).toEqual(peers(6, 7, 8, 9))
  })
})

describe("a candidate that refused", () => {
  it("is left alone until the instant that was named last", () => {
    const { search } = setUp()
    expect(search.notBefore(idOf(1))).toBe(0)
    search.refused(idOf(1), 500)
    search.refused(idOf(1), 300)
    expect([search.notBefore(idOf(1)), search.notBefore(idOf(2))]).toEqual([300, 0])
  })

  it("is forgotten when maxCandidates others refused after it", () => {
    const { search } = setUp(2)
    for (const peer of [1, 2, 1, 3]) search.refused(idOf(peer), 500)
    expect([1, 2, 3].map((peer) => search.notBefore(idOf(peer)))).toEqual([500, 0, 500])
  })
})

describe("a search", () => {
  it("goes on at the instant that was named last", () => {
    const { context, search, woken } = setUp()
    search.wakeAt(500)
    search.wakeAt(300)
    context.wakeUntil(1000)
    expect(woken).toEqual([300])
    search.wakeAt(1500)
    search.wakeAt(undefined)
    context.wakeUntil(2000)
    expect(woken).toEqual([300])
  })
})
