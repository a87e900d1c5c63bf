// The neighbour index alone: it finds a neighbour by connection and channel, or says that it cannot.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { testNeighbour } from "../../../testing/protocol/test-context.ts"
import type { Neighbour } from "../swarm/neighbour.ts"
import { findNeighbour, indexNeighbour, makeNeighbourIndex, unindexNeighbour } from "./neighbour-index.ts"

const joined = (connection: number, theirChannel: number): Neighbour => {
  const neighbour = testNeighbour(connection)
  neighbour.theirChannel = theirChannel
  return neighbour
}

describe("the neighbour index", () => {
  it("finds each of a host's usual neighbours", () => {
    const index = makeNeighbourIndex()
    const neighbours = [-3, -2, -1, 1, 2, 3].flatMap((connection) => [
      joined(connection, 0),
      joined(connection, 1)
    ])
    for (const neighbour of neighbours) indexNeighbour(index, neighbour)
    for (const neighbour of neighbours) {
      expect(findNeighbour(index, neighbour.connection, neighbour.theirChannel)).toBe(neighbour)
    }
  })

  it("leaves the place of two to the one that joined last, and never mixes them up", () => {
    const index = makeNeighbourIndex()
    const [older, newer] = [joined(1, 0), joined(33, 0)]
    indexNeighbour(index, older)
    indexNeighbour(index, newer)
    expect(findNeighbour(index, 33, 0)).toBe(newer)
    expect(findNeighbour(index, 1, 0)).toBeUndefined()
    unindexNeighbour(index, older)
    expect(findNeighbour(index, 33, 0)).toBe(newer)
    unindexNeighbour(index, newer)
    expect(findNeighbour(index, 33, 0)).toBeUndefined()
  })

  it("finds nobody but the neighbour of that connection and channel, and none that was taken out", () => {
    const place = fc.record({
      connection: fc.integer({ min: -40, max: 40 }),
      channel: fc.nat(70),
      leaves: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(place, { maxLength: 40 }), (places) => {
        const index = makeNeighbourIndex()
        const inside = new Set<string>()
        for (const { connection, channel, leaves } of places) {
          const neighbour = joined(connection, channel)
          indexNeighbour(index, neighbour)
          expect(findNeighbour(index, connection, channel)).toBe(neighbour)
          if (leaves) unindexNeighbour(index, neighbour)
          const name = `${connection} ${channel}`
          if (leaves) inside.delete(name)
          else inside.add(name)
        }
        for (const { connection, channel } of places) {
          const found = findNeighbour(index, connection, channel)
          if (found === undefined) continue
          expect([found.connection, found.theirChannel]).toEqual([connection, channel])
          expect(inside.has(`${connection} ${channel}`)).toBe(true)
        }
      })
    )
  })
})
