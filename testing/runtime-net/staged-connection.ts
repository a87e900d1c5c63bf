// One connection of the peer transport over sockets that do what a test says and record what is done to them, and the
// messages that tests send. It runs no clock.

import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import { TokenBucket } from "../../src/protocol/kit/token-bucket.ts"
import { decodeMessage, encodeMessage } from "../../src/protocol/wire/codec.ts"
import type { Message, SwarmId } from "../../src/protocol/wire/message.ts"
import { decodeOrderFrame, encodeOrderFrame } from "../../src/protocol/wire/order-frame.ts"
import { monotonicNow } from "../../src/runtime-net/platform/node-timers.ts"
import type { Lanes } from "../../src/runtime-net/sockets/lane.ts"
import { type SocketLimits, socketLimits } from "../../src/runtime-net/sockets/limits.ts"
import { type ConnectionRates, WsConnection } from "../../src/runtime-net/sockets/ws-connection.ts"
import { WsLane } from "../../src/runtime-net/sockets/ws-lane.ts"

const swarm = "cd".repeat(32) as SwarmId
export const piece = (number: number, payload: Uint8Array = new Uint8Array(100)): Message => ({
  tag: "Piece",
  channel: 0,
  piece: number,
  proof: new Uint8Array(0),
  payload
})
export const request = (number: number): Message => ({ tag: "Request", channel: 0, piece: number })
export const bye: Message = { tag: "Bye", reason: "shutdown" }

/** A socket that records what is done to it. `confirm` ends the oldest write. */
export class StagedSocket extends EventEmitter {
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

export const small: Partial<SocketLimits> = { maxSocketBuffer: 1000, maxQueuedMessages: 2, maxStuckBytes: 50 }

const stagedLane = () => {
  const socket = new StagedSocket()
  const tcp = Object.assign(new EventEmitter(), { bytesRead: 0 })
  const lane = new WsLane(socket as unknown as WebSocket, tcp as unknown as Socket)
  lane.resume()
  return { socket, tcp, lane }
}

/** A connection of one socket for everything. */
export const staged = (rates: Partial<ConnectionRates> = {}, limits: Partial<SocketLimits> = small) => {
  const { socket, tcp, lane } = stagedLane()
  return { socket, tcp, ...stagedConnection({ messages: lane, pieces: lane }, socket, rates, limits) }
}

/** A connection with a socket for pieces. */
export const stagedLanes = (rates: Partial<ConnectionRates> = {}, limits: Partial<SocketLimits> = small) => {
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
export const slowly = () => new TokenBucket({ bytesPerSecond: 1000, burstBytes: 100 }, monotonicNow())
