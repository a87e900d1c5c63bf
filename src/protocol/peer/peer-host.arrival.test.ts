// A host that receives a blob and the hosts that download it meanwhile, through the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { messages, metainfo, pieces, Stage, swarm } from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import type { SwarmInfo } from "../wire/metainfo.ts"

const { root: key, ...blob } = metainfo
const arrival: SwarmInfo = { ...blob, key }

const openSource = (): Stage => {
  const stage = new Stage("origin", { maxRequestsPerNeighbour: 2 })
  const seedArc = { firstPiece: 0, endPiece: pieces }
  const have = new Bitfield(pieces)
  stage.step({ tag: "SwarmOpened", swarm, metainfo: arrival, have, seedArc, onDemand: true })
  return stage
}

const arrives = (stage: Stage, piece: number): void => {
  stage.step({ tag: "PieceArrived", swarm, piece })
}

describe("peer host, a blob that arrives", () => {
  it("is announced and suggested piece by piece, and requested from nobody", () => {
    const stage = openSource()
    const one = stage.join(1, Uint8Array.of(0x40))
    expect(messages(stage.outputs, one).map(({ tag }) => tag)).not.toContain("Request")
    const two = stage.join(2, "none")
    arrives(stage, 0)
    const heard = messages(stage.outputs, two)
    expect(heard).toContainEqual(expect.objectContaining({ tag: "Have", pieces: [0] }))
    expect(heard).toContainEqual(expect.objectContaining({ tag: "Suggest", pieces: [0] }))
    arrives(stage, 0)
    expect(stage.outputs).toEqual([])
  })

  it("serves a piece once it is there, and no sooner", () => {
    const stage = openSource()
    const one = stage.join(1, "none")
    stage.receive(one, { tag: "Request", channel: 5, piece: 0 })
    expect(messages(stage.outputs, one)).toContainEqual(
      expect.objectContaining({ tag: "Reject", piece: 0, reason: "missing" })
    )
    arrives(stage, 0)
    stage.receive(one, { tag: "Request", channel: 5, piece: 0 })
    expect(stage.outputs).toContainEqual({ tag: "LoadPiece", swarm, piece: 0 })
  })

  it("is complete with its last piece, and not before", () => {
    const stage = openSource()
    for (let piece = 0; piece < pieces - 1; piece++) {
      arrives(stage, piece)
      expect(stage.outputs).not.toContainEqual({ tag: "SwarmCompleted", swarm })
    }
    arrives(stage, pieces - 1)
    expect(stage.outputs).toContainEqual({ tag: "SwarmCompleted", swarm })
  })

  it("that ended meanwhile takes no more pieces", () => {
    const stage = openSource()
    stage.step({ tag: "SwarmClosed", swarm })
    arrives(stage, 0)
    expect(stage.outputs).toEqual([])
  })
})
