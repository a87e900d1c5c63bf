// Peers over real sockets on loopback: what is sent arrives in order, bad bytes end a connection, everything is told
// once and never from inside a call.

import net from "node:net"
import { it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe, expect } from "vitest"
import { WebSocket } from "ws"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { rawConnection } from "../../../testing/runtime-net/raw-connection.ts"
import { connectedPair, listenWatched } from "../../../testing/runtime-net/transport-pair.ts"
import { milliseconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { unlimited } from "../../roles/config/process-keys.ts"
import { PeerTransport } from "../../roles/services/peer-transport.ts"
import { takePayload } from "../platform/piece-buffer.ts"
import { SocketLimits } from "./limits.ts"
import { outsideAddress, peerPath, wsTransport } from "./ws-transport.ts"

const swarm = "ab".repeat(32) as SwarmId
const KiB = 1024

const pieceOf = (piece: number, payload: Uint8Array): Message => ({
  tag: "Piece",
  channel: 3,
  piece,
  proof: new Uint8Array(32 * (piece % 21)).fill(piece),
  payload
})

const filled = (payload: Uint8Array, seed: number): Uint8Array => {
  for (let index = 0; index < payload.length; index++) payload[index] = (index * 31 + seed) & 255
  return payload
}

describe("peer transport", () => {
  it.live("messages arrive as they were sent, both ways", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair()
      const messages: ReadonlyArray<Message> = [
        { tag: "Open", channel: 3, swarm, have: "none" },
        { tag: "Have", channel: 3, pieces: [1, 2, 3] },
        { tag: "Request", channel: 3, piece: 9 },
        { tag: "Cancel", channel: 3, piece: 9 },
        { tag: "Close", channel: 3, reason: "finished" },
        { tag: "Bye", reason: "idle" }
      ]
      for (const message of messages) {
        dialler.endpoint.send(1, message)
        acceptor.endpoint.send(-1, message)
      }
      for (const side of [dialler, acceptor]) {
        const received = yield* side.observed("Received", messages.length)
        expect(received.map((event) => event.message)).toEqual(messages)
        expect(side.reentrant).toEqual([])
      }
    })
  )

  it.live("pieces from any memory keep their bytes, and are told as sent", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair()
      const payloads = [
        filled(takePayload(300 * KiB), 1),
        filled(new Uint8Array(300 * KiB), 2),
        filled(takePayload(1), 3),
        filled(Buffer.from(new ArrayBuffer(64), 16, 20), 4)
      ]
      const before = payloads.map((payload) => payload.slice())
      payloads.forEach((payload, piece) => {
        dialler.endpoint.send(1, pieceOf(piece, payload), swarm)
      })
      dialler.endpoint.send(1, pieceOf(77, payloads[0]!), swarm)
      const received = yield* acceptor.observed("Received", 5)
      for (const [index, { message }] of received.entries()) {
        expect(message.tag).toBe("Piece")
        if (message.tag !== "Piece") continue
        expect(message.piece).toBe([0, 1, 2, 3, 77][index])
        const expected = before[message.piece === 77 ? 0 : message.piece]!
        expect(Buffer.compare(message.payload as Uint8Array, expected)).toBe(0)
        const proof = new Uint8Array(32 * (message.piece % 21)).fill(message.piece)
        expect(Buffer.compare(message.proof as Uint8Array, proof)).toBe(0)
      }
      const sent = yield* dialler.observed("PieceSent", 5)
      expect(sent.map((event) => event.piece)).toEqual([0, 1, 2, 3, 77])
      expect(dialler.reentrant).toEqual([])
    })
  )

  it.live("a message does not wait for pieces that are written and not read", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair({ ingress: 1000, burst: 1 })
      const payload = filled(new Uint8Array(300 * KiB), 5)
      dialler.endpoint.send(1, pieceOf(0, payload), swarm)
      yield* acceptor.observed("Received")
      dialler.endpoint.send(1, pieceOf(1, payload), swarm)
      dialler.endpoint.send(1, { tag: "Request", channel: 3, piece: 9 })
      const [, second] = yield* acceptor.observed("Received", 2)
      expect(second?.message.tag).toBe("Request")
    })
  )

  it.live("what is no message breaks the connection, told once, and is closed", () =>
    Effect.gen(function* () {
      const acceptor = yield* listenWatched()
      const frames: ReadonlyArray<Uint8Array | string> = [
        "text",
        Buffer.from([]),
        Buffer.from([99, 1, 2, 3]),
        Buffer.alloc(limits.maxControlFrame + 1, 1),
        Buffer.alloc(limits.maxPieceLength + 700, 6),
        Buffer.from([1, ...Buffer.from("SHOAL"), 0, 1])
      ]
      for (const [index, frame] of frames.entries()) {
        const socket = new WebSocket(`ws://${acceptor.endpoint.address}${peerPath}`)
        const closed = new Promise((resolve) => socket.on("close", resolve))
        socket.on("error", () => {})
        socket.on("open", () => {
          socket.send(frame)
          socket.send(Buffer.from([10, 0]))
        })
        yield* Effect.promise(() => closed)
        const gone = yield* acceptor.observed("Disconnected", index + 1)
        expect(gone.at(-1)!.connection).toBe(-1 - index)
      }
      const broken = yield* acceptor.observed("ProtocolBroken", frames.length)
      expect(broken.map((event) => event.connection)).toEqual([-1, -2, -3, -4, -5, -6])
      const nonsense = Array.from({ length: 5 }, () => "protocol-error")
      expect(broken.map((event) => event.bye)).toEqual([...nonsense, "version"])
      expect(acceptor.events.filter((event) => event.tag === "Received")).toEqual([])
    })
  )

  it.live("bytes that are not a handshake are refused and told", () =>
    Effect.gen(function* () {
      const acceptor = yield* listenWatched()
      const port = Number(acceptor.endpoint.address.split(":")[1])
      for (const bytes of ["\u0000\u0001\u0002 not http\r\n\r\n", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"]) {
        const socket = net.connect(port, "127.0.0.1")
        const closed = new Promise((resolve) => socket.on("close", resolve))
        socket.on("error", () => {})
        socket.on("data", () => {})
        socket.end(bytes)
        yield* Effect.promise(() => closed)
      }
      yield* acceptor.observed("Refused", 2)
      expect(acceptor.events.some((event) => event.tag === "Connected")).toBe(false)
    })
  )

  it.live("a listener pings its peers every pingInterval", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* withLimits(listenWatched(), SocketLimits, {
        pingInterval: milliseconds(20)
      })
      const peer = new WebSocket(`ws://${endpoint.address}${peerPath}`)
      yield* Effect.addFinalizer(() => Effect.sync(() => peer.terminate()))
      const pings = (count: number) =>
        Effect.callback<void>((resume) => {
          let seen = 0
          peer.on("ping", () => ++seen === count && resume(Effect.void))
        })
      yield* pings(2)
    })
  )

  it.live(
    "a listener holds maxSockets sockets, those that it dialled and those that say nothing included",
    () =>
      Effect.gen(function* () {
        const full = yield* withLimits(listenWatched(), SocketLimits, { maxSockets: 2 })
        const other = yield* listenWatched()
        full.endpoint.dial(1, other.endpoint.address)
        yield* full.observed("Connected")
        other.endpoint.dial(1, full.endpoint.address)
        yield* other.observed("DialFailed")
        const refusals = () => full.events.filter(({ tag }) => tag === "Refused")
        yield* full.observed("Refused")
        // The dialler may give up its second socket before that one is refused as well.
        expect(refusals().length).toBeLessThanOrEqual(2)
        for (const one of refusals()) expect(one).toMatchObject({ reason: "too many connections" })
        full.endpoint.disconnect(1, "done")
        yield* full.observed("Disconnected")
        const port = Number(full.endpoint.address.split(":")[1])
        const silent = yield* rawConnection(port)
        other.endpoint.dial(2, full.endpoint.address)
        yield* other.observed("DialFailed", 2)
        for (const one of refusals()) expect(one).toMatchObject({ reason: "too many connections" })
        silent.socket.destroy()
        // The listener has seen it go when it lets another in; until then it closes those that come.
        let dial = 2
        while (full.events.filter(({ tag }) => tag === "Connected").length < 2) {
          other.endpoint.dial(++dial, full.endpoint.address)
          yield* Effect.raceFirst(full.observed("Connected", 2), other.observed("DialFailed", dial))
        }
      })
  )

  it.live("a dial that cannot succeed is told once as failed", () =>
    Effect.gen(function* () {
      const dialler = yield* listenWatched()
      const free = yield* Effect.scoped(Effect.map(listenWatched(), (closed) => closed.endpoint.address))
      const silent = net.createServer()
      yield* Effect.promise(() => new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve)))
      yield* Effect.addFinalizer(() => Effect.sync(() => silent.close()))
      const silentPort = (silent.address() as net.AddressInfo).port
      dialler.endpoint.dial(1, free)
      dialler.endpoint.dial(2, "not an address")
      dialler.endpoint.dial(3, `127.0.0.1:${silentPort}`)
      dialler.endpoint.disconnect(3, "no patience")
      const failed = yield* dialler.observed("DialFailed", 3)
      expect(failed.map((event) => event.connection).sort()).toEqual([1, 2, 3])
      expect(dialler.events.length).toBe(3)
      expect(dialler.reentrant).toEqual([])
    })
  )

  it.live("a disconnect delivers what was sent and is told once on both sides", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair()
      const payload = filled(new Uint8Array(2048 * KiB), 5)
      for (let piece = 0; piece < 6; piece++) dialler.endpoint.send(1, pieceOf(piece, payload), swarm)
      dialler.endpoint.send(1, { tag: "Bye", reason: "shutdown" })
      dialler.endpoint.disconnect(1, "done")
      dialler.endpoint.disconnect(1, "again")
      dialler.endpoint.send(1, { tag: "Bye", reason: "idle" })
      yield* acceptor.observed("Disconnected")
      yield* dialler.observed("Disconnected")
      const received = acceptor.events.filter((event) => event.tag === "Received")
      expect(received.length).toBe(7)
      expect(received.at(-1)!.message).toEqual({ tag: "Bye", reason: "shutdown" })
      for (const side of [dialler, acceptor]) {
        expect(side.events.filter((event) => event.tag === "Disconnected").length).toBe(1)
        expect(side.reentrant).toEqual([])
      }
    })
  )

  it.live(
    "a listener that closes ends its connections in order, and has closed when they and its dials ended",
    () =>
      Effect.gen(function* () {
        const acceptor = yield* listenWatched()
        const silent = net.createServer()
        yield* Effect.promise(() => new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve)))
        yield* Effect.addFinalizer(() => Effect.sync(() => silent.close()))
        const silentPort = (silent.address() as net.AddressInfo).port
        const events = yield* Effect.scoped(
          Effect.gen(function* () {
            const dialler = yield* listenWatched()
            dialler.endpoint.dial(1, acceptor.endpoint.address)
            yield* dialler.observed("Connected")
            dialler.endpoint.dial(2, `127.0.0.1:${silentPort}`)
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => dialler.endpoint.send(1, { tag: "Bye", reason: "shutdown" }))
            )
            return dialler.events
          })
        )
        expect(events.map(({ tag }) => tag).sort()).toEqual(["Connected", "DialFailed", "Disconnected"])
        yield* acceptor.observed("Disconnected")
        const received = yield* acceptor.observed("Received")
        expect(received[0]?.message).toEqual({ tag: "Bye", reason: "shutdown" })
      })
  )

  it.live("a killed host says nothing and its peers see the connection break", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair()
      dialler.transport.kill()
      dialler.endpoint.send(1, { tag: "Bye", reason: "shutdown" })
      yield* acceptor.observed("Disconnected")
      expect(acceptor.events.some((event) => event.tag === "Received")).toBe(false)
      expect(dialler.events.some((event) => event.tag === "Disconnected")).toBe(false)
    })
  )

  it.live("a taken port is one clear error", () =>
    Effect.gen(function* () {
      const first = yield* listenWatched()
      const port = Number(first.endpoint.address.split(":")[1])
      const error = yield* Effect.flip(
        Effect.flatMap(PeerTransport, (transport) =>
          transport.listen(
            { listen: { host: "127.0.0.1", port }, rates: unlimited },
            {
              connected: () => {},
              dialFailed: () => {},
              received: () => {},
              protocolBroken: () => {},
              pieceSent: () => {},
              disconnected: () => {}
            }
          )
        )
      )
      expect(error._tag).toBe("PeerListenError")
      expect(error.message).toContain(`127.0.0.1:${port}`)
      expect(error.message).toContain("taken")
    }).pipe(Effect.provide(Layer.fresh(wsTransport)))
  )
})

describe("the address that other hosts are told by a listener on every address", () => {
  const at = (address: string, family: "IPv4" | "IPv6", internal = false) => ({
    address,
    family,
    internal,
    netmask: "",
    mac: "",
    cidr: null,
    scopeid: 0
  })
  const lo = [at("127.0.0.1", "IPv4", true), at("::1", "IPv6", true)]
  const cases = [
    ["0.0.0.0", [at("fe80::1", "IPv6"), at("fd00::5", "IPv6"), at("10.0.0.5", "IPv4")], "10.0.0.5"],
    ["0.0.0.0", [at("fd00::5", "IPv6")], "127.0.0.1"],
    ["::", [at("fe80::1", "IPv6"), at("fd00::5", "IPv6")], "fd00::5"],
    ["::", [at("fd00::5", "IPv6"), at("10.0.0.5", "IPv4")], "10.0.0.5"],
    ["::", [at("fe80::1", "IPv6")], "::1"]
  ] as const
  for (const [listensOn, outside, told] of cases) {
    it(`${listensOn} with ${outside.map(({ address }) => address).join(", ")}: ${told}`, () => {
      expect(outsideAddress(listensOn, { lo, eth0: [...outside] } as never)).toBe(told)
    })
  }
})
