// Super-seeding of an origin, through the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { messages, metainfo, pieces, Stage, swarm, tags } from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import type { Message } from "../wire/message.ts"

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

  const openWithArc = (firstPiece: number, endPiece: number): Stage => {
    const stage = new Stage("origin", { maxRequestsPerNeighbour: 2, maxUploadQueue: 20 })
    const seedArc = { firstPiece, endPiece }
    stage.step({ tag: "SwarmOpened", swarm, metainfo, have: Bitfield.full(pieces), seedArc })
    return stage
  }

  it("suggests only its arc while anything of it can be suggested", () => {
    for (const [firstPiece, endPiece] of [
      [0, 4],
      [5, 8]
    ] as const) {
      const stage = openWithArc(firstPiece, endPiece)
      const joined: number[] = []
      const all: number[] = []
      for (const number of [1, 2, 3, 4]) {
        joined.push(stage.join(number, "none"))
        for (const neighbour of joined) all.push(...suggested(messages(stage.outputs, neighbour)))
      }
      expect(all).toHaveLength(8)
      expect([...new Set(all)].sort()).toEqual(
        Array.from({ length: endPiece - firstPiece }, (_, index) => firstPiece + index)
      )
    }
  })

  it("goes on backwards from the beginning of its arc", () => {
    const stage = openWithArc(3, 5)
    const one = stage.join(1, "none")
    stage.join(2, "none")
    let wanted = suggested(messages(stage.outputs, one))
    const given: number[] = []
    while (given.length < pieces) {
      const next = wanted[0]!
      stage.receive(one, { tag: "Request", channel: 5, piece: next })
      given.push(next)
      wanted = suggested(messages(stage.outputs, one))
    }
    expect(given).toEqual([3, 4, 2, 1, 0, 7, 6, 5])
  })

  it("sends a neighbour the full list of its suggestions whenever that changes", () => {
    const stage = openWithArc(0, pieces)
    const one = stage.join(1, "none")
    const two = stage.join(2, "none")
    expect(suggested(messages(stage.outputs, one))).toEqual([0, 1])
    stage.receive(two, { tag: "Request", channel: 5, piece: 0 })
    expect(suggested(messages(stage.outputs, one))).toEqual([])
    // It follows an outdated suggestion, is refused, and gets the current ones.
    stage.receive(one, { tag: "Request", channel: 5, piece: 0 })
    expect(tags(stage.outputs)).not.toContain("LoadPiece")
    expect(suggested(messages(stage.outputs, one))[0]).toBe(1)
  })

  it("suggests a piece again whose upload was aborted", () => {
    const stage = openWithArc(0, pieces)
    const one = stage.join(1, "none")
    stage.join(2, "none")
    stage.receive(one, { tag: "Request", channel: 5, piece: 0 })
    stage.step({ tag: "Disconnected", connection: one, reason: "test" })
    const three = stage.join(3, "none")
    expect(suggested(messages(stage.outputs, three))).toContain(0)
  })

  it("steers a request for a piece that is outside, until nothing is left to suggest", () => {
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

  it("uploads the piece that a neighbour insists on", () => {
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
