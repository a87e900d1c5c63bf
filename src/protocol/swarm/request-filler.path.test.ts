// The request filler on paths that are long or slow, by single calls: for how much it asks, and whom first.

import { describe, expect, it } from "vitest"
import { setUpFiller } from "../../../testing/protocol/test-requested-swarm.ts"
import type { PeerHostRules } from "./host-context.ts"
import type { Neighbour } from "./neighbour.ts"

describe("on paths that are long or slow", () => {
  /** Neighbours whose times are known, with nothing asked of them. */
  const setUpPaths = (...paths: ReadonlyArray<readonly [roundTrip: number, answerTime: number]>) =>
    setUpPathsBy({}, ...paths)
  const setUpPathsBy = (
    rules: Partial<PeerHostRules>,
    ...paths: ReadonlyArray<readonly [roundTrip: number, answerTime: number]>
  ) => {
    const set = setUpFiller({ longPathGain: 0, ...rules }, { pieces: 40 })
    const pieces = Array.from({ length: 40 }, (_, piece) => piece)
    const neighbours = paths.map(([roundTrip, answerTime], index) => {
      const neighbour = set.join(index + 1, ...pieces)
      neighbour.session.roundTrip = roundTrip
      neighbour.answerTime = answerTime
      return neighbour
    })
    return { ...set, neighbours }
  }

  it("a neighbour is asked for as many pieces as let maxRequestsPerNeighbour come at once", () => {
    const { context, filler, neighbours, asked } = setUpPaths([0, 1000], [500, 1000], [750, 1000])
    const counts = neighbours.map((neighbour) => {
      filler.fill(neighbour, 0)
      return asked().filter((one) => one.startsWith(`${neighbour.connection}:`)).length
    })
    expect(counts).toEqual([2, 4, 7])
    expect(context.load).toBe(2000 + 4 * 500 + 7 * 250)
  })

  it("a neighbour that shows a long round trip and then none of its pieces has half of what may be out", () => {
    // Ten pieces of 1000 bytes, as with the longest pieces: a least part of flow of 1/20 would allow 30 requests.
    const { filler, window, neighbours, asked } = setUpPathsBy(
      { maxRequestedBytes: 10_000 },
      [999, 1000],
      [0, 1000]
    )
    const [liar, honest] = neighbours as [Neighbour, Neighbour]
    filler.fill(liar, 0)
    expect([asked().length, window.live]).toEqual([5, 5])
    filler.fill(honest, 0)
    expect(asked()).toEqual(["2:5", "2:6"])
  })

  it("the neighbour that would send the fewest at once is asked first", () => {
    const { swarm, filler, neighbours, asked, answer } = setUpPaths([0, 1000], [800, 1000])
    const [near, far] = neighbours as [Neighbour, Neighbour]
    swarm.maxLive = 5
    filler.fill(far, 0)
    expect(asked()).toHaveLength(5)
    filler.fill(near, 0)
    // One of five that are a fifth each: what is left counts as one, so the near one, which has none, comes first.
    const request = answer(far, 0)
    filler.pieceReceived(far, request, 1000)
    filler.fill(far, 1000)
    expect(asked()).toEqual(["1:0"])
  })

  it("of idle neighbours, the one that would send the fewest at once is asked first", () => {
    const { swarm, filler, neighbours, asked } = setUpPaths([0, 1000], [800, 1000])
    for (const [index, neighbour] of neighbours.entries()) {
      swarm.maxLive = index + 1
      filler.fill(neighbour, 0)
    }
    expect(asked()).toEqual(["1:0", "2:1"])
    swarm.maxLive = 3
    filler.fillIdle(10)
    expect(asked()).toEqual(["2:2"])
  })

  it("a slow neighbour is asked, but counts nothing", () => {
    const { context, filler, neighbours, answer, asked } = setUpPaths([0, 1000], [0, 9000])
    const [usual, slow] = neighbours as [Neighbour, Neighbour]
    filler.fill(usual, 0)
    filler.pieceReceived(usual, answer(usual, 0), 1000)
    asked()
    const before = context.load
    filler.fill(slow, 1000)
    expect(asked().filter((one) => one.startsWith("2:"))).toHaveLength(2)
    expect(slow.requests.outstanding.map(({ weight }) => weight)).toEqual([0, 0])
    expect(context.load).toBeGreaterThanOrEqual(before)
  })
})
