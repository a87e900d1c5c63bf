// Messages on one open WebSocket: one binary frame each. A piece goes out only while the buffer of the socket has room
// and the egress rate allows it; every other message goes out at once. A piece that arrives faster than the ingress
// rate pauses the reading of this connection and of no other.
//
//   open --disconnect--> closing: sent messages go out, then the close handshake, within disconnectDrain
//   open | closing --bytes that are not the protocol--> broken: reported once, then as closing, receives no more
//   any --socket gone--> closed: reported once, last
//
// Order: a message may overtake pieces that wait for room or rate, except Close and Bye, which nothing overtakes, so
// the messages that matter to a channel stay in order. Invariant: nothing is reported from inside send or disconnect.

import type { Socket } from "node:net"
import { WebSocket } from "ws"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { limits } from "../../protocol/limits.ts"
import { decodeMessage, encodedLength, encodeMessage, writePieceHeader } from "../../protocol/wire/codec.ts"
import type { ByeReason, Message, SwarmId } from "../../protocol/wire/message.ts"
import { monotonicNow, wakeAt } from "../platform/node-timers.ts"
import { takeFrame } from "../platform/piece-buffer.ts"
import type { SocketLimits } from "./limits.ts"

export interface ConnectionEvents {
  readonly received: (message: Message) => void
  readonly protocolBroken: (reason: string, bye: ByeReason) => void
  readonly pieceSent: (swarm: SwarmId, piece: number) => void
  readonly closed: (reason: string) => void
}

/** Shared by all connections of a listener; unlimited when absent. */
export interface ConnectionRates {
  readonly egress: TokenBucket | undefined
  readonly ingress: TokenBucket | undefined
}

type PieceMessage = Message & { readonly tag: "Piece" }

type Waiting =
  | { readonly tag: "Frame"; readonly frame: Uint8Array }
  | {
      readonly tag: "Piece"
      readonly message: PieceMessage
      readonly swarm: SwarmId
      goesAt: Micros | undefined
    }

const closeNormal = 1000
const closeProtocolError = 1002

export class WsConnection {
  readonly #socket: WebSocket
  readonly #tcp: Socket
  readonly #rates: ConnectionRates
  readonly #events: ConnectionEvents
  readonly #limits: SocketLimits
  #state: "open" | "closing" | "broken" | "closed" = "open"
  /** The reason of the end, as far as this side knows it. */
  #why: string | undefined
  #waiting: Array<Waiting> = []
  /** A Close or Bye waits, and nothing may overtake it. */
  #inOrder = false
  #cancelPump: (() => void) | undefined
  #cancelResume: (() => void) | undefined
  #cancelDrain: (() => void) | undefined
  #bytesHeard: number
  #heardAt: Micros

  /** Takes over an open socket. `tcp` is the connection under it. */
  constructor(
    socket: WebSocket,
    tcp: Socket,
    rates: ConnectionRates,
    events: ConnectionEvents,
    limits: SocketLimits
  ) {
    this.#socket = socket
    this.#tcp = tcp
    this.#rates = rates
    this.#events = events
    this.#limits = limits
    this.#bytesHeard = tcp.bytesRead
    this.#heardAt = monotonicNow()
    socket.on("message", (data, isBinary) => this.#received(data as Buffer, isBinary))
    socket.on("error", (error: Error & { readonly code?: string }) => {
      if (error.code?.startsWith("WS_ERR_") === true) this.#break(error.message)
      else this.#why ??= error.message
    })
    socket.on("close", (code) => this.#closed(code))
    tcp.on("drain", () => this.#pump())
  }

  send(message: Message, swarm: SwarmId | undefined): void {
    if (this.#state === "closed" || this.#state === "closing") return
    if (message.tag === "Piece") {
      invariant(swarm !== undefined, "transport: a Piece is sent without its swarm")
      this.#waiting.push({ tag: "Piece", message, swarm, goesAt: undefined })
      this.#pump()
      return
    }
    const frame = encodeMessage(message)
    const keepsPlace = message.tag === "Close" || message.tag === "Bye"
    if (this.#waiting.length === 0 || (!keepsPlace && !this.#inOrder)) {
      this.#write(frame)
    } else {
      this.#inOrder = true
      this.#waiting.push({ tag: "Frame", frame })
    }
    if (this.#isStuck()) this.destroy("the peer does not read what is sent to it")
  }

  /** Ends the connection once the sent messages are out, or when that takes too long. */
  disconnect(reason: string): void {
    if (this.#state === "closed" || this.#state === "closing") return
    this.#why ??= reason
    this.#finish()
  }

  /** Cuts the connection. Waiting messages are lost. */
  destroy(reason: string): void {
    if (this.#state === "closed") return
    this.#why ??= reason
    this.#waiting = []
    this.#socket.terminate()
  }

  /** Keeps a live connection alive and cuts a dead one. Its owner calls it every pingInterval. */
  checkLiveness(now: Micros): void {
    // A side that does not read hears nothing; the pings of the peer wait in the kernel.
    if (this.#tcp.bytesRead !== this.#bytesHeard || this.#socket.isPaused) {
      this.#bytesHeard = this.#tcp.bytesRead
      this.#heardAt = now
    }
    if (now - this.#heardAt >= this.#limits.deadConnectionTimeout) {
      this.destroy(`nothing came for ${Math.round((now - this.#heardAt) / 1_000_000)} s`)
      return
    }
    // The bytes in the buffer tell the peer as much as a ping.
    if (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount === 0) this.#socket.ping()
  }

  #isStuck(): boolean {
    return (
      this.#waiting.length > this.#limits.maxQueuedMessages ||
      this.#socket.bufferedAmount >
        this.#limits.maxSocketBuffer + limits.maxPieceLength + this.#limits.maxStuckBytes
    )
  }

  // -- out --------------------------------------------------------------------------------------------------------

  #write(frame: Uint8Array, sent?: (error?: Error) => void): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame, sent)
  }

  #pump(): void {
    if (this.#state === "closed") return
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      if (head.tag === "Piece" && !this.#mayGo(head)) return
      this.#waiting.shift()
      if (head.tag === "Frame") this.#write(head.frame)
      else this.#writePiece(head.message, head.swarm)
    }
    this.#inOrder = false
    if (this.#state !== "open") this.#closeSocket()
  }

  /** Whether the first waiting piece may be written now. If not, a later event calls #pump again. */
  #mayGo(head: Waiting & { readonly tag: "Piece" }): boolean {
    // The drain of the socket and the callback of each piece pump again.
    if (this.#socket.bufferedAmount >= this.#limits.maxSocketBuffer) return false
    const now = monotonicNow()
    head.goesAt ??= this.#rates.egress?.reserve(head.message.payload.byteLength, now) ?? now
    if (head.goesAt <= now) return true
    this.#cancelPump?.()
    this.#cancelPump = wakeAt(head.goesAt, () => {
      this.#cancelPump = undefined
      this.#pump()
    })
    return false
  }

  #writePiece(message: PieceMessage, swarm: SwarmId): void {
    const { piece } = message
    this.#write(pieceFrame(message), (error) => {
      if (error !== undefined && error !== null) return
      if (this.#state === "closed") return
      this.#events.pieceSent(swarm, piece)
      this.#pump()
    })
  }

  // -- in ---------------------------------------------------------------------------------------------------------

  #received(data: Buffer, isBinary: boolean): void {
    if (this.#state !== "open") return
    const message = isBinary ? decodeMessage(data) : textFrame
    if (message.tag === "CodecError") {
      this.#break(message.reason, message.bye)
      return
    }
    this.#events.received(message)
    if (message.tag === "Piece") this.#limitIngress(message.payload.byteLength)
  }

  #limitIngress(bytes: number): void {
    const now = monotonicNow()
    const at = this.#rates.ingress?.reserve(bytes, now) ?? now
    if (at <= now || this.#state !== "open") return
    this.#socket.pause()
    this.#cancelResume?.()
    this.#cancelResume = wakeAt(at, () => {
      this.#cancelResume = undefined
      this.#socket.resume()
    })
  }

  // -- end --------------------------------------------------------------------------------------------------------

  #break(reason: string, bye: ByeReason = "protocol-error"): void {
    if (this.#state !== "open" && this.#state !== "closing") return
    const told = this.#state === "closing"
    this.#state = "broken"
    this.#why ??= reason
    if (!told) this.#events.protocolBroken(reason, bye)
    // The end comes later, so that the answer of the host (a Bye) goes out first.
    setImmediate(() => this.#finish())
  }

  #finish(): void {
    if (this.#state === "closed") return
    if (this.#state === "open") this.#state = "closing"
    // Reading resumes, so that the close handshake is heard.
    this.#cancelResume?.()
    if (this.#socket.isPaused) this.#socket.resume()
    this.#cancelDrain ??= wakeAt(monotonicNow() + this.#limits.disconnectDrain, () =>
      this.#socket.terminate()
    )
    this.#pump()
  }

  #closeSocket(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    const code = this.#state === "broken" ? closeProtocolError : closeNormal
    this.#socket.close(code, closeReason(this.#why ?? ""))
  }

  #closed(code: number): void {
    if (this.#state === "closed") return
    this.#state = "closed"
    this.#waiting = []
    this.#cancelPump?.()
    this.#cancelResume?.()
    this.#cancelDrain?.()
    this.#events.closed(this.#why ?? (code === 1006 ? "the connection broke" : "the peer closed it"))
  }
}

const textFrame = {
  tag: "CodecError",
  reason: "a text frame; every message is a binary frame",
  bye: "protocol-error"
} as const

/** The frame of a piece. It needs no copy when the payload has room in front of it. */
const pieceFrame = (message: PieceMessage): Uint8Array => {
  const { payload } = message
  invariant(payload instanceof Uint8Array, "transport: a payload is not bytes")
  const frame = takeFrame(payload)
  if (frame === undefined) return encodeMessage(message)
  const payloadAt = frame.length - payload.length
  const from = payloadAt - (encodedLength(message) - payload.length)
  const to = from < 0 ? undefined : writePieceHeader(frame, from, message)
  invariant(to === payloadAt, "transport: the room is not in front of the piece")
  return frame.subarray(from)
}

/** A close frame holds 123 bytes of reason. */
const closeReason = (why: string): Buffer => Buffer.from(why).subarray(0, 123)
