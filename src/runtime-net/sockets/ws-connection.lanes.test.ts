// One connection with a socket for pieces, over sockets that do what the test says, on a clock that stands still: what
// goes and comes on which socket and in which order, and how both end.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import {
  bye,
  piece,
  request,
  slowly,
  small,
  staged,
  stagedLanes
} from "../../../testing/runtime-net/staged-connection.ts"
import { encodeMessage } from "../../protocol/wire/codec.ts"
import type { Message } from "../../protocol/wire/message.ts"
import { encodeOrderFrame } from "../../protocol/wire/order-frame.ts"
import { monotonicNow } from "../platform/node-timers.ts"

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"]
  })
})
afterEach(() => {
  vi.useRealTimers()
})

describe("a connection with a socket for pieces", () => {
  const close: Message = { tag: "Close", channel: 0, reason: "not-interested" } as Message

  test("writes pieces on it and all else on the other, whatever waits there", () => {
    const { messages, pieces, told, send } = stagedLanes()
    pieces.socket.bufferedAmount = 999
    send(piece(1), piece(2), request(1))
    pieces.socket.bufferedAmount = 1000
    send(piece(3), request(2))
    expect(pieces.socket.done).toEqual(["Piece 1", "Piece 2"])
    expect(messages.socket.done).toEqual(["Request 1", "Request 2"])
    pieces.socket.bufferedAmount = 0
    pieces.tcp.emit("drain")
    expect(pieces.socket.done).toEqual(["Piece 1", "Piece 2", "Piece 3"])
    pieces.socket.confirm()
    expect(told).toEqual(["sent 1"])
  })

  test("says before a Close and a Bye how many pieces it has written, if any", () => {
    const { messages, pieces, send } = stagedLanes({}, { ...small, maxQueuedMessages: 9 })
    send(close, piece(1), request(1), close)
    expect(messages.socket.done).toEqual(["Close", "Request 1", "order 1", "Close"])
    pieces.socket.bufferedAmount = 1000
    send(piece(2), bye, request(2))
    expect(messages.socket.done).toHaveLength(4)
    pieces.socket.bufferedAmount = 0
    pieces.tcp.emit("drain")
    expect(messages.socket.done.slice(4)).toEqual(["order 2", "Bye", "Request 2"])
  })

  test("reads no message behind an order frame before it has the pieces", () => {
    const { messages, told, pieceArrives, orderArrives, arrive } = stagedLanes()
    pieceArrives(1)
    orderArrives(1)
    arrive(request(1))
    expect(messages.socket.isPaused).toBe(false)
    orderArrives(3)
    arrive(close)
    orderArrives(4)
    arrive(bye)
    expect(messages.socket.isPaused).toBe(true)
    pieceArrives(2)
    expect(told).toEqual(["received Piece", "received Request", "received Piece"])
    pieceArrives(3)
    expect(told.slice(3)).toEqual(["received Piece", "received Close"])
    expect(messages.socket.isPaused).toBe(true)
    pieceArrives(4)
    expect(told.slice(5)).toEqual(["received Piece", "received Bye"])
    expect(messages.socket.isPaused).toBe(false)
  })

  test("breaks at a message on the wrong socket", () => {
    const first = stagedLanes()
    first.arrive(piece(1))
    expect(first.told).toEqual(["broken protocol-error a Piece on the socket of messages"])
    const second = stagedLanes()
    second.pieces.socket.emit("message", Buffer.from(encodeMessage(request(1))), true)
    expect(second.told).toEqual(["broken protocol-error a Request on the socket of pieces"])
    const third = stagedLanes()
    third.pieces.socket.emit("message", Buffer.from(encodeOrderFrame(1)), true)
    expect(third.told).toHaveLength(1)
    const single = staged()
    single.socket.emit("message", Buffer.from(encodeOrderFrame(1)), true)
    expect(single.told).toHaveLength(1)
  })

  test("pauses the pieces alone at the ingress rate", () => {
    const { messages, pieces, told, pieceArrives, arrive } = stagedLanes({ ingress: slowly() })
    pieceArrives(1)
    pieceArrives(2)
    expect([messages.socket.isPaused, pieces.socket.isPaused]).toEqual([false, true])
    arrive(request(1))
    expect(told).toHaveLength(3)
    vi.advanceTimersByTime(101)
    expect(pieces.socket.isPaused).toBe(false)
  })

  test("ends both sockets, and is closed when both are", () => {
    const { messages, pieces, told, connection } = stagedLanes()
    connection.disconnect("enough")
    expect(messages.socket.done).toEqual(["close 1000 enough"])
    expect(pieces.socket.done).toEqual(["close 1000 enough"])
    pieces.socket.emit("close", 1000)
    expect(told).toEqual([])
    messages.socket.emit("close", 1000)
    expect(told).toEqual(["closed enough"])
  })

  test("receives on one socket after the peer has closed the other in order, but not for long", () => {
    const limits = { ...small, disconnectDrain: 2_000_000 }
    const { messages, pieces, told, arrive } = stagedLanes({}, limits)
    pieces.socket.emit("close", 1000)
    arrive(bye)
    expect(told).toEqual(["received Bye"])
    vi.advanceTimersByTime(1999)
    expect(messages.socket.done).toEqual([])
    vi.advanceTimersByTime(2)
    expect(messages.socket.done).toEqual(["terminate"])
    messages.socket.emit("close", 1006)
    expect(told).toEqual(["received Bye", "closed the connection broke"])
  })

  test("is cut when one socket breaks, and when one falls silent", () => {
    const broken = stagedLanes()
    broken.messages.socket.emit("close", 1006)
    expect(broken.pieces.socket.done).toEqual(["terminate"])
    broken.pieces.socket.emit("close", 1006)
    expect(broken.told).toEqual(["closed the connection broke"])
    const silent = stagedLanes({}, { deadConnectionTimeout: 45_000_000 })
    const began = monotonicNow()
    silent.messages.tcp.bytesRead++
    silent.connection.checkLiveness(began + 30_000_000)
    expect(silent.messages.socket.done).toEqual(["ping"])
    expect(silent.pieces.socket.done).toEqual(["ping"])
    silent.connection.checkLiveness(began + 45_000_000)
    expect(silent.messages.socket.done.at(-1)).toBe("terminate")
    expect(silent.pieces.socket.done.at(-1)).toBe("terminate")
  })

  test("cuts a peer whose socket of messages holds more than maxStuckBytes, and none whose pieces do", () => {
    const { messages, pieces, send } = stagedLanes()
    pieces.socket.bufferedAmount = 1e9
    messages.socket.bufferedAmount = 50
    send(request(1))
    expect(messages.socket.done).toEqual(["Request 1"])
    messages.socket.bufferedAmount = 51
    send(request(2))
    expect(messages.socket.done.at(-1)).toBe("terminate")
    expect(pieces.socket.done.at(-1)).toBe("terminate")
  })
})
