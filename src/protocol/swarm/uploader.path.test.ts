// The uploader on paths that are long or slow: who waits in line, and whose pieces hold no place.

import fc from "fast-check"
import { expect, it } from "vitest"
import { testNeighbour } from "../../../testing/protocol/test-context.ts"
import { counts, setUpUploader as setUp } from "../../../testing/protocol/test-uploader.ts"
import type { Neighbour } from "./neighbour.ts"

const withRoundTrip = (roundTrip: number | undefined): Neighbour => {
  const neighbour = testNeighbour(10)
  neighbour.session.roundTrip = roundTrip
  return neighbour
}

it("has places in line for as many pieces as are sent in the asker's round trip", () => {
  const { uploader, enqueue } = setUp({ maxUploadQueue: 2, maxUploadsInFlight: 2, maxUploadLine: 3 })
  for (const piece of [1, 2]) enqueue(piece, piece)
  // A piece of 1000 bytes takes 1000 microseconds.
  const hasRoom = () =>
    [undefined, 999, 1000, 2999, 9000].map((each) => uploader.hasRoom(1000, withRoundTrip(each)))
  expect(hasRoom()).toEqual([false, false, true, true, true])
  enqueue(3, 3)
  expect(hasRoom()).toEqual([false, false, false, true, true])
  for (const piece of [4, 5]) enqueue(piece, piece)
  expect(hasRoom()).toEqual([false, false, false, false, false])
})

it("gives the place of a piece on its way to a slow neighbour to others", () => {
  const rules = { maxUploadQueue: 2, maxUploadsInFlight: 2, slowNeighbourFactor: 2 }
  const { context, uploader, neighbours, enqueue, loaded, sent, out } = setUp(rules)
  const send = (connection: number, piece: number, took: number): void => {
    enqueue(connection, piece)
    loaded(piece)
    context.now += took
    sent(connection, piece)
  }
  send(1, 1, 1000)
  send(2, 2, 9000)
  send(1, 3, 1000)
  expect(neighbours.slice(1, 4).map(({ sendTimePerByte }) => sendTimePerByte)).toEqual([1, 9, 0])
  enqueue(2, 4)
  enqueue(1, 5)
  out()
  // While it loads, it is like any other.
  expect(uploader.hasRoom(1000, testNeighbour(10))).toBe(false)
  loaded(4)
  expect(uploader.hasRoom(1000, testNeighbour(10))).toBe(true)
  enqueue(3, 6)
  expect(out()).toEqual(["2 <- piece 4", "load 6"])
  expect(counts(uploader)).toEqual([3, 0, 3000])
  expect(uploader.hasRoom(1000, testNeighbour(10))).toBe(false)
})

it("never holds more than the queue, the line, one place and as many slow pieces as may be on their way", () => {
  const ask = fc.record({
    connection: fc.integer({ min: 1, max: 9 }),
    took: fc.nat(5000),
    done: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 60 }), fc.nat(20_000), (asks, roundTrip) => {
      const rules = { maxUploadQueue: 3, maxUploadsInFlight: 2, maxUploadLine: 4, maxUploadBytes: 1e9 }
      const { context, uploader, neighbours, enqueue, loaded, sent, out } = setUp(rules)
      for (const { session } of neighbours) session.roundTrip = roundTrip
      const onTheWay: Array<readonly [connection: number, piece: number]> = []
      const asked = new Map<number, number>()
      for (const [piece, { connection, took, done }] of asks.entries()) {
        if (uploader.hasRoom(1000, neighbours[connection]!)) {
          enqueue(connection, piece)
          asked.set(piece, connection)
        }
        for (const line of out()) if (line.startsWith("load ")) loaded(Number(line.slice(5)))
        for (const line of out()) onTheWay.push([Number(line[0]), Number(line.split(" ").at(-1))])
        context.now += took
        const next = done ? onTheWay.shift() : undefined
        if (next !== undefined) sent(...next)
        expect(uploader.queued).toBeLessThanOrEqual(3 + 4 + 1 + 2)
      }
    })
  )
})
