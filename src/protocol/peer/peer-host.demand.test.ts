// Requests of a swarm on demand, through the peer machine, by single steps.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { testSwarm } from "../../../testing/protocol/test-values.ts"
import {
  bitsOf,
  messages,
  metainfo,
  piece,
  pieces,
  requested,
  Stage,
  swarm
} from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { seconds } from "../kit/time.ts"

/** A stage whose swarm of eight pieces is open on demand. */
const onDemand = (rules: ConstructorParameters<typeof Stage>[1] = {}): Stage => {
  const stage = new Stage("agent", { maxRequestsPerNeighbour: 8, maxRequestsPerSwarm: 8, ...rules })
  stage.step({ tag: "SwarmOpened", swarm, metainfo, have: new Bitfield(pieces), onDemand: true })
  return stage
}

const read = (stage: Stage, reader: number, firstPiece: number, endPiece: number) =>
  stage.step({ tag: "ReaderMoved", swarm, reader, firstPiece, endPiece })

describe("a swarm on demand", () => {
  it("requests only what its readers read next, of all readers together", () => {
    const stage = onDemand()
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toEqual([])
    expect(requested(messages(read(stage, 1, 4, 6), one))).toEqual([4, 5])
    expect(requested(messages(read(stage, 2, 5, 7), one))).toEqual([6])
    stage.receive(one, piece(4))
    expect(requested(messages(stage.step({ tag: "PieceStored", swarm, piece: 4 }), one))).toEqual([])
  })

  it("requests what its readers read, with or without precedence", () => {
    const stage = onDemand({ maxReaders: 1 })
    const one = stage.join(1, "all")
    expect(requested(messages(read(stage, 1, 6, 7), one))).toEqual([6])
    expect(requested(messages(read(stage, 2, 0, 1), one))).toEqual([0])
  })

  it("requests nothing once the readers have left, not even what was refused or corrupt", () => {
    const stage = onDemand({ maxRequestsPerNeighbour: 1 })
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    read(stage, 1, 0, 4)
    expect(stage.host.swarmStatus(swarm)!.requested).toBe(2)
    stage.step({ tag: "ReaderLeft", swarm, reader: 1 })
    stage.receive(one, { tag: "Reject", channel: 5, piece: 0, reason: "busy", retryAfter: 1000 })
    stage.receive(two, piece(1))
    stage.step({ tag: "PieceStored", swarm, piece: 1 })
    expect(requested(stage.wakeUntil(seconds(60)).flatMap((output) => messages([output], one)))).toEqual([])
    expect(stage.host.swarmStatus(swarm)!.requested).toBe(0)
  })

  it("requests no duplicate of a late piece that no reader waits for any more", () => {
    const stage = onDemand({ maxRequestsPerNeighbour: 1 })
    stage.join(1, "all")
    read(stage, 1, 0, 1)
    stage.step({ tag: "ReaderLeft", swarm, reader: 1 })
    const two = stage.join(2, "all")
    expect(requested(stage.wakeUntil(seconds(3)).flatMap((output) => messages([output], two)))).toEqual([])
  })

  it("requests everything while the whole blob is wanted, and no longer", () => {
    const stage = onDemand({ maxRequestsPerSwarm: 3 })
    const one = stage.join(1, "all")
    const whole = (wanted: boolean) => stage.step({ tag: "DemandChanged", swarm, whole: wanted })
    const asked = requested(messages(whole(true), one))
    expect(asked).toHaveLength(3)
    whole(false)
    for (const number of asked) {
      stage.receive(one, { tag: "Reject", channel: 5, piece: number, reason: "busy", retryAfter: 1000 })
    }
    stage.wakeUntil(seconds(10))
    expect(stage.host.swarmStatus(swarm)!.requested).toBe(0)
    expect(requested(messages(whole(true), one))).toHaveLength(3)
  })

  it("leaves its share of the host's requests to others while nothing is wanted", () => {
    const asked = (window: readonly [number, number] | undefined): number => {
      const stage = new Stage("agent", { maxRequestsPerNeighbour: 8, maxRequestsPerHost: 6 })
      const other = testSwarm(2)
      stage.step({ tag: "SwarmOpened", swarm: other, metainfo, have: new Bitfield(pieces), onDemand: true })
      if (window !== undefined) {
        const [firstPiece, endPiece] = window
        stage.step({ tag: "ReaderMoved", swarm: other, reader: 1, firstPiece, endPiece })
      }
      stage.open(new Bitfield(pieces))
      const one = stage.join(1, "all")
      return requested(messages(stage.outputs, one)).length
    }
    expect([asked(undefined), asked([0, 2])]).toEqual([5, 3])
  })

  it("completes when its readers have read all of it", () => {
    const stage = onDemand()
    const one = stage.join(1, "all")
    for (let next = 0; next < pieces; next++) {
      expect(requested(messages(read(stage, 1, next, next + 1), one))).toEqual([next])
      stage.receive(one, piece(next))
      stage.step({ tag: "PieceStored", swarm, piece: next })
    }
    expect(stage.outputs).toContainEqual({ tag: "SwarmCompleted", swarm })
  })

  it("never requests or stores more than the windows of its readers", () => {
    const window = fc
      .tuple(fc.nat(pieces - 1), fc.integer({ min: 1, max: 3 }))
      .map(([first, length]) => [first, Math.min(pieces, first + length)] as const)
    const act = fc.oneof(
      fc.record({ tag: fc.constant("move" as const), reader: fc.nat(2), window }),
      fc.record({ tag: fc.constant("leave" as const), reader: fc.nat(2) }),
      fc.record({ tag: fc.constant("answer" as const) }),
      fc.record({ tag: fc.constant("refuse" as const) })
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const stage = onDemand({ maxRequestsPerNeighbour: 2 })
        const one = stage.join(1, "all")
        const wanted = new Map<number, readonly [number, number]>()
        const asked: number[] = []
        const note = () => {
          for (const number of requested(messages(stage.outputs, one))) {
            const held = [...wanted.values()].some(([first, end]) => number >= first && number < end)
            expect(held).toBe(true)
            asked.push(number)
          }
        }
        for (const doing of acts) {
          if (doing.tag === "move") {
            wanted.set(doing.reader, doing.window)
            read(stage, doing.reader, ...doing.window)
          } else if (doing.tag === "leave") {
            wanted.delete(doing.reader)
            stage.step({ tag: "ReaderLeft", swarm, reader: doing.reader })
          } else {
            const number = asked.shift()
            if (number === undefined) continue
            if (doing.tag === "answer") {
              stage.receive(one, piece(number))
              note()
              stage.step({ tag: "PieceStored", swarm, piece: number })
            } else {
              stage.receive(one, { tag: "Reject", channel: 5, piece: number, reason: "busy", retryAfter: 0 })
            }
          }
          note()
        }
      })
    )
  })
})

describe("suggestions and readers", () => {
  it("are declined on demand, and the origin then neither suggests nor steers", () => {
    const reader = onDemand()
    const source = reader.join(1, "all", "origin")
    expect(reader.receive(source, { tag: "Suggest", channel: 5, pieces: [7] })).toEqual([
      { tag: "Suggest", channel: 0, pieces: [] }
    ])
    expect(requested(messages(read(reader, 1, 2, 4), source))).toEqual([2, 3])

    const origin = new Stage("origin", { maxRequestsPerNeighbour: 1, maxUploadQueue: 20 })
    origin.open(Bitfield.full(pieces))
    const one = origin.join(1, "none")
    const two = origin.join(2, "none")
    origin.receive(two, { tag: "Suggest", channel: 5, pieces: [] })
    origin.receive(one, { tag: "Request", channel: 5, piece: 3 })
    expect(origin.receive(two, { tag: "Request", channel: 5, piece: 3 })).toEqual([])
  })

  it("take precedence over a reader for a while, then the piece of the reader goes first", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1, readerPatience: 2 })
    stage.open(bitsOf())
    read(stage, 1, 0, 1)
    const source = stage.join(1, "none", "origin")
    stage.receive(source, { tag: "Suggest", channel: 5, pieces: [3, 4, 5, 6] })
    stage.receive(source, { tag: "Have", channel: 5, pieces: [0, 1, 2, 3, 4, 5, 6, 7] })
    const asked = [...requested(messages(stage.outputs, source))]
    for (let answered = 0; answered < 3; answered++) {
      const number = asked.at(-1)!
      asked.push(...requested(stage.receive(source, piece(number))))
      asked.push(...requested(messages(stage.step({ tag: "PieceStored", swarm, piece: number }), source)))
    }
    expect(asked.slice(0, 2)).toEqual([3, 4])
    expect(asked.indexOf(0)).toBeGreaterThan(0)
    expect(asked.indexOf(0)).toBeLessThan(4)
  })
})
