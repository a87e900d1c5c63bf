// Requests of a host, through the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import {
  bitsOf,
  messages,
  metainfo,
  piece,
  pieces,
  requested,
  Stage,
  swarm,
  tags
} from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { milliseconds, seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"

describe("peer host, requests", () => {
  it("requests as much from each neighbour as the limits allow", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 2, maxRequestsPerSwarm: 3 })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toHaveLength(2)
    const two = stage.join(2, "all")
    expect(requested(messages(stage.outputs, two))).toHaveLength(1)
    expect(stage.host.swarmStatus(swarm)!.requested).toBe(3)
  })

  it("shares the requests of the host among the swarms that still fetch", () => {
    const askedBeside = (...others: readonly Bitfield[]): number => {
      const rules = { maxRequestsPerNeighbour: 8, maxRequestsPerSwarm: 5, maxRequestsPerHost: 6 }
      const stage = new Stage("agent", rules)
      for (const [index, have] of others.entries()) {
        stage.step({ tag: "SwarmOpened", swarm: testSwarm(2 + index), metainfo, have })
      }
      stage.open(new Bitfield(pieces))
      const one = stage.join(1, "all")
      return requested(messages(stage.outputs, one)).length
    }
    expect(askedBeside()).toBe(5)
    expect(askedBeside(new Bitfield(pieces))).toBe(3)
    expect(askedBeside(new Bitfield(pieces), new Bitfield(pieces))).toBe(2)
    expect(askedBeside(...Array.from({ length: 9 }, () => new Bitfield(pieces)))).toBe(1)
    expect(askedBeside(Bitfield.full(pieces))).toBe(5)
  })

  it("gives the share of a swarm that closes to the others", () => {
    const rules = { maxRequestsPerNeighbour: 8, maxRequestsPerSwarm: 5, maxRequestsPerHost: 6 }
    const stage = new Stage("agent", rules)
    const other = testSwarm(2)
    stage.step({ tag: "SwarmOpened", swarm: other, metainfo, have: new Bitfield(pieces) })
    stage.step({ tag: "SwarmClosed", swarm: other })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toHaveLength(5)
  })

  it("stores a piece before it announces or serves it", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(4).toBytes())
    const other = stage.join(2, "none")
    stage.receive(source, piece(4))
    expect(stage.outputs).toMatchObject([{ tag: "StorePiece", piece: 4 }])
    expect(stage.receive(other, { tag: "Request", channel: 5, piece: 4 })).toMatchObject([
      { tag: "Reject", reason: "missing" }
    ])
    expect(stage.wakeUntil(seconds(1)).filter(({ tag }) => tag === "Send")).toEqual([])
    const told = [
      ...stage.step({ tag: "PieceStored", swarm, piece: 4 }),
      ...stage.wakeUntil(stage.now + 2 * limits.haveBatchDelay)
    ]
    // The source has the piece, so only the other neighbour gets a Have.
    expect(told).toEqual([
      { tag: "Send", connection: other, message: { tag: "Have", channel: 0, pieces: [4] } }
    ])
    expect(
      tags(
        stage.step({ tag: "Received", connection: other, message: { tag: "Request", channel: 5, piece: 4 } })
      )
    ).toEqual(["LoadPiece"])
  })

  it("requests the last pieces in order, so that the digest of the blob is soon complete", () => {
    const asked = (orderedTail: number) => {
      const rules = {
        maxRequestsPerNeighbour: 6,
        maxRequestsPerSwarm: 6,
        maxRequestsPerHost: 6,
        orderedTail
      }
      const stage = new Stage("agent", rules)
      stage.open(bitsOf(1, 4))
      const source = stage.join(1, "all")
      return requested(messages(stage.outputs, source))
    }
    expect(asked(6 / pieces)).toEqual([0, 2, 3, 5, 6, 7])
    expect(asked(5 / pieces)).not.toEqual([0, 2, 3, 5, 6, 7])
  })

  it("requests the rarest piece first within the window of the tail", () => {
    const asked = (tailWindow: number) => {
      const stage = new Stage("agent", { maxRequestsPerNeighbour: 1, orderedTail: 1, tailWindow })
      stage.open(bitsOf(1, 4))
      const busy = stage.join(2, bitsOf(0, 2, 3).toBytes())
      for (const number of requested(messages(stage.outputs, busy))) {
        const retryAfter = seconds(1)
        stage.receive(busy, { tag: "Reject", channel: 5, piece: number, reason: "busy", retryAfter })
      }
      const source = stage.join(1, "all")
      return requested(messages(stage.outputs, source))
    }
    expect(asked(0)).toEqual([0])
    expect([[5], [6], [7]]).toContainEqual(asked(32 / pieces))
  })

  it("asks another neighbour when one is busy, and returns to it when it may", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toEqual([7])
    const two = stage.join(2, "all")
    expect(requested(messages(stage.outputs, two))).toEqual([])
    const retryAfter = milliseconds(100)
    stage.receive(one, { tag: "Reject", channel: 5, piece: 7, reason: "busy", retryAfter })
    expect(requested(messages(stage.outputs, two))).toEqual([7])
    stage.receive(two, { tag: "Reject", channel: 5, piece: 7, reason: "busy", retryAfter: seconds(50) })
    expect(requested(messages(stage.outputs, one))).toEqual([])
    expect(stage.host.nextWake()).toBeGreaterThanOrEqual(0.75 * retryAfter)
    expect(stage.host.nextWake()).toBeLessThanOrEqual(1.25 * retryAfter)
    expect(requested(messages(stage.wake(), one))).toEqual([7])
    // The wait that a peer names is bounded.
    const again = stage.host.neighbours(swarm)[1]!.backoffUntil!
    expect(again).toBeLessThanOrEqual(1.25 * limits.maxRejectBackoff)
  })

  it("does not request a piece again from a peer that does not have it", () => {
    const stage = new Stage()
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    stage.receive(one, { tag: "Reject", channel: 5, piece: 7, reason: "missing", retryAfter: 0 })
    expect(requested(messages(stage.wakeUntil(seconds(30)), one))).toEqual([])
    expect(stage.host.neighbours(swarm)[0]?.have).toBe(7)
  })

  it("gives up a request after its timeout, keeps a late piece, and drops a peer that never answers", () => {
    const stage = new Stage("agent", { requestTimeoutPerMiB: 0, maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.now = limits.requestTimeoutBase
    expect(requested(messages(stage.wake(), two))).toEqual([7])
    expect(stage.host.counters.requestsTimedOut).toBe(1)
    // The late piece is kept, and the other request is cancelled.
    expect(stage.receive(one, piece(7))).toEqual([])
    expect(tags(stage.outputs)).toEqual(["Cancel", "StorePiece"])
    expect(
      stage.receive(two, { tag: "Reject", channel: 5, piece: 7, reason: "cancelled", retryAfter: 0 })
    ).toEqual([])

    const lonely = new Stage("agent", { requestTimeoutPerMiB: 0 })
    lonely.open(new Bitfield(pieces))
    lonely.join(1, "all")
    const ended = lonely.wakeUntil(3 * limits.requestTimeoutBase)
    expect(tags(ended)).toContain("Disconnect")
    expect(lonely.host.counters.requestsTimedOut).toBe(2)
  })

  it("counts a second copy as a duplicate, not as a violation", () => {
    const stage = new Stage("agent", { requestTimeoutPerMiB: 0, maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.now = limits.requestTimeoutBase
    stage.wake()
    stage.receive(two, piece(7))
    stage.step({ tag: "PieceStored", swarm, piece: 7 })
    expect(stage.outputs[0]).toEqual({ tag: "SwarmCompleted", swarm })
    expect(stage.host.counters.piecesDuplicate).toBe(0)
    stage.receive(one, piece(7))
    expect(stage.host.counters.piecesDuplicate).toBe(1)
    expect(stage.host.counters.protocolErrors).toBe(0)
  })

  it("bans the peer that sent a corrupt piece, and requests it from another", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.receive(one, piece(7, true))
    stage.step({ tag: "PieceCorrupt", swarm, piece: 7 })
    expect(stage.outputs[0]).toMatchObject({ tag: "PeerBanned", peerId: testPeer(1).peerId })
    expect(messages(stage.outputs, one)).toEqual([{ tag: "Bye", reason: "banned" }])
    expect(requested(messages(stage.outputs, two))).toEqual([7])
    expect(stage.host.bans().map(({ peerId }) => peerId)).toEqual([testPeer(1).peerId])
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    expect(stage.outputs).toEqual([])
  })

  it("fails the swarm when a piece cannot be stored, and goes on serving", () => {
    const stage = new Stage()
    stage.open(bitsOf(0))
    const one = stage.join(1, bitsOf(1).toBytes())
    stage.receive(one, piece(1))
    stage.step({ tag: "PieceStoreFailed", swarm, piece: 1, reason: "disk full" })
    expect(stage.outputs).toEqual([{ tag: "SwarmFailed", swarm, reason: "disk full" }])
    stage.step({ tag: "Received", connection: one, message: { tag: "Have", channel: 5, pieces: [2] } })
    expect(stage.outputs).toEqual([])
    stage.step({ tag: "Received", connection: one, message: { tag: "Request", channel: 5, piece: 0 } })
    expect(tags(stage.outputs)).toEqual(["LoadPiece"])
  })

  it("requests what a waiting client reads next before anything else", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "ReaderMoved", swarm, reader: 1, firstPiece: 5, endPiece: 7 })
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toEqual([5])
    expect(requested(stage.receive(one, piece(5)))).toEqual([6])
    stage.step({ tag: "ReaderMoved", swarm, reader: 1, firstPiece: 2, endPiece: 3 })
    expect(requested(stage.receive(one, piece(6)))).toEqual([2])
  })

  it("requests what a source suggests", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all", "origin")
    const [first] = requested(messages(stage.outputs, one))
    const suggested = [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => number !== first).slice(3, 5)
    stage.receive(one, { tag: "Suggest", channel: 5, pieces: suggested })
    expect(requested(stage.receive(one, piece(first!)))).toEqual([suggested[0]])
    expect(requested(stage.receive(one, piece(suggested[0]!)))).toEqual([suggested[1]])
  })

  it("replaces the earlier suggestions of a source", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all", "origin")
    const [first] = requested(messages(stage.outputs, one))
    const [old, newer] = [0, 1, 2].filter((number) => number !== first) as [number, number]
    stage.receive(one, { tag: "Suggest", channel: 5, pieces: [old] })
    stage.receive(one, { tag: "Suggest", channel: 5, pieces: [newer] })
    expect(requested(stage.receive(one, piece(first!)))).toEqual([newer])
  })

  it("asks a second neighbour in endgame only when the first is late", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5))
    const one = stage.join(1, bitsOf(6).toBytes())
    stage.now = milliseconds(10)
    stage.receive(one, piece(6))
    stage.step({ tag: "PieceStored", swarm, piece: 6 })
    stage.receive(one, { tag: "Have", channel: 5, pieces: [7] })
    const two = stage.join(2, "all")
    expect(requested(messages(stage.outputs, two))).toEqual([])
    const later = stage.wakeUntil(milliseconds(40))
    expect(requested(messages(later, two))).toEqual([7])
    expect(stage.receive(two, piece(7))).toEqual([])
    expect(messages(stage.outputs, one)).toEqual([{ tag: "Cancel", channel: 0, piece: 7 }])
  })

  it("releases the requests of a connection that ends", () => {
    const stage = new Stage()
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.step({ tag: "Disconnected", connection: one, reason: "reset" })
    expect(requested(messages(stage.outputs, two))).toEqual([7])
    expect(stage.host.swarmStatus(swarm)).toMatchObject({ neighbours: 1, requested: 1 })
  })

  it("subtracts the pieces of a neighbour that leaves from the availability", () => {
    const stage = new Stage("agent", { maxRequestsPerSwarm: 1 })
    stage.open(new Bitfield(pieces))
    const busy = stage.join(1, bitsOf(0).toBytes())
    stage.receive(busy, { tag: "Reject", channel: 5, piece: 0, reason: "busy", retryAfter: seconds(1) })
    for (const peer of [2, 3]) {
      const connection = stage.join(peer, bitsOf(1).toBytes())
      expect(requested(messages(stage.outputs, connection))).toEqual([1])
      stage.step({ tag: "Disconnected", connection, reason: "reset" })
    }
    const last = stage.join(4, bitsOf(0, 1).toBytes())
    expect(requested(messages(stage.outputs, last))).toEqual([1])
  })

  it("requests nothing while too many pieces are being stored", () => {
    const stage = new Stage("agent", { maxRequestsPerSwarm: 1, maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, "all")
    const [first] = requested(messages(stage.outputs, source))
    const [second] = requested(stage.receive(source, piece(first!)))
    expect(requested(stage.receive(source, piece(second!)))).toEqual([])
    stage.step({ tag: "PieceStored", swarm, piece: first! })
    expect(requested(messages(stage.outputs, source))).toHaveLength(1)
  })

  it("drops late pieces beyond the limit of pieces that are being stored", () => {
    const rules = { maxRequestsPerSwarm: 1, maxRequestsPerNeighbour: 1, requestTimeoutPerMiB: 0 }
    const stage = new Stage("agent", rules)
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, bitsOf(1).toBytes())
    stage.receive(one, piece(1))
    const two = stage.join(2, bitsOf(2).toBytes())
    stage.wakeUntil(stage.now + limits.requestTimeoutBase)
    const three = stage.join(3, bitsOf(3).toBytes())
    expect(requested(messages(stage.outputs, three))).toEqual([3])
    // Piece 1 is being stored and piece 3 is requested, which is the limit.
    stage.receive(two, piece(2))
    expect(tags(stage.outputs)).not.toContain("StorePiece")
    expect(stage.host.counters.piecesDuplicate).toBe(1)
    // Once the store has caught up, the piece is requested again.
    stage.step({ tag: "PieceStored", swarm, piece: 1 })
    stage.receive(three, piece(3))
    stage.step({ tag: "PieceStored", swarm, piece: 3 })
    const later = stage.wakeUntil(stage.now + 2 * limits.maxRejectBackoff)
    expect(requested(messages(later, two))).toEqual([2])
  })

  it("keeps the first suggestions when there are too many", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1, maxSuggestions: 2 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, "all", "origin")
    const [first] = requested(messages(stage.outputs, source))
    const suggested = [0, 1, 2, 3, 4].filter((number) => number !== first).slice(0, 3)
    stage.receive(source, { tag: "Suggest", channel: 5, pieces: suggested })
    expect(requested(stage.receive(source, piece(first!)))).toEqual([suggested[0]])
    expect(requested(stage.receive(source, piece(suggested[0]!)))).toEqual([suggested[1]])
    stage.receive(source, { tag: "Suggest", channel: 5, pieces: [suggested[1]!, suggested[2]!, 7] })
    expect(requested(stage.receive(source, piece(suggested[1]!)))).toEqual([suggested[2]])
  })

  it("wakes in endgame for a duplicate from a neighbour that was busy before", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const two = stage.join(2, "all")
    const one = stage.join(1, "all")
    stage.receive(two, { tag: "Reject", channel: 5, piece: 7, reason: "busy", retryAfter: milliseconds(100) })
    expect(requested(messages(stage.outputs, one))).toEqual([7])
    const later = stage.wakeUntil(limits.requestTimeoutBase - 1)
    expect(requested(messages(later, two))).toEqual([7])
  })
})
