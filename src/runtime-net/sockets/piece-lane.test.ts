// The lane of pieces over real sockets on loopback: what is sent comes whole and in memory that is used again, a paused
// lane reads nothing, and how an end is told.

import { createServer, request } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { decodeMessage } from "../../protocol/wire/codec.ts"
import { holdBytes, releaseBytes, takePayload } from "../platform/piece-buffer.ts"
import type { Lane, PieceMessage } from "./lane.ts"
import { PieceLane } from "./piece-lane.ts"

const KiB = 1024
const upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: x\r\n\r\n"

/** The sockets of an upgraded connection; `early` goes out behind the answer. */
const upgraded = (early: Uint8Array = new Uint8Array(0)) =>
  Effect.callback<{ readonly near: Socket; readonly head: Buffer; readonly far: Socket }>((resume) => {
    const server = createServer()
    let far: Socket | undefined
    server.on("upgrade", (_asked, socket) => {
      far = socket as Socket
      far.write(Buffer.concat([Buffer.from(upgrade), early]))
      server.close()
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      const headers = { connection: "upgrade", upgrade: "x" }
      request({ port, host: "127.0.0.1", headers })
        .on("upgrade", (_answer, near, head) =>
          resume(Effect.succeed({ near: near as Socket, head, far: far! }))
        )
        .end()
    })
  })

const piece = (number: number, length: number): PieceMessage => {
  const payload = takePayload(length)
  payload.fill(number)
  return { tag: "Piece", channel: 1, piece: number, proof: new Uint8Array(64).fill(number), payload }
}

/** Everything that a lane tells, and a wait for so many of it. */
const watched = (lane: Lane, then: (what: string) => void = () => {}) => {
  const told: string[] = []
  const frames: Uint8Array[] = []
  let look = (): void => {}
  const tell = (what: string): void => {
    told.push(what)
    then(what)
    look()
  }
  lane.listen({
    received: (frame) => {
      const message = decodeMessage(frame)
      if (message.tag === "Piece") frames.push(message.payload as Uint8Array)
      tell("piece" in message ? `${message.tag} ${message.piece}` : message.tag)
    },
    broken: (reason) => tell(`broken: ${reason}`),
    failed: () => tell("failed"),
    closed: (inOrder) => tell(`closed ${inOrder}`)
  })
  lane.resume()
  const until = (count: number) =>
    Effect.callback<void>((resume) => {
      look = () => told.length >= count && resume(Effect.void)
      look()
    })
  return { told, frames, until }
}

const pair = Effect.gen(function* () {
  const { near, head, far } = yield* upgraded()
  const [one, other] = [new PieceLane(near, head), new PieceLane(far, Buffer.alloc(0))]
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      one.terminate()
      other.terminate()
    })
  )
  return { one, other }
})

/** A lane and the bare socket at its other end. */
const half = Effect.gen(function* () {
  const { near, head, far } = yield* upgraded()
  yield* Effect.addFinalizer(() => Effect.sync(() => far.destroy()))
  return { lane: new PieceLane(near, head), far: far.on("error", () => {}) }
})

describe("the lane of pieces", () => {
  it.live("brings pieces both ways, and the sender's memory is free when they have left", () =>
    Effect.gen(function* () {
      const { one, other } = yield* pair
      const [here, there] = [watched(one), watched(other)]
      const sent: string[] = []
      const first = piece(1, 300 * KiB)
      const memory = first.payload as Uint8Array
      // Otherwise the lane at the other end may have the memory next.
      holdBytes(memory)
      one.sendPiece(first, () => sent.push("1"))
      one.ping()
      other.sendPiece(piece(2, 9), () => sent.push("2"))
      one.sendPiece(piece(3, 0), () => sent.push("3"))
      yield* there.until(2)
      yield* here.until(1)
      expect([here.told, there.told]).toEqual([["Piece 2"], ["Piece 1", "Piece 3"]])
      expect(there.frames[0]!.every((byte) => byte === 1)).toBe(true)
      while (sent.length < 3) yield* Effect.promise(() => new Promise(setImmediate))
      releaseBytes(memory)
      expect(() => releaseBytes(memory)).toThrow("released more often than held")
    })
  )

  it.live("reads nothing before it is resumed, nor while it is paused", () =>
    Effect.gen(function* () {
      const { one, other } = yield* pair
      const turns = Effect.promise(async () => {
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      })
      one.sendPiece(piece(1, 300 * KiB), () => {})
      yield* turns
      const { told, until } = watched(other, (what) => what === "Piece 1" && other.pause())
      yield* until(1)
      one.sendPiece(piece(2, 300 * KiB), () => {})
      yield* turns
      expect([told, other.isPaused]).toEqual([["Piece 1"], true])
      other.resume()
      yield* until(2)
      expect(told).toEqual(["Piece 1", "Piece 2"])
    })
  )

  it.live("puts together a frame of which a part came with the handshake", () =>
    Effect.gen(function* () {
      const payload = Buffer.alloc(1000, 7)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(8 + payload.length)
      const frame = Buffer.concat([length, Buffer.from([6, 0, 1, 0, 0, 0, 7, 0]), payload])
      for (const cut of [1, 3, 11, 12, 13, 500, frame.length - 1]) {
        const { near, head, far } = yield* upgraded(frame.subarray(0, cut))
        far.on("error", () => {})
        const lane = new PieceLane(near, head)
        const { told, frames, until } = watched(lane)
        far.write(frame.subarray(cut))
        far.write(frame)
        yield* until(2)
        expect(told, `cut at ${cut}`).toEqual(["Piece 7", "Piece 7"])
        expect(frames.every((bytes) => Buffer.compare(bytes, payload) === 0)).toBe(true)
        lane.terminate()
        far.destroy()
      }
    })
  )

  it.live("reads what came with the answer of the upgrade", () =>
    Effect.gen(function* () {
      const frame = Buffer.from([0, 0, 0, 10, 6, 0, 1, 0, 0, 0, 5, 0, 7, 8])
      const { near, head, far } = yield* upgraded(frame)
      const { told, frames, until } = watched(new PieceLane(near, head))
      far.write(frame)
      yield* until(2)
      expect([told, frames.map((bytes) => [...bytes])]).toEqual([
        ["Piece 5", "Piece 5"],
        [
          [7, 8],
          [7, 8]
        ]
      ])
      far.destroy()
      yield* until(3)
    })
  )

  it.live("ends in order when a side closes it, once what was sent is there", () =>
    Effect.gen(function* () {
      const { one, other } = yield* pair
      const [here, there] = [watched(one), watched(other)]
      one.sendPiece(piece(1, 3000 * KiB), () => {})
      one.close()
      yield* there.until(2)
      yield* here.until(1)
      expect([here.told, there.told]).toEqual([["closed true"], ["Piece 1", "closed true"]])
      expect([one.isOpen, other.isOpen]).toEqual([false, false])
    })
  )

  it.live("has not ended in order within a piece, by a reset, or when it is cut here", () =>
    Effect.gen(function* () {
      const ends: ReadonlyArray<(far: Socket, lane: Lane) => void> = [
        (far) => far.end(Buffer.from([0, 0, 0, 99, 6, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])),
        (far) => far.resetAndDestroy(),
        (_, lane) => lane.terminate()
      ]
      for (const end of ends) {
        const { lane, far } = yield* half
        const { told, until } = watched(lane)
        end(far, lane)
        yield* until(1)
        while (!told.at(-1)!.startsWith("closed")) yield* Effect.promise(() => new Promise(setImmediate))
        expect(told.at(-1)).toBe("closed false")
      }
    })
  )

  it.live("is broken once by what is no piece", () =>
    Effect.gen(function* () {
      const { lane, far } = yield* half
      const { told, until } = watched(lane)
      far.write(Buffer.alloc(200 * KiB, 5))
      far.end()
      yield* until(2)
      expect(told).toEqual(["broken: message 5 on the socket of pieces", "closed false"])
    })
  )
})
