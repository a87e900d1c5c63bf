// The uploader through the peer machine: one complete host, whose peers the test plays.

import { describe, expect, it } from "vitest"
import { seededRandom, testMetainfo, testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { milliseconds, seconds } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerHostRules } from "../swarm/host-context.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "../swarm/peer-host-io.ts"
import { levelsAbove } from "../wire/hash-tree.ts"
import { type Message, protocolVersion, type RejectReason, type SwarmId } from "../wire/message.ts"
import { PeerHost } from "./peer-host.ts"

const pieces = 16
const pieceLength = 1 << 20
const metainfo = testMetainfo(pieces, pieceLength)
const wholeProof = new Uint8Array(32 * levelsAbove(pieces))

/** A complete host in two swarms. Peer n is on connection -n: channel 1 for the first swarm, 2 for the second. */
class Source {
  readonly host: PeerHost
  readonly swarms = [testSwarm(1), testSwarm(2)]
  now = 0
  readonly loads: Array<{ readonly swarm: SwarmId; readonly piece: number }> = []
  readonly sent: Array<{
    readonly connection: ConnectionId
    readonly swarm: SwarmId
    readonly piece: number
  }> = []
  readonly rejects: Array<{
    readonly connection: ConnectionId
    readonly piece: number
    readonly reason: RejectReason
    readonly retryAfter: number
  }> = []
  readonly disconnected: ConnectionId[] = []

  constructor(peers: number, rules: Partial<PeerHostRules> = {}) {
    this.host = new PeerHost({
      ...testPeer(50),
      random: seededRandom(3),
      limits: { firstPiecePatience: 0, ...rules }
    })
    for (const swarm of this.swarms) {
      this.step({ tag: "SwarmOpened", swarm, metainfo, have: Bitfield.full(pieces) })
    }
    for (let peer = 1; peer <= peers; peer++) {
      this.step({ tag: "Connected", connection: -peer })
      this.receive(-peer, {
        tag: "Hello",
        version: protocolVersion,
        ...testPeer(peer),
        credentials: new Uint8Array(0)
      })
      for (const [index, swarm] of this.swarms.entries()) {
        this.receive(-peer, { tag: "Open", channel: index + 1, swarm, have: "none" })
      }
    }
  }

  step(input: PeerHostInput): readonly PeerHostOutput[] {
    const outputs = [...this.host.handle(input, this.now)]
    for (const output of outputs) {
      if (output.tag === "LoadPiece") this.loads.push(output)
      if (output.tag === "Disconnect") this.disconnected.push(output.connection)
      if (output.tag !== "Send") continue
      const { connection, message } = output
      if (message.tag === "Piece") this.sent.push({ connection, swarm: output.swarm!, piece: message.piece })
      if (message.tag === "Reject") this.rejects.push({ connection, ...message })
    }
    return outputs
  }

  receive(connection: ConnectionId, message: Message): void {
    this.step({ tag: "Received", connection, message })
  }

  request(peer: number, piece: number, swarm = 0): void {
    this.receive(-peer, { tag: "Request", channel: swarm + 1, piece })
  }

  /** Answers the oldest load. */
  load(): void {
    const { swarm, piece } = this.loads.shift()!
    this.step({ tag: "PieceLoaded", swarm, piece, payload: { byteLength: pieceLength }, proof: wholeProof })
  }

  /** Reports the oldest piece that is being sent as sent. */
  leave(): void {
    this.step({ tag: "PieceSent", ...this.sent.shift()! })
  }

  wakeUntil(time: number): void {
    for (let wake = this.host.nextWake(); wake !== undefined && wake <= time; wake = this.host.nextWake()) {
      this.now = Math.max(wake, this.now)
      this.step({ tag: "Woken" })
    }
    this.now = time
  }
}

describe("uploader", () => {
  it("loads as many pieces as may be in flight, and the next when one is sent", () => {
    const source = new Source(4, { maxUploadsInFlight: 2, maxUploadQueue: 4 })
    for (let peer = 1; peer <= 4; peer++) source.request(peer, peer)
    expect(source.loads.map(({ piece }) => piece)).toEqual([1, 2])
    source.load()
    source.load()
    expect(source.loads).toEqual([])
    expect(source.sent.map(({ piece }) => piece)).toEqual([1, 2])
    source.leave()
    expect(source.loads.map(({ piece }) => piece)).toEqual([3])
    expect(source.host.counters).toMatchObject({ piecesSent: 1, bytesSent: pieceLength })
    expect(source.host.uploads).toEqual({ pieces: 3, stalled: 0, bytes: 3 * pieceLength })
  })

  it("refuses at once what does not fit into its queue, in pieces and in bytes", () => {
    const source = new Source(6, { maxUploadQueue: 3 })
    for (let peer = 1; peer <= 6; peer++) source.request(peer, 0)
    expect(source.rejects.map(({ connection, reason }) => [connection, reason])).toEqual([
      [-4, "busy"],
      [-5, "busy"],
      [-6, "busy"]
    ])
    const narrow = new Source(6, { maxUploadQueue: 4, maxUploadBytes: 2 * pieceLength })
    for (let peer = 1; peer <= 6; peer++) narrow.request(peer, 0)
    expect(narrow.rejects).toHaveLength(4)
    // A piece above the limit is sent alone.
    const tiny = new Source(2, { maxUploadBytes: 10 })
    tiny.request(1, 0)
    tiny.request(2, 0)
    expect(tiny.loads).toHaveLength(1)
    expect(tiny.rejects).toHaveLength(1)
  })

  it("names a wait that follows the time of its sends", () => {
    const source = new Source(6, { maxUploadQueue: 2, maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.request(2, 0)
    source.request(3, 0)
    const assumed = source.rejects.at(-1)!.retryAfter
    expect(assumed).toBeGreaterThan(0)
    for (let round = 0; round < 60; round++) {
      source.load()
      source.now += milliseconds(40)
      source.leave()
      source.request(1, round % pieces)
      source.request(4, 0)
    }
    const measured = source.rejects.at(-1)!.retryAfter
    // The queue holds two pieces of 40 ms each.
    expect(measured).toBeGreaterThan(milliseconds(20))
    expect(measured).toBeLessThan(milliseconds(85))
    expect(measured).toBeGreaterThan(2 * assumed)
  })

  it("loads a piece once for all neighbours that wait for it", () => {
    const source = new Source(3, { maxUploadsInFlight: 3 })
    for (let peer = 1; peer <= 3; peer++) source.request(peer, 7)
    expect(source.loads).toHaveLength(1)
    source.load()
    expect(source.sent.map(({ connection }) => connection)).toEqual([-1, -2, -3])
  })

  it("serves swarms in turn, and neighbours in turn within them", () => {
    const source = new Source(3, { maxUploadQueue: 6, maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.request(1, 1)
    source.request(1, 2)
    source.request(2, 3)
    source.request(3, 9, 1)
    source.request(3, 10, 1)
    const order: number[] = []
    while (source.loads.length > 0) {
      source.load()
      order.push(source.sent[0]!.piece)
      source.leave()
    }
    expect(order).toEqual([0, 9, 3, 10, 1, 2])
  })

  it("makes room for a swarm that has nothing in the queue", () => {
    const source = new Source(4, { maxUploadQueue: 3, maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.request(2, 1)
    source.request(3, 2)
    source.request(4, 9, 1)
    expect(source.rejects).toMatchObject([{ connection: -3, piece: 2, reason: "busy" }])
    expect(source.host.uploads.pieces).toBe(3)
    source.request(3, 10, 1)
    expect(source.rejects).toHaveLength(2)
    expect(source.rejects[1]).toMatchObject({ connection: -3, piece: 10 })
  })

  it("answers a cancelled request once: by Reject before the piece is sent, by the Piece after", () => {
    const source = new Source(2, { maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.request(1, 1)
    source.receive(-1, { tag: "Cancel", channel: 1, piece: 1 })
    source.receive(-1, { tag: "Cancel", channel: 1, piece: 1 })
    expect(source.rejects).toMatchObject([{ piece: 1, reason: "cancelled" }])
    source.load()
    source.receive(-1, { tag: "Cancel", channel: 1, piece: 0 })
    expect(source.rejects).toHaveLength(1)
    expect(source.sent).toMatchObject([{ piece: 0 }])
  })

  it("counts a load that nobody waits for any more, and drops it when it returns", () => {
    const source = new Source(2, { maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.receive(-1, { tag: "Cancel", channel: 1, piece: 0 })
    source.request(2, 5)
    expect(source.loads.map(({ piece }) => piece)).toEqual([0])
    source.load()
    expect(source.sent).toEqual([])
    expect(source.loads.map(({ piece }) => piece)).toEqual([5])
  })

  it("refuses a piece that cannot be loaded", () => {
    const source = new Source(2)
    source.request(1, 3)
    source.request(2, 3)
    source.step({ tag: "PieceLoadFailed", swarm: source.swarms[0]!, piece: 3, reason: "disk" })
    expect(source.rejects.map(({ reason }) => reason)).toEqual(["failed", "failed"])
    expect(source.host.uploads).toEqual({ pieces: 0, stalled: 0, bytes: 0 })
  })

  it("refuses what waits when a swarm closes, and still sends what is being sent", () => {
    const source = new Source(2, { maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.request(2, 1)
    source.load()
    source.step({ tag: "SwarmClosed", swarm: source.swarms[0]! })
    expect(source.rejects).toMatchObject([{ connection: -2, piece: 1, reason: "closed" }])
    expect(source.host.uploads.pieces).toBe(1)
    source.leave()
    expect(source.host.uploads.pieces).toBe(0)
  })

  it("forgets the requests of a lost connection", () => {
    const source = new Source(3, { maxUploadsInFlight: 1 })
    source.request(1, 0)
    source.load()
    source.request(1, 1)
    source.request(2, 2)
    source.step({ tag: "Disconnected", connection: -1, reason: "reset" })
    expect(source.loads.map(({ piece }) => piece)).toEqual([2])
    expect(source.host.uploads).toEqual({ pieces: 1, stalled: 0, bytes: pieceLength })
    expect(source.rejects).toEqual([])
  })

  it("treats the same request twice as a protocol error", () => {
    const source = new Source(1)
    source.request(1, 0)
    source.request(1, 0)
    expect(source.host.counters.protocolErrors).toBe(1)
    expect(source.disconnected).toEqual([-1])
  })

  it("does not let a peer that takes nothing block others, and drops it in the end", () => {
    const source = new Source(4, { maxUploadsInFlight: 2, maxUploadQueue: 2 })
    const leave = (): void => void source.step({ tag: "PieceSent", ...source.sent.pop()! })
    source.request(1, 0)
    source.load()
    for (const piece of [1, 2]) {
      source.request(3, piece)
      source.load()
      source.now += milliseconds(10)
      leave()
    }
    source.request(2, 1)
    source.load()
    source.request(4, 2)
    expect(source.rejects).toMatchObject([{ connection: -4, piece: 2, reason: "busy" }])
    source.wakeUntil(seconds(2))
    expect(source.host.uploads.stalled).toBe(1)
    source.request(4, 2)
    expect(source.loads.map(({ piece }) => piece)).toEqual([2])
    expect(source.disconnected).toEqual([])
    source.load()
    leave()
    leave()
    expect(source.host.uploads).toEqual({ pieces: 0, stalled: 1, bytes: pieceLength })
    source.wakeUntil(2 * (limits.requestTimeoutBase + limits.requestTimeoutPerMiB))
    expect(source.disconnected).toEqual([-1])
    source.step({ tag: "Disconnected", connection: -1, reason: "" })
    expect(source.host.uploads).toEqual({ pieces: 0, stalled: 0, bytes: 0 })
  })
})
