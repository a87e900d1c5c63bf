// A piece that was being stored and is stored now counts once, with the time since its request.

import { expect, it } from "vitest"
import { testNeighbour } from "../../../testing/protocol/test-context.ts"
import { newPieceTimes } from "./host-context.ts"
import { type PendingWrite, writeEnded } from "./pending-writes.ts"

it("notes the time from the request of a piece until it is stored, once", () => {
  const { session: from } = testNeighbour(1)
  const pending: PendingWrite[] = [
    { piece: 3, from, requestedAt: 100 },
    { piece: 4, from, requestedAt: 200 }
  ]
  const times = newPieceTimes()
  expect(writeEnded(pending, 4, 5200, times)).toBe(true)
  expect([times.count, times.sum]).toEqual([1, 5000])
  expect(writeEnded(pending, 4, 5300, times)).toBe(false)
  expect(writeEnded(pending, 5, 5300, times)).toBe(false)
  expect([times.count, times.sum, pending.map(({ piece }) => piece)]).toEqual([1, 5000, [3]])
})
