// One connection over a socket that does what the test says, on a clock that stands still: what is written and when,
// what is reported once, and how the connection ends.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { WebSocket } from "ws"
import {
  bye,
  piece,
  request,
  type StagedSocket,
  slowly,
  small,
  staged
} from "../../../testing/runtime-net/staged-connection.ts"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import { encodeMessage } from "../../protocol/wire/codec.ts"
import type { Message } from "../../protocol/wire/message.ts"
import { monotonicNow } from "../platform/node-timers.ts"
import { holdBytes, releaseBytes, takePayload } from "../platform/piece-buffer.ts"
import type { SocketLimits } from "./limits.ts"

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"]
  })
})
afterEach(() => {
  vi.useRealTimers()
})

describe("sending", () => {
  test("a piece waits while the buffer of the socket is full, and goes when it drains", () => {
    const { socket, tcp, told, send } = staged()
    socket.bufferedAmount = 1000
    send(piece(1))
    expect(socket.done).toEqual([])
    socket.bufferedAmount = 999
    tcp.emit("drain")
    expect(socket.done).toEqual(["Piece 1"])
    expect(told).toEqual([])
    socket.confirm()
    expect(told).toEqual(["sent 1"])
  })

  test("the end of a write lets the next piece go; a failed one is not told as sent", () => {
    const { socket, told, send } = staged()
    send(piece(1))
    socket.bufferedAmount = 1000
    send(piece(2))
    socket.bufferedAmount = 0
    socket.confirm()
    expect(socket.done).toEqual(["Piece 1", "Piece 2"])
    socket.confirm(new Error("reset"))
    expect(told).toEqual(["sent 1"])
  })

  test("a piece waits for the egress rate, and other messages overtake it", () => {
    const { socket, send } = staged({ egress: slowly() })
    send(piece(1), piece(2), request(7))
    expect(socket.done).toEqual(["Piece 1", "Request 7"])
    vi.advanceTimersByTime(99)
    expect(socket.done).toHaveLength(2)
    vi.advanceTimersByTime(2)
    expect(socket.done).toEqual(["Piece 1", "Request 7", "Piece 2"])
  })

  test("nothing overtakes a Close or a Bye that waits, and the order is free again once they are out", () => {
    const close: Message = { tag: "Close", channel: 0, reason: "not-interested" } as Message
    for (const last of [close, bye]) {
      const { socket, tcp, send } = staged({}, { ...small, maxQueuedMessages: 9 })
      send(last)
      expect(socket.done).toEqual([last.tag])
      socket.bufferedAmount = 1000
      send(piece(1), request(1), last, request(2), piece(2))
      expect(socket.done).toEqual([last.tag, "Request 1"])
      socket.bufferedAmount = 0
      tcp.emit("drain")
      expect(socket.done.slice(2)).toEqual(["Piece 1", last.tag, "Request 2", "Piece 2"])
      socket.bufferedAmount = 1000
      send(piece(3), request(3))
      expect(socket.done.at(-1)).toBe("Request 3")
    }
  })

  test("the memory of a piece is held until it has left, and is not given back when it did not", () => {
    const { socket, tcp, send } = staged()
    const payload = takePayload(256 * 1024)
    socket.bufferedAmount = 1000
    send(piece(1, payload))
    releaseBytes(payload)
    expect(takePayload(payload.length).buffer).not.toBe(payload.buffer)
    socket.bufferedAmount = 0
    tcp.emit("drain")
    expect(socket.done).toEqual(["Piece 1"])
    // A WebSocket has a copy. One more holder would be told so.
    expect(() => releaseBytes(payload)).toThrow("released more often than held")
    const lost = takePayload(256 * 1024)
    socket.bufferedAmount = 1000
    send(piece(2, lost))
    socket.emit("close", 1006)
    releaseBytes(lost)
    holdBytes(lost)
    releaseBytes(lost)
    expect(takePayload(lost.length).buffer).not.toBe(lost.buffer)
  })

  test("a peer is cut for which more messages wait than the limit", () => {
    const { socket, send } = staged()
    socket.bufferedAmount = 1000
    send(piece(1), bye)
    expect(socket.done).toEqual([])
    send(request(1))
    expect(socket.done).toEqual(["terminate"])
  })

  test("a peer is cut whose buffer holds more than it may, one piece and the limit", () => {
    const { socket, told, send } = staged()
    socket.bufferedAmount = 1000 + protocolLimits.maxPieceLength + 50
    send(request(1))
    expect(socket.done).toEqual(["Request 1"])
    socket.bufferedAmount++
    send(request(2))
    expect(socket.done).toEqual(["Request 1", "Request 2", "terminate"])
    socket.emit("close", 1006)
    expect(told).toEqual(["closed the peer does not read what is sent to it"])
  })
})

describe("receiving", () => {
  test("messages are told until the connection ends", () => {
    const { told, connection, arrive } = staged()
    arrive(request(1))
    connection.disconnect("enough")
    arrive(request(2))
    expect(told).toEqual(["received Request"])
  })

  test("a piece beyond the ingress rate pauses the socket until the rate allows it", () => {
    const { socket, told, arrive } = staged({ ingress: slowly() })
    arrive(piece(1))
    expect(socket.isPaused).toBe(false)
    arrive(request(1))
    arrive(piece(2))
    expect(socket.isPaused).toBe(true)
    vi.advanceTimersByTime(99)
    expect(socket.isPaused).toBe(true)
    vi.advanceTimersByTime(2)
    expect(socket.isPaused).toBe(false)
    expect(told).toEqual(["received Piece", "received Request", "received Piece"])
  })

  test("what is no message breaks the connection once, and the answer goes out before the close", () => {
    const long = "x".repeat(200)
    const breaks: ReadonlyArray<readonly [(socket: StagedSocket) => void, RegExp]> = [
      [(socket) => socket.emit("message", Buffer.from([255]), true), /^broken /],
      [(socket) => socket.emit("message", Buffer.from(encodeMessage(request(1))), false), /text frame/],
      [
        (socket) => socket.emit("error", Object.assign(new Error(long), { code: "WS_ERR_X" })),
        /protocol-error x/
      ]
    ]
    for (const [cause, reason] of breaks) {
      const { socket, told, send, arrive } = staged()
      cause(socket)
      cause(socket)
      expect(told).toEqual([expect.stringMatching(reason)])
      expect(socket.done).toEqual([])
      send(bye)
      vi.runOnlyPendingTimers()
      expect(socket.done[0]).toBe("Bye")
      expect(socket.done[1]).toMatch(/^close 1002 .{5,123}$/)
      arrive(request(2))
      expect(told).toHaveLength(1)
    }
  })
})

describe("the end", () => {
  test("comes when what was sent is out, and nothing is sent after it", () => {
    const { socket, tcp, told, connection, send } = staged()
    socket.bufferedAmount = 1000
    send(piece(1))
    connection.disconnect("enough")
    connection.disconnect("again")
    send(piece(2), request(1))
    expect(socket.done).toEqual([])
    socket.bufferedAmount = 0
    tcp.emit("drain")
    expect(socket.done).toEqual(["Piece 1", "close 1000 enough"])
    socket.emit("close", 1000)
    socket.emit("close", 1000)
    expect(told).toEqual(["closed enough"])
  })

  test("is forced after disconnectDrain, and by nothing later", () => {
    const { socket, connection, send } = staged({}, { ...small, disconnectDrain: 2_000_000 })
    socket.bufferedAmount = 1000
    send(piece(1))
    connection.disconnect("enough")
    vi.advanceTimersByTime(1999)
    expect(socket.done).toEqual([])
    vi.advanceTimersByTime(2)
    expect(socket.done).toEqual(["terminate"])
    const other = staged()
    other.connection.disconnect("enough")
    other.socket.emit("close", 1000)
    vi.advanceTimersByTime(10_000)
    expect(other.socket.done).toEqual(["close 1000 enough"])
  })

  test("resumes a paused socket, so that the close handshake is heard", () => {
    const { socket, connection, arrive } = staged({ ingress: slowly() })
    arrive(piece(1))
    arrive(piece(2))
    expect(socket.isPaused).toBe(true)
    connection.disconnect("enough")
    expect(socket.isPaused).toBe(false)
  })

  test("has the first reason that is known, and one by the code otherwise", () => {
    const reasonOf = (code: number, before: (socket: StagedSocket) => void = () => {}) => {
      const { socket, told } = staged()
      before(socket)
      socket.emit("close", code)
      return told
    }
    expect(reasonOf(1006)).toEqual(["closed the connection broke"])
    expect(reasonOf(1000)).toEqual(["closed the peer closed it"])
    expect(
      reasonOf(1006, (socket) => {
        socket.emit("error", Object.assign(new Error("reset by peer"), { code: "ECONNRESET" }))
        socket.emit("error", new Error("later"))
      })
    ).toEqual(["closed reset by peer"])
  })

  test("drops what waits: nothing is written, told or awaited any more", () => {
    const { socket, tcp, told, connection, send } = staged({ egress: slowly() })
    send(piece(1), piece(2))
    socket.emit("close", 1006)
    socket.confirm()
    tcp.emit("drain")
    vi.advanceTimersByTime(10_000)
    send(piece(3))
    connection.disconnect("late")
    connection.destroy("later")
    expect(socket.done).toEqual(["Piece 1"])
    expect(told).toEqual(["closed the connection broke"])
  })
})

describe("liveness", () => {
  const dead: Partial<SocketLimits> = { deadConnectionTimeout: 45_000_000 }

  test("a peer from which nothing comes is pinged, and cut after deadConnectionTimeout", () => {
    const { socket, told, connection } = staged({}, dead)
    const began = monotonicNow()
    connection.checkLiveness(began + 44_999_999)
    expect(socket.done).toEqual(["ping"])
    connection.checkLiveness(began + 45_000_000)
    expect(socket.done).toEqual(["ping", "terminate"])
    socket.emit("close", 1006)
    expect(told).toEqual(["closed nothing came for 45 s"])
  })

  test("bytes from the peer and a pause of its own count as a sign of life", () => {
    for (const sign of ["bytes", "pause"]) {
      const { socket, tcp, connection } = staged({}, dead)
      const began = monotonicNow()
      if (sign === "bytes") tcp.bytesRead++
      else socket.isPaused = true
      connection.checkLiveness(began + 30_000_000)
      socket.isPaused = false
      connection.checkLiveness(began + 74_999_999)
      expect(socket.done).toEqual(["ping", "ping"])
      connection.checkLiveness(began + 75_000_000)
      expect(socket.done.at(-1)).toBe("terminate")
    }
  })

  test("a peer is not pinged while bytes are on their way to it, or when the socket closes", () => {
    const { socket, connection } = staged({}, dead)
    socket.bufferedAmount = 1
    connection.checkLiveness(monotonicNow())
    socket.bufferedAmount = 0
    socket.readyState = WebSocket.CLOSING
    connection.checkLiveness(monotonicNow())
    expect(socket.done).toEqual([])
  })
})
