// Connections and channels of the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import {
  bitsOf,
  hello,
  messages,
  piece,
  pieces,
  Stage,
  swarm,
  tags
} from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { limits } from "../limits.ts"
import type { Message } from "../wire/message.ts"

describe("peer host, handshake", () => {
  it("sends Hello first when it dials, and second when it is dialled", () => {
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
    ["version", { ...hello(1), version: 1 } as Message],
    ["duplicate", hello(50)]
  ])("refuses a Hello by Bye %s", (reason, first) => {
    const stage = new Stage()
    stage.step({ tag: "Connected", connection: -1 })
    expect(stage.receive(-1, first)).toEqual([{ tag: "Bye", reason }])
    expect(tags(stage.outputs)).toEqual(["Bye", "Disconnect"])
  })

  it("ends a connection to another version by Bye version, without a ban", () => {
    const stage = new Stage()
    stage.step({ tag: "Connected", connection: -1 })
    stage.step({ tag: "ProtocolBroken", connection: -1, reason: "version 2", bye: "version" })
    expect(messages(stage.outputs, -1)).toEqual([{ tag: "Bye", reason: "version" }])
    expect(tags(stage.outputs)).toEqual(["Bye", "Disconnect"])
    expect(stage.host.counters.protocolErrors).toBe(0)
  })

  it("accepts nothing before Hello, and Hello only once", () => {
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

  it("takes maxPiecesPerMessage pieces in a Have and in a Suggest", () => {
    for (const tag of ["Have", "Suggest"] as const) {
      const stage = new Stage("agent", { maxPiecesPerMessage: 2 })
      stage.open(new Bitfield(pieces))
      const connection = stage.join(1, "none")
      stage.receive(connection, { tag, channel: 5, pieces: [0, 1] })
      expect(stage.host.counters.protocolErrors).toBe(0)
      stage.receive(connection, { tag, channel: 5, pieces: [2, 3, 4] })
      expect(stage.host.counters.protocolErrors).toBe(1)
      expect(tags(stage.outputs).slice(-2)).toEqual(["Bye", "Disconnect"])
    }
  })

  it("gives up on a peer that does not send Hello", () => {
    const stage = new Stage()
    stage.step({ tag: "Connected", connection: -1 })
    expect(stage.host.nextWake()).toBe(limits.handshakeTimeout)
    expect(tags(stage.wake())).toEqual(["Disconnect"])
  })

  it("bans a peer that breaks the protocol, until the ban is over", () => {
    const stage = new Stage()
    const connection = stage.accept(1)
    stage.step({ tag: "ProtocolBroken", connection, reason: "nonsense", bye: "protocol-error" })
    expect(tags(stage.outputs)).toEqual(["PeerBanned", "Bye", "Disconnect"])
    stage.step({ tag: "Disconnected", connection, reason: "" })
    stage.step({ tag: "Connected", connection: -8 })
    expect(stage.receive(-8, hello(1))).toEqual([{ tag: "Bye", reason: "banned" }])
    stage.now = limits.banDuration
    stage.step({ tag: "Connected", connection: -9 })
    expect(stage.receive(-9, hello(1)).map(({ tag }) => tag)).toEqual(["Hello"])
  })

  it("refuses more connections than it may have, and ends an idle one for the next", () => {
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

  it("sends Bye to all peers when it stops, and accepts no connection any more", () => {
    const stage = new Stage()
    stage.accept(1)
    stage.accept(2)
    expect(tags(stage.step({ tag: "Stopping" }))).toEqual(["Bye", "Disconnect", "Bye", "Disconnect"])
    stage.step({ tag: "Connected", connection: -3 })
    expect(messages(stage.outputs, -3)).toEqual([{ tag: "Bye", reason: "shutdown" }])
  })

  it("backs off from an address that fails, longer each time", () => {
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
  it("asks its driver once about a swarm that it is not in, and joins or refuses", () => {
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
    // Messages that crossed the Close are ignored; the Close of the peer ends the channel.
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

  it("takes the Open that answers a closed one as its answer", () => {
    const stage = new Stage()
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    stage.step({ tag: "Connected", connection: 1 })
    stage.receive(1, hello(1))
    expect(messages(stage.step({ tag: "SwarmClosed", swarm }), 1)).toEqual([
      { tag: "Close", channel: 0, reason: "not-interested" }
    ])
    stage.open(new Bitfield(pieces))
    // The answer to the first Open crosses the Close. It is not a new Open, so no Open answers it.
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
