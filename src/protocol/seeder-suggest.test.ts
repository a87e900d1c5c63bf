// What an origin suggests and whom it steers, behind the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { Bitfield } from "./bitfield.ts"
import type { Message } from "./message.ts"
import { messages, metainfo, pieces, Stage, swarm, tags } from "./test-world.ts"

describe("peer host, an origin's suggestions", () => {
  const suggested = (sent: readonly Message[]): readonly number[] =>
    sent.flatMap((message) => (message.tag === "Suggest" ? [...message.pieces] : []))

  it("suggests different pieces to different neighbours, and nothing to one that is alone", () => {
    const stage = new Stage("origin", { maxRequestsPerNeighbour: 2 })
    stage.open(Bitfield.full(pieces))
    const one = stage.join(1, "none")
    expect(suggested(messages(stage.outputs, one))).toEqual([])
    const two = stage.join(2, "none")
    const first = [...suggested(messages(stage.outputs, one)), ...suggested(messages(stage.outputs, two))]
    const three = stage.join(3, "none")
    const all = [...first, ...suggested(messages(stage.outputs, three))]
    expect(all).toHaveLength(6)
    expect(new Set(all).size).toBe(6)
  })

  it("begins where it is told to, so that the owners of a blob begin apart", () => {
    for (const seedFrom of [0, 5]) {
      const stage = new Stage("origin", { maxRequestsPerNeighbour: 2 })
      stage.step({ tag: "SwarmOpened", swarm, metainfo, have: Bitfield.full(pieces), seedFrom })
      const one = stage.join(1, "none")
      const two = stage.join(2, "none")
      expect([
        ...suggested(messages(stage.outputs, one)),
        ...suggested(messages(stage.outputs, two))
      ]).toEqual([0, 1, 2, 3].map((step) => (seedFrom + step) % pieces))
    }
  })

  it("steers a request for what somebody got already, and gives in when nothing else is left to suggest", () => {
    const stage = new Stage("origin", { maxRequestsPerNeighbour: 1, maxUploadQueue: 20 })
    stage.open(Bitfield.full(pieces))
    const one = stage.join(1, "none")
    const two = stage.join(2, "none")
    stage.receive(one, { tag: "Request", channel: 5, piece: 3 })
    expect(tags(stage.outputs)).toContain("LoadPiece")
    stage.receive(two, { tag: "Request", channel: 5, piece: 3 })
    expect(messages(stage.outputs, two).at(-1)).toMatchObject({ tag: "Reject", piece: 3, reason: "busy" })
    for (const other of [0, 1, 2, 4, 5, 6, 7]) {
      stage.receive(one, { tag: "Request", channel: 5, piece: other })
      expect(messages(stage.outputs, one).some(({ tag }) => tag === "Reject")).toBe(false)
    }
    expect(
      messages(
        stage.step({ tag: "Received", connection: two, message: { tag: "Request", channel: 5, piece: 3 } }),
        two
      )
    ).toEqual([])
    expect(stage.host.uploads.pieces).toBe(9)
  })

  it("gives a neighbour that insists what it wants", () => {
    const stage = new Stage("origin", { maxUploadQueue: 4 })
    stage.open(Bitfield.full(pieces))
    const one = stage.join(1, "none")
    const two = stage.join(2, "none")
    stage.receive(one, { tag: "Request", channel: 5, piece: 3 })
    let refusals = 0
    while (refusals < 1000) {
      const answer = stage.receive(two, { tag: "Request", channel: 5, piece: 3 })
      if (!answer.some(({ tag }) => tag === "Reject")) break
      refusals++
    }
    expect(refusals).toBeGreaterThan(10)
    expect(refusals).toBeLessThan(100)
  })
})
