// A peer that sends any well-formed messages in any order: none of them makes the machine throw, and what the machine
// holds for the peer is bounded.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { seededRandom, testMetainfo, testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Bitfield } from "../kit/bitfield.ts"
import type { PeerHostInput } from "../swarm/peer-host-io.ts"
import {
  type ByeReason,
  type CloseReason,
  type Have,
  type Message,
  protocolVersion,
  type RejectReason
} from "../wire/message.ts"
import { PeerHost } from "./peer-host.ts"

const pieces = 11
const anyChannel = fc.oneof({ weight: 9, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(5000) })
const anyPiece = fc.oneof(
  { weight: 9, arbitrary: fc.nat(pieces - 1) },
  { weight: 1, arbitrary: fc.nat(70_000) }
)
const anySwarm = fc.nat(3).map(testSwarm)
const anyHave: fc.Arbitrary<Have> = fc.oneof(
  fc.constantFrom<Have>("all", "none"),
  fc.constantFrom(
    new Uint8Array([0xf0, 0x20]),
    new Uint8Array([0, 0]),
    new Uint8Array([1]),
    new Uint8Array([0, 0xff])
  )
)
const anyPayload = fc.constantFrom(1000, 700, 0).map((byteLength) => ({ byteLength }))

const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      tag: fc.constant("Hello" as const),
      version: fc.constantFrom(protocolVersion, protocolVersion, protocolVersion, 1),
      peerId: fc.constantFrom(1, 2, 9).map((peer) => testPeer(peer).peerId),
      kind: fc.constantFrom("agent" as const, "origin" as const),
      address: fc.constantFrom("", "host-1:1"),
      credentials: fc.constant(new Uint8Array(3))
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      tag: fc.constant("Open" as const),
      channel: anyChannel,
      swarm: anySwarm,
      have: anyHave
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      tag: fc.constant("Close" as const),
      channel: anyChannel,
      reason: fc.constantFrom<CloseReason>("unknown-swarm", "not-interested", "too-many", "finished")
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      tag: fc.constantFrom("Have" as const, "Suggest" as const),
      channel: anyChannel,
      pieces: fc.array(anyPiece, { maxLength: 4 })
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      tag: fc.constantFrom("Request" as const, "Cancel" as const),
      channel: anyChannel,
      piece: anyPiece
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      tag: fc.constant("Piece" as const),
      channel: anyChannel,
      piece: anyPiece,
      proof: fc.constantFrom(0, 32, 640).map((length) => new Uint8Array(length)),
      payload: anyPayload
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      tag: fc.constant("Reject" as const),
      channel: anyChannel,
      piece: anyPiece,
      reason: fc.constantFrom<RejectReason>("busy", "missing", "cancelled", "failed", "closed"),
      retryAfter: fc.constantFrom(0, 5, 2 ** 40)
    })
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<ByeReason>("idle", "full").map((reason) => ({ tag: "Bye" as const, reason }))
  }
)

/** Messages of two peers, and inputs of the driver between them. */
const anyStep = fc.oneof(
  { weight: 12, arbitrary: fc.record({ from: fc.constantFrom(-1, -2, 1), message: anyMessage }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom("wake" as const, "answer" as const, "reconnect" as const, "close" as const)
  }
)

const run = (
  steps: readonly (typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never)[]
): PeerHost => {
  const host = new PeerHost({
    ...testPeer(9, "agent"),
    random: seededRandom(5),
    limits: { maxUploadQueue: 2, maxConnections: 4, maxPendingAsks: 1, maxChannels: 64 }
  })
  let now = 0
  let accepted = 0
  const live = new Set<number>()
  const names = new Map<number, number>()
  const answers: PeerHostInput[] = []
  const step = (input: PeerHostInput): void => {
    for (const output of [...host.handle(input, now)]) {
      switch (output.tag) {
        case "LoadPiece":
          answers.push({
            ...output,
            tag: "PieceLoaded",
            payload: { byteLength: 1000 },
            proof: new Uint8Array(96)
          })
          break
        case "StorePiece":
          answers.push({ tag: "PieceStored", swarm: output.swarm, piece: output.piece })
          break
        case "SwarmAsked":
          answers.push({ tag: "SwarmUnknown", swarm: output.swarm })
          break
        case "Dial":
          live.add(output.connection)
          answers.push({ tag: "Connected", connection: output.connection })
          break
        case "Send":
          if (output.message.tag === "Piece") {
            const { connection, swarm, message } = output
            answers.push({ tag: "PieceSent", connection, swarm: swarm!, piece: message.piece })
          }
          break
        case "Disconnect":
          answers.push({ tag: "Disconnected", connection: output.connection, reason: "" })
          break
      }
    }
    expect(host.uploads.pieces).toBeLessThanOrEqual(2)
    expect(host.connections).toBeLessThanOrEqual(4)
  }
  const connect = (name: number): void => {
    const connection = --accepted
    names.set(name, connection)
    live.add(connection)
    step({ tag: "Connected", connection })
  }
  const metainfo = testMetainfo(pieces, 1000, 300)
  const have = Bitfield.fromBytes(new Uint8Array([0xc0, 0]), pieces)!
  step({ tag: "SwarmOpened", swarm: testSwarm(0), metainfo, have })
  step({ tag: "SwarmOpened", swarm: testSwarm(1), metainfo, have: Bitfield.full(pieces) })
  step({ tag: "PeersOffered", swarm: testSwarm(0), peers: [testPeer(3)] })
  connect(-1)
  connect(-2)
  for (const one of steps) {
    now += 1500
    if (one === "wake") {
      const wake = host.nextWake()
      if (wake !== undefined) {
        now = Math.max(now, wake)
        step({ tag: "Woken" })
      }
    } else if (one === "answer") {
      const answer = answers.shift()
      if (answer === undefined) continue
      if (answer.tag === "Disconnected") live.delete(answer.connection)
      const isLate = answer.tag === "PieceSent" && !live.has(answer.connection)
      if (!isLate) step(answer)
    } else if (one === "reconnect") {
      connect(accepted % 2 === 0 ? -1 : -2)
    } else if (one === "close") {
      step({ tag: "SwarmClosed", swarm: testSwarm(1) })
      step({ tag: "SwarmOpened", swarm: testSwarm(1), metainfo, have: Bitfield.full(pieces) })
    } else {
      const connection = one.from < 0 ? names.get(one.from)! : one.from
      const isConnected = connection < 0 || host.counters.connectionsDialled > 0
      if (live.has(connection) && isConnected) step({ tag: "Received", connection, message: one.message })
    }
  }
  return host
}

describe("peer host, garbage", () => {
  it("throws for nothing that a peer sends", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 5, maxLength: 120, size: "max" }), (steps) => {
        // Most runs get past the handshake; after it anything may follow.
        const greeting: Message = {
          tag: "Hello",
          version: protocolVersion,
          ...testPeer(1),
          credentials: new Uint8Array(0)
        }
        const opening: Message = { tag: "Open", channel: 1, swarm: testSwarm(0), have: "all" }
        run([{ from: -1, message: greeting }, { from: -1, message: opening }, ...steps])
      }),
      { numRuns: 400 }
    )
  })
})
