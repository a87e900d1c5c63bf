// Recorded pieces of a resumed download: they are checked as far as they are wanted, a few at once, and are requested
// from nobody unless the check finds nothing.

import { describe, expect, test } from "vitest"
import { setUpSwarm as setUp } from "../../../testing/protocol/test-swarm.ts"

const all = [0, 1, 2, 3, 4, 5, 6, 7]

describe("recorded pieces", () => {
  test("are checked two at once, in order, while the others are requested", () => {
    const { join, out, checked } = setUp({ have: [7], recorded: [0, 1, 2, 4] })
    expect(out()).toEqual(["check 0", "check 1"])
    join(1, all)
    expect(out()).toEqual(["1:3", "1:5"])
    checked(1, true)
    expect(out()).toEqual(["check 2"])
    checked(0, true)
    expect(out()).toContain("check 4")
  })

  test("that are found are announced and served like stored ones, and complete the swarm", () => {
    const { join, out, checked, swarm } = setUp({ pieces: 4, have: [3], recorded: [0, 1, 2] })
    join(1, [])
    out()
    for (const piece of [0, 1, 2]) checked(piece, true)
    expect(out()).toEqual(["1 Have 0", "check 2", "1 Have 1 2", "completed"])
    expect(swarm.isComplete).toBe(true)
  })

  test("that are lost are requested", () => {
    const { join, out, checked } = setUp({ have: [0, 1, 2, 3, 4, 5], recorded: [6, 7] })
    join(1, all)
    expect(out()).toEqual(["check 6", "check 7"])
    checked(7, false)
    expect(out()).toEqual(["1:7"])
    checked(7, true)
    expect(out()).toEqual([])
  })

  test("are checked only in the windows of readers while nobody wants the whole", () => {
    const { out, swarm, checked } = setUp({ recorded: [0, 2, 3, 6], onDemand: true })
    expect(out()).toEqual([])
    swarm.demand.readerMoved(1, { firstPiece: 2, endPiece: 4 }, 0)
    expect(out()).toEqual(["check 2", "check 3"])
    checked(2, true)
    checked(3, true)
    expect(out()).toEqual([])
    swarm.demand.setWhole(true, 0)
    expect(out()).toEqual(["check 0", "check 6"])
  })

  test("that a reader waits for are checked first, up to the limit at once", () => {
    const { out, swarm, checked } = setUp({ recorded: [0, 1, 2, 5, 6], rules: { maxPieceChecks: 1 } })
    expect(out()).toEqual(["check 0"])
    swarm.demand.readerMoved(1, { firstPiece: 5, endPiece: 7 }, 0)
    checked(0, true)
    checked(5, true)
    checked(6, true)
    expect(out()).toEqual(["check 5", "check 6", "check 1"])
  })

  test("are not checked any more once the swarm is closed", () => {
    const { out, swarm, checked } = setUp({ recorded: [0, 1, 2] })
    out()
    swarm.closing = true
    checked(0, true)
    expect(out()).not.toContain("check 2")
  })
})
