// The peer machine by single steps: one host, its peers played by the test. Whole worlds are in peer-host.model.test.ts
// and peer-host.swarm.test.ts.

import { describe, expect, it } from "vitest"
import { Bitfield } from "./bitfield.ts"
import type { PeerHostRules } from "./host-context.ts"
import { limits } from "./limits.ts"
import type { Have, Message } from "./message.ts"
import { PeerHost } from "./peer-host.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "./peer-host-io.ts"
import type { PeerKind } from "./peer-id.ts"
import { seededRandom, testMetainfo, testPeer, testSwarm } from "./test-world.ts"
import { milliseconds, seconds } from "./time.ts"

const swarm = testSwarm(1)
const pieces = 8
const metainfo = testMetainfo(pieces, 1000)

/** One host and a clock; peers are played by calling it. */
class Stage {
  readonly host: PeerHost
  now = 0
  outputs: readonly PeerHostOutput[] = []
  #accepted = 0

  constructor(kind: PeerKind = "agent", rules: Partial<PeerHostRules> = {}) {
    this.host = new PeerHost({ ...testPeer(50, kind), random: seededRandom(3), limits: rules })
  }

  step(input: PeerHostInput): readonly PeerHostOutput[] {
    this.outputs = [...this.host.handle(input, this.now)]
    return this.outputs
  }

  open(have: Bitfield): void {
    this.step({ tag: "SwarmOpened", swarm, metainfo, have })
  }

  receive(connection: ConnectionId, message: Message): readonly Message[] {
    return messages(this.step({ tag: "Received", connection, message }), connection)
  }

  /** A peer that has dialled this host and said Hello. */
  accept(peer: number, kind: PeerKind = "agent"): ConnectionId {
    const connection = --this.#accepted
    this.step({ tag: "Connected", connection })
    this.receive(connection, hello(peer, kind))
    return connection
  }

  /** The same, with the swarm joined: the peer's channel is 5. */
  join(peer: number, have: Have, kind: PeerKind = "agent"): ConnectionId {
    const connection = this.accept(peer, kind)
    this.receive(connection, { tag: "Open", channel: 5, swarm, have })
    return connection
  }

  /** Goes on to the next wake-up. */
  wake(): readonly PeerHostOutput[] {
    this.now = Math.max(this.now, this.host.nextWake()!)
    return this.step({ tag: "Woken" })
  }

  wakeUntil(time: number): PeerHostOutput[] {
    const outputs: PeerHostOutput[] = []
    for (let wake = this.host.nextWake(); wake !== undefined && wake <= time; wake = this.host.nextWake()) {
      outputs.push(...this.wake())
    }
    this.now = time
    return outputs
  }
}

const hello = (peer: number, kind: PeerKind = "agent"): Message => ({
  tag: "Hello",
  version: 1,
  ...testPeer(peer, kind),
  credentials: new Uint8Array(0)
})

const messages = (outputs: readonly PeerHostOutput[], connection: ConnectionId): Message[] =>
  outputs.flatMap((output) =>
    output.tag === "Send" && output.connection === connection ? [output.message] : []
  )

const tags = (outputs: readonly PeerHostOutput[]): string[] =>
  outputs.map((output) => (output.tag === "Send" ? output.message.tag : output.tag))

const requested = (sent: readonly Message[]): number[] =>
  sent.flatMap((message) => (message.tag === "Request" ? [message.piece] : []))

const piece = (number: number, corrupt = false): Message => ({
  tag: "Piece",
  channel: 5,
  piece: number,
  payload: { byteLength: 1000, piece: number, corrupt } as { byteLength: number }
})

const bitsOf = (...set: number[]): Bitfield => {
  const field = new Bitfield(pieces)
  for (const one of set) field.set(one)
  return field
}

describe("peer host, handshake", () => {
  it("says Hello first when it dialled, and second when it was dialled", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    expect(stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })).toEqual([
      { tag: "Dial", connection: 1, address: "host-1:1" }
    ])
    expect(tags(stage.step({ tag: "Connected", connection: 1 }))).toEqual(["Hello"])
    expect(stage.receive(1, hello(1)).map(({ tag }) => tag)).toEqual(["Open"])

    expect(stage.step({ tag: "Connected", connection: -1 })).toEqual([])
    expect(stage.receive(-1, hello(2)).map(({ tag }) => tag)).toEqual(["Hello"])
  })

  it.each([
    ["version", { ...hello(1), version: 2 } as Message],
    ["duplicate", hello(50)]
  ])("refuses a Hello by Bye %s", (reason, first) => {
    const stage = new Stage()
    stage.step({ tag: "Connected", connection: -1 })
    expect(stage.receive(-1, first)).toEqual([{ tag: "Bye", reason }])
    expect(tags(stage.outputs)).toEqual(["Bye", "Disconnect"])
  })

  it("takes nothing before Hello, and Hello only once", () => {
    for (const opening of [
      [{ tag: "Open", channel: 0, swarm, have: "none" } as Message],
      [hello(1), hello(1)]
    ]) {
      const stage = new Stage()
      stage.step({ tag: "Connected", connection: -1 })
      for (const message of opening) stage.receive(-1, message)
      expect(messages(stage.outputs, -1)).toEqual([{ tag: "Bye", reason: "protocol-error" }])
      expect(stage.host.counters.protocolErrors).toBe(1)
    }
  })

  it("gives up on a peer that does not say Hello", () => {
    const stage = new Stage()
    stage.step({ tag: "Connected", connection: -1 })
    expect(stage.host.nextWake()).toBe(limits.handshakeTimeout)
    expect(tags(stage.wake())).toEqual(["Disconnect"])
  })

  it("bans who broke the protocol, until the ban is over", () => {
    const stage = new Stage()
    const connection = stage.accept(1)
    stage.step({ tag: "ProtocolBroken", connection, reason: "nonsense" })
    expect(tags(stage.outputs)).toEqual(["PeerBanned", "Bye", "Disconnect"])
    stage.step({ tag: "Disconnected", connection, reason: "" })
    stage.step({ tag: "Connected", connection: -8 })
    expect(stage.receive(-8, hello(1))).toEqual([{ tag: "Bye", reason: "banned" }])
    stage.now = limits.banDuration
    stage.step({ tag: "Connected", connection: -9 })
    expect(stage.receive(-9, hello(1)).map(({ tag }) => tag)).toEqual(["Hello"])
  })

  it("turns away more connections than it may have, and ends an idle one for the next", () => {
    const stage = new Stage("agent", { maxConnections: 2 })
    stage.accept(1)
    stage.accept(2)
    stage.step({ tag: "Connected", connection: -3 })
    expect(messages(stage.outputs, -3)).toEqual([{ tag: "Bye", reason: "full" }])
    expect(messages(stage.outputs, -1)).toEqual([{ tag: "Bye", reason: "idle" }])
    expect(stage.receive(-3, hello(3))).toEqual([])
    stage.step({ tag: "Disconnected", connection: -3, reason: "" })
    stage.step({ tag: "Disconnected", connection: -1, reason: "" })
    expect(stage.host.connections).toBe(1)
  })

  it("ends a connection without channels after a while", () => {
    const stage = new Stage()
    stage.accept(1)
    expect(stage.host.nextWake()).toBe(limits.idleConnectionTimeout)
    expect(tags(stage.wake())).toEqual(["Bye", "Disconnect"])
  })

  it("says Bye to all when it stops, and accepts nobody any more", () => {
    const stage = new Stage()
    stage.accept(1)
    stage.accept(2)
    expect(tags(stage.step({ tag: "Stopping" }))).toEqual(["Bye", "Disconnect", "Bye", "Disconnect"])
    stage.step({ tag: "Connected", connection: -3 })
    expect(messages(stage.outputs, -3)).toEqual([{ tag: "Bye", reason: "shutdown" }])
  })

  it("leaves a failed address alone, longer each time", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    const waits: number[] = []
    for (let attempt = 1; attempt <= 9; attempt++) {
      const failedAt = stage.now
      stage.step({ tag: "DialFailed", connection: attempt, reason: "refused" })
      const outputs = stage.wake()
      expect(outputs).toEqual([{ tag: "Dial", connection: attempt + 1, address: "host-1:1" }])
      waits.push(stage.now - failedAt)
    }
    expect(waits[0]).toBeLessThanOrEqual(limits.minRedialDelay)
    expect(waits[8]).toBeGreaterThan(limits.maxRedialDelay / 4)
    expect(waits[8]).toBeLessThanOrEqual(limits.maxRedialDelay)
    expect(stage.host.counters.dialsFailed).toBe(9)
  })
})

describe("peer host, channels", () => {
  it("asks its driver about a swarm that it is not in, once, and joins or refuses", () => {
    const stage = new Stage()
    const one = stage.accept(1)
    const two = stage.accept(2)
    stage.receive(one, { tag: "Open", channel: 0, swarm, have: "none" })
    expect(stage.outputs).toEqual([{ tag: "SwarmAsked", swarm }])
    stage.receive(two, { tag: "Open", channel: 0, swarm, have: "none" })
    expect(stage.outputs).toEqual([])
    stage.open(Bitfield.full(pieces))
    expect(messages(stage.outputs, one)).toEqual([{ tag: "Open", channel: 0, swarm, have: "all" }])
    expect(messages(stage.outputs, two)).toEqual([{ tag: "Open", channel: 0, swarm, have: "all" }])

    const other = testSwarm(2)
    stage.receive(one, { tag: "Open", channel: 1, swarm: other, have: "none" })
    stage.step({ tag: "SwarmUnknown", swarm: other })
    expect(messages(stage.outputs, one)).toEqual([
      { tag: "Open", channel: 1, swarm: other, have: "none" },
      { tag: "Close", channel: 1, reason: "unknown-swarm" }
    ])
  })

  it("keeps pending asks within a bound", () => {
    const stage = new Stage("agent", { maxPendingAsks: 2 })
    const connection = stage.accept(1)
    const asked = [1, 2, 3].map((number) => {
      stage.receive(connection, { tag: "Open", channel: number, swarm: testSwarm(number), have: "none" })
      return tags(stage.outputs)
    })
    expect(asked).toEqual([["SwarmAsked"], ["SwarmAsked"], ["Open", "Close"]])
  })

  it("closes when both ends are complete", () => {
    const stage = new Stage()
    stage.open(Bitfield.full(pieces))
    const connection = stage.join(1, bitsOf(0, 1, 2, 3, 4, 5, 6).toBytes())
    expect(stage.host.swarmStatus(swarm)!.neighbours).toBe(1)
    expect(stage.receive(connection, { tag: "Have", channel: 5, pieces: [7] })).toEqual([
      { tag: "Close", channel: 0, reason: "finished" }
    ])
    expect(stage.host.swarmStatus(swarm)!.neighbours).toBe(0)
    // What crossed the Close is passed over; the peer's own Close ends the channel.
    expect(stage.receive(connection, { tag: "Request", channel: 5, piece: 1 })).toEqual([])
    expect(stage.receive(connection, { tag: "Close", channel: 5, reason: "finished" })).toEqual([])
    expect(tags(stage.wakeUntil(limits.idleConnectionTimeout))).toEqual(["Bye", "Disconnect"])
  })

  it("accepts up to the maximum of its kind", () => {
    for (const [kind, most] of [
      ["agent", 2],
      ["origin", 3]
    ] as const) {
      const stage = new Stage(kind, { maxNeighbours: 2, targetNeighbours: 1, maxSeederNeighbours: 3 })
      stage.open(Bitfield.full(pieces))
      for (let peer = 1; peer <= 5; peer++) stage.join(peer, "none")
      expect(stage.host.swarmStatus(swarm)!.neighbours).toBe(most)
      expect(messages(stage.outputs, -5)).toContainEqual({ tag: "Close", channel: 0, reason: "too-many" })
    }
  })

  it("takes the Open that answers one it has closed for what it is", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    stage.step({ tag: "Connected", connection: 1 })
    stage.receive(1, hello(1))
    expect(messages(stage.step({ tag: "SwarmClosed", swarm }), 1)).toEqual([
      { tag: "Close", channel: 0, reason: "not-interested" }
    ])
    stage.open(new Bitfield(pieces))
    // The answer to the first Open crosses the Close: it is not a new Open, so it gets no Open in return.
    expect(stage.receive(1, { tag: "Open", channel: 0, swarm, have: "all" })).toEqual([])
    expect(stage.receive(1, { tag: "Close", channel: 0, reason: "not-interested" })).toEqual([])
    expect(stage.receive(1, { tag: "Open", channel: 0, swarm, have: "all" })[0]).toMatchObject({
      tag: "Open"
    })
  })

  it.each<[string, Message]>([
    ["a channel beyond the limit", { tag: "Open", channel: limits.maxChannels, swarm, have: "none" }],
    ["a bitfield of another length", { tag: "Open", channel: 1, swarm, have: new Uint8Array(9) }],
    ["a channel that is not open", { tag: "Have", channel: 3, pieces: [] }],
    ["a Close of nothing", { tag: "Close", channel: 3, reason: "finished" }]
  ])("takes %s for a protocol error", (_, message) => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    const connection = stage.accept(1)
    expect(stage.receive(connection, message).at(-1)).toEqual({ tag: "Bye", reason: "protocol-error" })
    expect(stage.host.bans()).toHaveLength(1)
  })

  it.each<[string, Message]>([
    ["a Have out of range", { tag: "Have", channel: 5, pieces: [pieces] }],
    ["a Request out of range", { tag: "Request", channel: 5, piece: -1 }],
    ["a Suggest out of range", { tag: "Suggest", channel: 5, pieces: [pieces] }],
    ["a Cancel out of range", { tag: "Cancel", channel: 5, piece: pieces }],
    ["a Piece that was never asked for", piece(2)],
    ["a Reject of nothing", { tag: "Reject", channel: 5, piece: 2, reason: "busy", retryAfter: 0 }],
    ["the swarm opened twice", { tag: "Open", channel: 6, swarm, have: "none" }]
  ])("takes %s for a protocol error", (_, message) => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    const connection = stage.join(1, "none")
    expect(stage.receive(connection, message).at(-1)).toEqual({ tag: "Bye", reason: "protocol-error" })
    expect(stage.host.counters.protocolErrors).toBe(1)
    expect(stage.host.swarmStatus(swarm)!.neighbours).toBe(0)
  })
})

describe("peer host, requests", () => {
  it("asks each neighbour for as much as the limits allow", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 2, maxRequestsPerSwarm: 3 })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toHaveLength(2)
    const two = stage.join(2, "all")
    expect(requested(messages(stage.outputs, two))).toHaveLength(1)
    expect(stage.host.swarmStatus(swarm)!.requested).toBe(3)
  })

  it("stores a piece before it tells or serves it", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(4).toBytes())
    const other = stage.join(2, "none")
    stage.receive(source, piece(4))
    expect(stage.outputs).toMatchObject([{ tag: "StorePiece", piece: 4, from: testPeer(1).peerId }])
    expect(stage.receive(other, { tag: "Request", channel: 5, piece: 4 })).toMatchObject([
      { tag: "Reject", reason: "missing" }
    ])
    expect(stage.wakeUntil(seconds(1)).filter(({ tag }) => tag === "Send")).toEqual([])
    stage.step({ tag: "PieceStored", swarm, piece: 4 })
    expect(stage.host.nextWake()).toBe(stage.now + limits.haveBatchDelay)
    // The source has the piece: only the other is told.
    expect(stage.wake()).toEqual([
      { tag: "Send", connection: other, message: { tag: "Have", channel: 0, pieces: [4] } }
    ])
    expect(
      tags(
        stage.step({ tag: "Received", connection: other, message: { tag: "Request", channel: 5, piece: 4 } })
      )
    ).toEqual(["LoadPiece"])
  })

  it("tells pieces together, and to those who join meanwhile only what their Open did not tell", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 3 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, bitsOf(1, 2, 3).toBytes())
    const early = stage.join(2, "none")
    for (const number of [2, 1]) {
      stage.receive(source, piece(number))
      stage.step({ tag: "PieceStored", swarm, piece: number })
    }
    const late = stage.join(3, "none")
    expect(messages(stage.outputs, late)[0]).toMatchObject({ tag: "Open", have: bitsOf(1, 2).toBytes() })
    stage.receive(source, piece(3))
    stage.step({ tag: "PieceStored", swarm, piece: 3 })
    const told = stage.wake()
    expect(messages(told, source)).toEqual([])
    expect(messages(told, early)).toEqual([{ tag: "Have", channel: 0, pieces: [2, 1, 3] }])
    expect(messages(told, late)).toEqual([{ tag: "Have", channel: 0, pieces: [3] }])
  })

  it("asks another when one is busy, and comes back when it was told to", () => {
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
    // A peer does not decide to be left alone for as long as it likes.
    const again = stage.host.neighbours(swarm)[1]!.askAgainAt!
    expect(again).toBeLessThanOrEqual(1.25 * limits.maxRejectBackoff)
  })

  it("does not ask again for a piece that a peer turned out not to have", () => {
    const stage = new Stage()
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    stage.receive(one, { tag: "Reject", channel: 5, piece: 7, reason: "missing", retryAfter: 0 })
    expect(requested(messages(stage.wakeUntil(seconds(30)), one))).toEqual([])
    expect(stage.host.neighbours(swarm)[0]!.have).toBe(7)
  })

  it("gives up on a request after its timeout, takes the piece when it comes late, and drops who never answers", () => {
    const stage = new Stage("agent", { requestTimeoutPerMiB: 0, maxRequestsPerNeighbour: 1 })
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.now = limits.requestTimeoutBase
    expect(requested(messages(stage.wake(), two))).toEqual([7])
    expect(stage.host.counters.requestsTimedOut).toBe(1)
    // The late piece is welcome; the other request is cancelled.
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

  it("counts a second copy as a duplicate and no violation", () => {
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

  it("bans exactly the peer that sent a corrupt piece, and asks another for it", () => {
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

  it("fails the swarm when there is no storage, and goes on serving", () => {
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

  it("asks for what a waiting client reads next before anything else", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "ReaderMoved", swarm, reader: 1, firstPiece: 5, endPiece: 7 })
    const one = stage.join(1, "all")
    expect(requested(messages(stage.outputs, one))).toEqual([5])
    expect(requested(stage.receive(one, piece(5)))).toEqual([6])
    stage.step({ tag: "ReaderMoved", swarm, reader: 1, firstPiece: 2, endPiece: 3 })
    expect(requested(stage.receive(one, piece(6)))).toEqual([2])
  })

  it("asks a source for what it suggests", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    const one = stage.join(1, "all", "origin")
    const [first] = requested(messages(stage.outputs, one))
    const suggested = [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => number !== first).slice(3, 5)
    stage.receive(one, { tag: "Suggest", channel: 5, pieces: suggested })
    expect(requested(stage.receive(one, piece(first!)))).toEqual([suggested[0]])
    expect(requested(stage.receive(one, piece(suggested[0]!)))).toEqual([suggested[1]])
  })

  it("asks a second neighbour in endgame only when the first takes too long", () => {
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

  it("returns the requests of a connection that goes", () => {
    const stage = new Stage()
    stage.open(bitsOf(0, 1, 2, 3, 4, 5, 6))
    const one = stage.join(1, "all")
    const two = stage.join(2, "all")
    stage.step({ tag: "Disconnected", connection: one, reason: "reset" })
    expect(requested(messages(stage.outputs, two))).toEqual([7])
    expect(stage.host.swarmStatus(swarm)).toMatchObject({ neighbours: 1, requested: 1 })
  })

  it("subtracts what a neighbour had when it goes, so that the rarest piece is the rarest", () => {
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

  it("asks for no more while too many pieces are being stored", () => {
    const stage = new Stage("agent", { maxRequestsPerSwarm: 1, maxRequestsPerNeighbour: 1 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, "all")
    const [first] = requested(messages(stage.outputs, source))
    const [second] = requested(stage.receive(source, piece(first!)))
    expect(requested(stage.receive(source, piece(second!)))).toEqual([])
    stage.step({ tag: "PieceStored", swarm, piece: first! })
    expect(requested(messages(stage.outputs, source))).toHaveLength(1)
  })

  it("keeps the newest suggestions when there are too many", () => {
    const stage = new Stage("agent", { maxRequestsPerNeighbour: 1, maxSuggestions: 2 })
    stage.open(new Bitfield(pieces))
    const source = stage.join(1, "all", "origin")
    const [first] = requested(messages(stage.outputs, source))
    const suggested = [0, 1, 2, 3, 4].filter((number) => number !== first).slice(0, 3)
    stage.receive(source, { tag: "Suggest", channel: 5, pieces: suggested })
    expect(requested(stage.receive(source, piece(first!)))).toEqual([suggested[1]])
  })

  it("wakes for a copy in endgame from a neighbour that was busy before", () => {
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

describe("peer host, finding neighbours", () => {
  it("replaces a neighbour that goes by the next candidate", () => {
    const stage = new Stage("agent", { targetNeighbours: 1 })
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    stage.step({ tag: "Connected", connection: 1 })
    stage.receive(1, hello(1))
    stage.receive(1, { tag: "Open", channel: 5, swarm, have: bitsOf(0).toBytes() })
    // The swarm has all the neighbours it wants, so the second is kept in reserve.
    expect(stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(2)] })).toEqual([])
    expect(stage.step({ tag: "Disconnected", connection: 1, reason: "reset" })).toEqual([
      { tag: "Dial", connection: 2, address: "host-2:1" }
    ])
  })

  it("remembers no more candidates than it may", () => {
    const stage = new Stage("agent", { targetNeighbours: 1, maxNeighbours: 1, maxCandidates: 3 })
    stage.open(new Bitfield(pieces))
    const dialled = new Set<string>()
    let outputs = stage.step({
      tag: "PeersOffered",
      swarm,
      peers: [1, 2, 3, 4, 5].map((peer) => testPeer(peer))
    })
    for (let attempt = 1; attempt <= 12; attempt++) {
      const dial =
        outputs.find((output) => output.tag === "Dial") ?? stage.wake().find(({ tag }) => tag === "Dial")
      expect(dial).toMatchObject({ connection: attempt })
      if (dial?.tag === "Dial") dialled.add(dial.address)
      outputs = stage.step({ tag: "DialFailed", connection: attempt, reason: "refused" })
    }
    expect([...dialled]).toEqual(["host-1:1", "host-2:1", "host-3:1"])
  })
})

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
