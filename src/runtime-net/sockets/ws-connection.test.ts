// One connection over a socket that does what the test says, on a clock that stands still: what is written and when,
// what is reported once, and how the connection ends.

import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { WebSocket } from "ws"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import { decodeMessage, encodeMessage } from "../../protocol/wire/codec.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { decodeOrderFrame, encodeOrderFrame } from "../../protocol/wire/order-frame.ts"
import { monotonicNow } from "../platform/node-timers.ts"
import { pieceBuffer } from "../platform/piece-buffer.ts"
import { Lane, type Lanes } from "./lane.ts"
import { type SocketLimits, socketLimits } from "./limits.ts"
import { type ConnectionRates, WsConnection } from "./ws-connection.ts"

const swarm = "cd".repeat(32) as SwarmId
const piece = (number: number, payload: Uint8Array = new Uint8Array(100)): Message => ({
  tag: "Piece",
  channel: 0,
  piece: number,
  proof: new Uint8Array(0),
  payload
})
const request = (number: number): Message => ({ tag: "Request", channel: 0, piece: number })
const bye: Message = { tag: "Bye", reason: "shutdown" }

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"]
  })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A socket that records what is done to it. `confirm` ends the oldest write. */
class StagedSocket extends EventEmitter {
  readyState: number = WebSocket.OPEN
  bufferedAmount = 0
  isPaused = false
  readonly done: string[] = []
  readonly #writes: Array<((error?: Error) => void) | undefined> = []

  send(frame: Uint8Array, sent?: (error?: Error) => void): void {
    const pieces = decodeOrderFrame(frame)
    const message = decodeMessage(Buffer.from(frame))
    if (pieces !== undefined) this.done.push(`order ${pieces}`)
    else this.done.push("piece" in message ? `${message.tag} ${message.piece}` : message.tag)
    this.#writes.push(sent)
  }
  confirm(error?: Error): void {
    this.#writes.shift()?.(error)
  }
  ping(): void {
    this.done.push("ping")
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
  terminate(): void {
    this.done.push("terminate")
  }
  close(code: number, reason: Buffer): void {
    this.readyState = WebSocket.CLOSING
    this.done.push(`close ${code} ${reason}`)
  }
}

const small: Partial<SocketLimits> = { maxSocketBuffer: 1000, maxQueuedMessages: 2, maxStuckBytes: 50 }

const stagedLane = () => {
  const socket = new StagedSocket()
  const tcp = Object.assign(new EventEmitter(), { bytesRead: 0 })
  return { socket, tcp, lane: new Lane(socket as unknown as WebSocket, tcp as unknown as Socket) }
}

/** A connection of one socket for everything. */
const staged = (rates: Partial<ConnectionRates> = {}, limits: Partial<SocketLimits> = small) => {
  const { socket, tcp, lane } = stagedLane()
  return { socket, tcp, ...stagedConnection({ messages: lane, pieces: lane }, socket, rates, limits) }
}

/** A connection with a socket for pieces. */
const stagedLanes = (rates: Partial<ConnectionRates> = {}, limits: Partial<SocketLimits> = small) => {
  const messages = stagedLane()
  const pieces = stagedLane()
  const lanes = { messages: messages.lane, pieces: pieces.lane }
  const connection = stagedConnection(lanes, messages.socket, rates, limits)
  const pieceArrives = (number: number) =>
    pieces.socket.emit("message", Buffer.from(encodeMessage(piece(number))), true)
  const orderArrives = (count: number) =>
    messages.socket.emit("message", Buffer.from(encodeOrderFrame(count)), true)
  return { messages, pieces, pieceArrives, orderArrives, ...connection }
}

const stagedConnection = (
  lanes: Lanes,
  socket: StagedSocket,
  rates: Partial<ConnectionRates>,
  limits: Partial<SocketLimits>
) => {
  const told: string[] = []
  const connection = new WsConnection(
    lanes,
    { egress: undefined, ingress: undefined, ...rates },
    {
      received: (message) => told.push(`received ${message.tag}`),
      protocolBroken: (reason, why) => told.push(`broken ${why} ${reason}`),
      pieceSent: (_, number) => told.push(`sent ${number}`),
      closed: (reason) => told.push(`closed ${reason}`)
    },
    { ...socketLimits, ...limits }
  )
  const send = (...messages: ReadonlyArray<Message>) => {
    for (const message of messages) connection.send(message, message.tag === "Piece" ? swarm : undefined)
  }
  const arrive = (message: Message) => socket.emit("message", Buffer.from(encodeMessage(message)), true)
  return { told, connection, send, arrive }
}

/** A bucket of 100 bytes that refills 1000 bytes a second. */
const slowly = () => new TokenBucket({ bytesPerSecond: 1000, burstBytes: 100 }, monotonicNow())

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

  test("a piece with room in front goes out as one with a copy does, twice", () => {
    const { socket, send } = staged()
    const payload = pieceBuffer(3)
    payload.set([7, 8, 9])
    const frames: Array<Uint8Array> = []
    const write = socket.send
    socket.send = (frame, sent) => {
      frames.push(frame.slice())
      write.call(socket, frame, sent)
    }
    send(piece(5, payload), piece(5, payload), piece(5, Uint8Array.of(7, 8, 9)))
    expect(frames).toEqual(Array.from({ length: 3 }, () => frames[2]))
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
