// How fast pieces may go over real sockets: never faster than the rates, never more in memory than a peer that does not
// read lets through, and other messages are not held up by either.

import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { WebSocket } from "ws"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { milliseconds } from "../../protocol/kit/time.ts"
import { monotonicNow } from "../platform/node-timers.ts"
import { connectedPair, listenWatched, type Told } from "../../../testing/runtime-net/transport-pair.ts"
import { peerPath } from "./ws-transport.ts"

const swarm = "cd".repeat(32) as SwarmId
const KiB = 1024
const MiB = 1024 * KiB

const piece = (number: number, length: number): Message => ({
  tag: "Piece",
  channel: 0,
  piece: number,
  payload: new Uint8Array(length)
})

const limited = 4 * MiB
const burst = 64 * KiB
const size = 256 * KiB
const count = 9

/** Milliseconds from the first send that the last of the pieces takes at least, as the rate has it. */
const shortest = (((count - 1) * size - burst) * 1000) / limited

const lastAt = (received: ReadonlyArray<Told<"Received">>): number =>
  Math.max(...received.filter((event) => event.message.tag === "Piece").map((event) => event.at))

describe("flow of pieces", () => {
  for (const direction of ["egress", "ingress"] as const) {
    it.live(`the ${direction} rate holds for pieces larger than its burst`, () =>
      Effect.gen(function* () {
        const rates = { [direction]: limited, burst }
        const { dialler, acceptor } = yield* connectedPair(rates)
        const began = monotonicNow() / milliseconds(1)
        for (let number = 0; number < count; number++) dialler.endpoint.send(1, piece(number, size), swarm)
        expect(lastAt(yield* acceptor.told("Received", count)) - began).toBeGreaterThan(shortest - 2)
      })
    )
  }

  it.live("one egress rate is shared by all connections of a listener", () =>
    Effect.gen(function* () {
      const seeder = yield* listenWatched({ egress: limited, burst })
      const leechers = [yield* listenWatched(), yield* listenWatched(), yield* listenWatched()]
      for (const leecher of leechers) leecher.endpoint.dial(1, seeder.endpoint.address)
      yield* seeder.told("Connected", leechers.length)
      const began = monotonicNow() / milliseconds(1)
      for (let number = 0; number < 3; number++) {
        for (const connection of [-1, -2, -3]) seeder.endpoint.send(connection, piece(number, size), swarm)
      }
      const received: Array<Told<"Received">> = []
      for (const leecher of leechers) received.push(...(yield* leecher.told("Received", 3)))
      received.sort((one, other) => one.at - other.at)
      expect(lastAt(received) - began).toBeGreaterThan(shortest - 2)
      // Fair: nobody got a second piece before everyone had the first.
      const firsts = new Set(
        received.slice(0, 3).map((event) => (event.message.tag === "Piece" ? event.message.piece : -1))
      )
      expect([...firsts]).toEqual([0])
    })
  )

  it.live("messages overtake pieces that wait, but for Close and Bye, which nothing overtakes", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair({ egress: limited, burst })
      for (let number = 0; number < 3; number++) dialler.endpoint.send(1, piece(number, size), swarm)
      dialler.endpoint.send(1, { tag: "Request", channel: 0, piece: 7 })
      dialler.endpoint.send(1, { tag: "Close", channel: 0, reason: "finished" })
      dialler.endpoint.send(1, { tag: "Open", channel: 0, swarm, have: "none" })
      const tags = (yield* acceptor.told("Received", 6)).map((event) => event.message.tag)
      expect(tags.indexOf("Request")).toBeLessThan(tags.lastIndexOf("Piece"))
      expect(tags.slice(-3)).toEqual(["Piece", "Close", "Open"])
    })
  )

  it.live("a peer that does not read holds its pieces back; they come when it reads", () =>
    Effect.gen(function* () {
      const seeder = yield* listenWatched()
      const leecher = new WebSocket(`ws://${seeder.endpoint.address}${peerPath}`)
      const frames: Array<number> = []
      leecher.on("message", (data: Buffer) => frames.push(data.length))
      yield* Effect.promise(() => new Promise((resolve) => leecher.once("open", resolve)))
      leecher.pause()
      const total = 24
      for (let number = 0; number < total; number++) seeder.endpoint.send(-1, piece(number, 4 * MiB), swarm)
      // Time for everything that can go without a reader.
      for (let turn = 0; turn < 200; turn++) yield* Effect.promise(() => new Promise(setImmediate))
      const held = total - seeder.events.filter((event) => event.tag === "PieceSent").length
      expect(held).toBeGreaterThan(total / 2)
      leecher.resume()
      yield* seeder.told("PieceSent", total)
      while (frames.length < total) yield* Effect.promise(() => new Promise(setImmediate))
      leecher.terminate()
      yield* seeder.told("Disconnected")
    })
  )
})
