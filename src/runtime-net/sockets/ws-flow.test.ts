// How fast pieces may go over real sockets: never faster than the rates, never more in memory than a peer that does not
// read lets through, and other messages are not held up by either.

import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect, vi } from "vitest"
import { WebSocket } from "ws"
import {
  connectedPair,
  listenWatched,
  type WatchedEndpoint
} from "../../../testing/runtime-net/transport-pair.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { peerPath } from "./ws-transport.ts"

const swarm = "cd".repeat(32) as SwarmId
const KiB = 1024
const MiB = 1024 * KiB

const piece = (number: number, length: number): Message => ({
  tag: "Piece",
  channel: 0,
  piece: number,
  proof: new Uint8Array(64),
  payload: new Uint8Array(length)
})

const limited = 4 * MiB
const burst = 64 * KiB
const size = 256 * KiB
const count = 9

/** Milliseconds in which this rate and its burst let so many pieces pass. */
const timeOf = (pieces: number): number => ((pieces * size - burst) * 1000) / limited

/**
 * The transport's clock and timers stand still until the test moves them: a busy machine delays and reorders nothing.
 */
const stoppedClock = Effect.acquireRelease(
  Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })),
  () => Effect.sync(() => vi.useRealTimers())
)

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Moves the clock from timer to timer, one for each event, until `count` are told; gives the milliseconds. */
const timeUntilReported = (watched: WatchedEndpoint, tag: "PieceSent" | "Received") =>
  Effect.gen(function* () {
    for (let number = 1; number <= count; number++) {
      // A piece that arrives is received before its rate is looked at: the first takes no time.
      if (tag === "PieceSent" || number > 1) vi.advanceTimersToNextTimer()
      expect(yield* watched.observed(tag, number)).toHaveLength(number)
      yield* turn
    }
    return performance.now()
  })

describe("flow of pieces", () => {
  it.live("the egress rate holds for pieces larger than its burst", () =>
    Effect.gen(function* () {
      yield* stoppedClock
      const { dialler } = yield* connectedPair({ egress: limited, burst })
      for (let number = 0; number < count; number++) dialler.endpoint.send(1, piece(number, size), swarm)
      expect(yield* timeUntilReported(dialler, "PieceSent")).toBe(Math.ceil(timeOf(count)))
    })
  )

  it.live("the ingress rate holds for pieces larger than its burst", () =>
    Effect.gen(function* () {
      yield* stoppedClock
      const { dialler, acceptor } = yield* connectedPair({ ingress: limited, burst })
      for (let number = 0; number < count; number++) dialler.endpoint.send(1, piece(number, size), swarm)
      expect(yield* timeUntilReported(acceptor, "Received")).toBe(Math.ceil(timeOf(count - 1)))
    })
  )

  it.live("one egress rate is shared by all connections of a listener, in turn", () =>
    Effect.gen(function* () {
      yield* stoppedClock
      const seeder = yield* listenWatched({ egress: limited, burst })
      const leechers = [yield* listenWatched(), yield* listenWatched(), yield* listenWatched()]
      for (const leecher of leechers) leecher.endpoint.dial(1, seeder.endpoint.address)
      yield* seeder.observed("Connected", leechers.length)
      for (let number = 0; number < 3; number++) {
        for (const connection of [-1, -2, -3]) seeder.endpoint.send(connection, piece(number, size), swarm)
      }
      expect(yield* timeUntilReported(seeder, "PieceSent")).toBe(Math.ceil(timeOf(count)))
      const sent = (yield* seeder.observed("PieceSent", count)).map((event) => [
        event.piece,
        event.connection
      ])
      expect(sent).toEqual([0, 1, 2].flatMap((number) => [-1, -2, -3].map((to) => [number, to])))
    })
  )

  it.live("messages overtake pieces that wait, but for Close and Bye, which nothing overtakes", () =>
    Effect.gen(function* () {
      const { dialler, acceptor } = yield* connectedPair({ egress: limited, burst })
      for (let number = 0; number < 3; number++) dialler.endpoint.send(1, piece(number, size), swarm)
      dialler.endpoint.send(1, { tag: "Request", channel: 0, piece: 7 })
      dialler.endpoint.send(1, { tag: "Close", channel: 0, reason: "finished" })
      dialler.endpoint.send(1, { tag: "Open", channel: 0, swarm, have: "none" })
      const tags = (yield* acceptor.observed("Received", 6)).map((event) => event.message.tag)
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
      yield* seeder.observed("PieceSent", total)
      while (frames.length < total) yield* Effect.promise(() => new Promise(setImmediate))
      leecher.terminate()
      yield* seeder.observed("Disconnected")
    })
  )
})
