// The contract of PeerTransport on the simulated network, with the instants of its calls.

import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { encodedLength } from "../../protocol/wire/codec.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { type RateSettings, rateLimits } from "../../roles/config/process-keys.ts"
import {
  type PeerEndpoint,
  PeerTransport,
  type PeerTransportHandlers
} from "../../roles/services/peer-transport.ts"
import { makeSimulation } from "../simulation.ts"

const swarm = "5".repeat(64) as SwarmId
const pieceBytes = 1_000_000
const piece = (number: number): Message => ({
  tag: "Piece",
  channel: 1,
  piece: number,
  proof: new Uint8Array(0),
  payload: { byteLength: pieceBytes }
})
const request = (number: number): Message => ({ tag: "Request", channel: 1, piece: number })

/** A host program that listens for peers and records the calls of its handlers. */
const peer = (name: string, now: () => number, rates: RateSettings = {}, log: string[] = []) => {
  let inCall = false
  const note = (what: string) => {
    expect(inCall).toBe(false)
    log.push(`${what} @${now()}`)
  }
  const handlers: PeerTransportHandlers = {
    connected: (connection) => note(`connected ${connection}`),
    dialFailed: (connection, reason) => note(`dialFailed ${connection}: ${reason}`),
    received: (connection, message) => note(`received ${connection} ${describeMessage(message)}`),
    protocolBroken: (connection, reason) => note(`broken ${connection}: ${reason}`),
    pieceSent: (connection, sentSwarm, number) => note(`sent ${connection} ${sentSwarm.length} ${number}`),
    disconnected: (connection, reason) => note(`disconnected ${connection}: ${reason}`)
  }
  /** Calls the endpoint as a machine does, and checks that no handler is called meanwhile. */
  const quietly = (endpoint: PeerEndpoint): PeerEndpoint => {
    const wrap =
      <A extends unknown[]>(call: (...args: A) => void) =>
      (...args: A) => {
        inCall = true
        call(...args)
        inCall = false
      }
    return {
      address: endpoint.address,
      dial: wrap((connection, address) => endpoint.dial(connection, address)),
      send: wrap((connection, message, sentSwarm) => endpoint.send(connection, message, sentSwarm)),
      disconnect: wrap((connection, reason) => endpoint.disconnect(connection, reason))
    }
  }
  const program = Effect.gen(function* () {
    const transport = yield* PeerTransport
    const endpoint = yield* transport.listen(
      { listen: { host: name, port: 7000 }, rates: rateLimits(rates) },
      handlers
    )
    return { listeners: [], endpoint: quietly(endpoint), log }
  })
  return program
}

const describeMessage = (message: Message): string =>
  "piece" in message ? `${message.tag} ${message.piece}` : message.tag

const twoPeers = (ratesOfA: RateSettings = {}, ratesOfB: RateSettings = {}) => {
  const simulation = makeSimulation({ seed: "transport" })
  const now = () => simulation.kernel.now
  const start = Effect.gen(function* () {
    const a = yield* simulation.startHost("a", peer("a", now, ratesOfA))
    const b = yield* simulation.startHost("b", peer("b", now, ratesOfB))
    a.role.endpoint.dial(1, b.role.endpoint.address)
    yield* Effect.sleep("2 millis")
    return { a, b }
  })
  return { simulation, start }
}

type Started = Effect.Success<ReturnType<typeof twoPeers>["start"]>

const play = (
  script: (hosts: Started) => Effect.Effect<void, never, Scope.Scope>,
  ratesOfA: RateSettings = {},
  ratesOfB: RateSettings = {}
) => {
  const { simulation, start } = twoPeers(ratesOfA, ratesOfB)
  const hosts = simulation.run(
    Effect.scoped(Effect.tap(start, (started) => Effect.andThen(script(started), Effect.sleep("10 seconds"))))
  )
  return { a: hosts.a.role.log, b: hosts.b.role.log, simulation }
}

describe("peers", () => {
  it("connect, exchange messages and learn when a piece has left; a message overtakes a piece", () => {
    const { a, b } = play(({ a }) =>
      Effect.sync(() => {
        a.role.endpoint.send(1, piece(7), swarm)
        a.role.endpoint.send(1, request(8))
      })
    )
    const left = 2000 + Math.ceil(encodedLength(piece(7)) / 125)
    expect(a).toEqual(["connected 1 @1000", `sent 1 64 7 @${left}`])
    expect(b).toEqual([
      "connected -1 @500",
      expect.stringMatching(/^received -1 Request 8 @250\d$/),
      `received -1 Piece 7 @${left + 500}`
    ])
  })

  it("learn once that a dial failed", () => {
    const { a } = play(({ a }) =>
      Effect.sync(() => {
        a.role.endpoint.dial(2, "b:9")
        a.role.endpoint.dial(3, "nobody:7000")
        a.role.endpoint.dial(4, "b:7000")
        a.role.endpoint.disconnect(4, "changed my mind")
      })
    )
    expect(a.slice(1).map((line) => line.replace(/ @.*/, ""))).toEqual([
      "dialFailed 4: changed my mind",
      "dialFailed 3: no host is called nobody",
      "dialFailed 2: connection refused by b:9"
    ])
  })

  it("disconnect after the last sent message, and both learn it once", () => {
    const { a, b } = play(({ a }) =>
      Effect.sync(() => {
        a.role.endpoint.send(1, piece(1), swarm)
        a.role.endpoint.send(1, { tag: "Bye", reason: "idle" })
        a.role.endpoint.disconnect(1, "idle")
        a.role.endpoint.send(1, request(2))
      })
    )
    const words = (lines: string[]) => lines.map((line) => line.replace(/ @.*/, ""))
    expect(words(a)).toEqual(["connected 1", "sent 1 64 1", "disconnected 1: idle"])
    expect(words(b)).toEqual([
      "connected -1",
      "received -1 Piece 1",
      "received -1 Bye",
      "disconnected -1: idle"
    ])
  })

  it("hear nothing from a killed host except its end", () => {
    const { a, b } = play(({ a }) =>
      Effect.gen(function* () {
        for (let number = 0; number < 5; number++) a.role.endpoint.send(1, piece(number), swarm)
        yield* Effect.sleep("9 millis")
        yield* a.kill
        a.role.endpoint.send(1, request(9))
      })
    )
    expect(a).toHaveLength(2)
    expect(b.map((line) => line.replace(/ @.*/, ""))).toEqual([
      "connected -1",
      "received -1 Piece 0",
      "disconnected -1: a reset the connection"
    ])
  })

  it("close their connections when they stop", () => {
    const { a, b } = play(({ a }) => a.stop)
    expect(a).toEqual(["connected 1 @1000"])
    expect(b.at(-1)).toMatch(/^disconnected -1: the listener closed/)
  })
})

describe("rate limits", () => {
  const tenPieces = ({ a }: Started) =>
    Effect.sync(() => {
      for (let number = 0; number < 10; number++) a.role.endpoint.send(1, piece(number), swarm)
      a.role.endpoint.send(1, request(99))
    })
  const lastAt = (log: string[]) => Number(/@(\d+)$/.exec(log.at(-1)!)![1])

  const slow = { burst: 100_000 }
  const egress = { egress: 10_000_000, ...slow }
  const ingress = { ingress: 10_000_000, ...slow }
  const heard = (log: string[]) => log.slice(1).map((line) => line.split(" ").slice(2, 4).join(" "))
  const pieces = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => `Piece ${from + index}`)

  it.each([
    ["egress", egress, {}, 10],
    // A piece is delivered when it has come, and the rate delays those behind it.
    ["ingress", {}, ingress, 9]
  ] as const)(
    "%s: pieces keep the rate with a burst smaller than a piece, and keep their order",
    (_name, a, b, paid) => {
      const { b: log } = play(tenPieces, a, b)
      expect(heard(log)).toEqual(["Request 99", ...pieces(0, 10)])
      const took = lastAt(log) - 2000
      expect(took).toBeGreaterThan(paid * 100_000 - 15_000)
      expect(took).toBeLessThan(paid * 100_000 + 10_000)
    }
  )

  it.each([
    ["no rates", {}, {}],
    ["egress", egress, {}],
    ["ingress", {}, ingress]
  ] as const)("%s: messages overtake pieces, and nothing overtakes a Close", (_name, ratesOfA, ratesOfB) => {
    const { b } = play(
      ({ a }) =>
        Effect.sync(() => {
          a.role.endpoint.send(1, piece(0), swarm)
          a.role.endpoint.send(1, piece(1), swarm)
          a.role.endpoint.send(1, request(2))
          a.role.endpoint.send(1, { tag: "Close", channel: 1, reason: "finished" })
          a.role.endpoint.send(1, request(3))
          a.role.endpoint.send(1, piece(4), swarm)
          a.role.endpoint.send(1, request(5))
        }),
      ratesOfA,
      ratesOfB
    )
    const before = ["Request 2", "Piece 0", "Piece 1", expect.stringMatching(/^Close/)]
    expect(heard(b)).toEqual([...before, "Request 3", "Request 5", "Piece 4"])
  })

  it("ingress: messages overtake pieces again once a Close is through", () => {
    const { b } = play(
      ({ a }) =>
        Effect.gen(function* () {
          a.role.endpoint.send(1, piece(0), swarm)
          a.role.endpoint.send(1, piece(1), swarm)
          a.role.endpoint.send(1, { tag: "Close", channel: 1, reason: "finished" })
          yield* Effect.sleep("1 second")
          a.role.endpoint.send(1, piece(2), swarm)
          a.role.endpoint.send(1, piece(3), swarm)
          yield* Effect.sleep("30 millis")
          a.role.endpoint.send(1, request(4))
        }),
      {},
      ingress
    )
    expect(heard(b).slice(-3)).toEqual(["Piece 2", "Request 4", "Piece 3"])
  })

  it("ingress: a piece is delivered on arrival, and later pieces wait until its tokens are there", () => {
    const { b } = play(
      ({ a }) =>
        Effect.sync(() => {
          a.role.endpoint.send(1, piece(0), swarm)
          a.role.endpoint.send(1, piece(1), swarm)
        }),
      {},
      ingress
    )
    const came = 2500 + Math.ceil(encodedLength(piece(0)) / 125)
    const tokens = (pieceBytes - slow.burst) / 10
    expect(b.slice(1)).toEqual([`received -1 Piece 0 @${came}`, `received -1 Piece 1 @${came + tokens}`])
  })

  it("leave an unlimited host alone", () => {
    expect(lastAt(play(tenPieces).b) - 2000).toBeLessThan(90_000)
  })
})
