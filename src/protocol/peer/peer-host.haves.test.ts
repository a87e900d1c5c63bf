// Have messages of a host, through the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import {
  bitsOf,
  messages,
  metainfo,
  piece,
  pieces,
  Stage,
  swarm
} from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerHostOutput } from "../swarm/peer-host-io.ts"

describe("peer host, Have", () => {
  it("waits longer with the Haves of larger pieces", () => {
    const MiB = 1024 * 1024
    const told = (haveBatchDelayPerMiB: number): readonly number[] => {
      const rules = {
        maxRequestsPerNeighbour: 3,
        haveBatchDelay: 1000,
        haveBatchDelayPerMiB,
        haveBatchPatience: 1
      }
      const stage = new Stage("agent", rules)
      stage.open(new Bitfield(pieces))
      const source = stage.join(1, bitsOf(1, 2).toBytes())
      const other = stage.join(2, "none")
      for (const number of [1, 2]) {
        stage.receive(source, piece(number))
        stage.step({ tag: "PieceStored", swarm, piece: number })
      }
      // Pieces of this swarm have 1000 bytes.
      return [1000, 4999, 5000].map((at) => messages(stage.wakeUntil(at), other).length)
    }
    expect(told(0)).toEqual([1, 0, 0])
    expect(told(4 * MiB)).toEqual([0, 0, 1])
  })

  it("announces a piece at once after a quiet time, and those that follow together", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(1, 2, 3).toBytes())
    const other = stage.join(2, "none")
    const stored = (number: number) => {
      stage.receive(source, piece(number))
      return messages(stage.step({ tag: "PieceStored", swarm, piece: number }), other)
    }
    expect(stored(2)).toEqual([{ tag: "Have", channel: 0, pieces: [2] }])
    expect(stored(1)).toEqual([])
    expect(stored(3)).toEqual([])
    const patience = limits.haveBatchPatience * limits.haveBatchDelay
    expect(messages(stage.wakeUntil(stage.now + patience - 1), other)).toEqual([])
    expect(messages(stage.wakeUntil(stage.now + 100), other)).toEqual([
      { tag: "Have", channel: 0, pieces: [1, 3] }
    ])
  })

  it("announces waiting pieces with the first one that is stored after the delay", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(1, 2, 3).toBytes())
    const other = stage.join(2, "none")
    const stored = (number: number) => {
      stage.receive(source, piece(number))
      return messages(stage.step({ tag: "PieceStored", swarm, piece: number }), other)
    }
    stored(2)
    expect(stored(1)).toEqual([])
    stage.wakeUntil(stage.now + 2 * limits.haveBatchDelay)
    expect(stored(3)).toEqual([{ tag: "Have", channel: 0, pieces: [1, 3] }])
  })

  it("announces waiting pieces along with a Request or a Reject", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(1, 2).toBytes())
    const [asking, asked] = [stage.join(2, "none"), stage.join(3, "none")]
    const outputs: PeerHostOutput[] = []
    for (const number of [2, 1]) {
      stage.receive(source, piece(number))
      outputs.push(...stage.step({ tag: "PieceStored", swarm, piece: number }))
    }
    expect(messages(outputs, asking)).toEqual([{ tag: "Have", channel: 0, pieces: [2] }])
    const refusal = stage.receive(asking, { tag: "Request", channel: 5, piece: 7 })
    expect(refusal.map(({ tag }) => tag)).toEqual(["Have", "Reject"])
    const news = stage.receive(asked, { tag: "Have", channel: 5, pieces: [6] })
    expect(news.map(({ tag }) => tag)).toEqual(["Have", "Request"])
    expect(messages(stage.wakeUntil(seconds(1)), asking)).toEqual([])
    expect(messages(stage.outputs, asked)).toEqual([])
  })

  it("announces the last piece at once", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(bitsOf(0, 3, 4, 5, 6, 7))
    const source = stage.join(1, bitsOf(1, 2).toBytes())
    const other = stage.join(2, "none")
    for (const number of [2, 1]) {
      stage.receive(source, piece(number))
      stage.step({ tag: "PieceStored", swarm, piece: number })
    }
    expect(messages(stage.outputs, other)).toEqual([{ tag: "Have", channel: 0, pieces: [1] }])
  })

  it("announces pieces together, and to neighbours that join meanwhile only what was not in their Open", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(1, 2, 3).toBytes())
    const early = stage.join(2, "none")
    const outputs: PeerHostOutput[] = []
    for (const number of [2, 1]) {
      stage.receive(source, piece(number))
      outputs.push(...stage.step({ tag: "PieceStored", swarm, piece: number }))
    }
    const late = stage.join(3, "none")
    expect(messages(stage.outputs, late)[0]).toMatchObject({ tag: "Open", have: bitsOf(1, 2).toBytes() })
    stage.receive(source, piece(3))
    outputs.push(...stage.step({ tag: "PieceStored", swarm, piece: 3 }))
    outputs.push(...stage.wakeUntil(stage.now + 2 * limits.haveBatchPatience * limits.haveBatchDelay))
    const told = (connection: number) =>
      messages(outputs, connection).flatMap((message) => (message.tag === "Have" ? [message.pieces] : []))
    expect(told(source)).toEqual([])
    expect(told(early).flat()).toEqual([2, 1, 3])
    expect(told(early).length).toBeLessThan(3)
    expect(told(late)).toEqual([[3]])
  })

  it("announces groups of pieces, or after a while, to a neighbour that has plenty to request", () => {
    const many = 96
    const blob = { ...metainfo, length: many * metainfo.pieceLength }
    const rules = { maxRequestsPerNeighbour: 9, maxRequestsPerSwarm: 20, maxRequestsPerHost: 20 }
    const stage = new Stage("agent", { ...rules, haveHoldPieces: 4 })
    const have = new Bitfield(many)
    for (let number = 20; number < 60; number++) have.set(number)
    stage.step({ tag: "SwarmOpened", swarm, metainfo: blob, have })
    const theirs = (...numbers: readonly number[]): Uint8Array<ArrayBuffer> => {
      const field = new Bitfield(many)
      for (const number of numbers) field.set(number)
      return field.toBytes()
    }
    const last = Array.from({ length: 39 }, (_, index) => 20 + index)
    const source = stage.join(1, theirs(0, 1, 2, 3, 4, 5, 6, 7))
    const [patient, hungry] = [stage.join(2, theirs(95)), stage.join(3, theirs(95, ...last))]
    const stored = (number: number) => {
      stage.wakeUntil(stage.now + 2 * limits.haveBatchDelay)
      stage.receive(source, piece(number))
      const outputs = stage.step({ tag: "PieceStored", swarm, piece: number })
      const told = (connection: number) =>
        messages(outputs, connection).flatMap((message) => (message.tag === "Have" ? message.pieces : []))
      return { patient: told(patient), hungry: told(hungry) }
    }
    expect(stored(0)).toEqual({ patient: [0], hungry: [0] })
    expect(stored(1)).toEqual({ patient: [], hungry: [1] })
    expect(stored(2)).toEqual({ patient: [], hungry: [2] })
    expect(stored(3)).toEqual({ patient: [], hungry: [3] })
    expect(stored(4)).toEqual({ patient: [1, 2, 3, 4], hungry: [4] })
    expect(stored(5)).toEqual({ patient: [], hungry: [5] })
    const later = stage.wakeUntil(stage.now + 2 * limits.haveHoldPatience * limits.haveBatchDelay)
    expect(messages(later, patient)).toEqual([{ tag: "Have", channel: 0, pieces: [5] }])
  })
})
