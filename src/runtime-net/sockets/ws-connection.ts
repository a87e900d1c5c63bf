// Messages of one connection between peers, pieces on one socket and all others on a second one (lane.ts). A piece goes
// out only while the buffer of its socket has room and the egress rate allows it; every other message goes out at once.
// A piece that arrives faster than the ingress rate pauses the reading of pieces from this peer, and of nothing else.
//
//   open --disconnect--> closing: sent messages go out, then the close handshakes, within disconnectDrain
//   open | closing --bytes that are not the protocol--> broken: reported once, then as closing, receives no more
//   any --both sockets gone--> closed: reported once, last
//
// Order: a message may overtake pieces, except Close and Bye, which nothing overtakes, so the messages that matter to a
// channel stay in order. A Close or Bye is sent with the number of pieces before it (protocol/wire/order-frame.ts), and
// the receiver reads no further message until it has these. Invariant: nothing is reported from inside send or
// disconnect.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { limits } from "../../protocol/limits.ts"
import { decodeMessage, encodeMessage } from "../../protocol/wire/codec.ts"
import { type ByeReason, keepsOrder, type Message, type SwarmId } from "../../protocol/wire/message.ts"
import { decodeOrderFrame, encodeOrderFrame } from "../../protocol/wire/order-frame.ts"
import { monotonicNow, wakeAt } from "../platform/node-timers.ts"
import { holdBytes } from "../platform/piece-buffer.ts"
import type { Lane, Lanes, PieceMessage } from "./lane.ts"
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

type Waiting =
  | { readonly tag: "Message"; readonly message: Message }
  | {
      readonly tag: "Piece"
      readonly message: PieceMessage
      readonly swarm: SwarmId
      goesAt: Micros | undefined
    }

export class WsConnection {
  readonly #messages: Lane
  readonly #pieces: Lane
  /** One lane, or both. */
  readonly #lanes: ReadonlyArray<Lane>
  readonly #rates: ConnectionRates
  readonly #events: ConnectionEvents
  readonly #limits: SocketLimits
  #state: "open" | "closing" | "broken" | "closed" = "open"
  /** The reason of the end, as far as this side knows it. */
  #why: string | undefined
  #waiting: Array<Waiting> = []
  /** A Close or Bye waits, and nothing may overtake it. */
  #inOrder = false
  #piecesWritten = 0
  #piecesReceived = 0
  /** Frames of messages that came behind an order frame, until the pieces before it are here. */
  #held: { readonly untilPieces: number; readonly frames: Array<Uint8Array> } | undefined
  #openLanes: number
  #cancelPump: (() => void) | undefined
  #cancelResume: (() => void) | undefined
  #cancelDrain: (() => void) | undefined

  /** Takes over the open sockets of both lanes. */
  constructor(
    { messages, pieces }: Lanes,
    rates: ConnectionRates,
    events: ConnectionEvents,
    limits: SocketLimits
  ) {
    this.#messages = messages
    this.#pieces = pieces
    this.#lanes = messages === pieces ? [messages] : [messages, pieces]
    this.#openLanes = this.#lanes.length
    this.#rates = rates
    this.#events = events
    this.#limits = limits
    for (const lane of this.#lanes) {
      lane.listen({
        received: (frame, isBinary) => this.#received(lane, frame, isBinary),
        broken: (reason) => this.#break(reason),
        failed: (reason) => {
          this.#why ??= reason
        },
        drained: () => this.#pump(),
        closed: (inOrder) => this.#laneClosed(inOrder)
      })
    }
  }

  send(message: Message, swarm: SwarmId | undefined): void {
    if (this.#state === "closed" || this.#state === "closing") return
    if (message.tag === "Piece") {
      const { payload } = message
      invariant(swarm !== undefined, "transport: a Piece is sent without its swarm")
      invariant(payload instanceof Uint8Array, "transport: a payload is not bytes")
      holdBytes(payload)
      this.#waiting.push({ tag: "Piece", message, swarm, goesAt: undefined })
      this.#pump()
      return
    }
    if (this.#waiting.length === 0 || !(keepsOrder(message) || this.#inOrder)) {
      this.#writeMessage(message)
    } else {
      this.#inOrder = true
      this.#waiting.push({ tag: "Message", message })
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
    this.#terminate()
  }

  /** Keeps a live connection alive and cuts a dead one. Its owner calls it every pingInterval. */
  checkLiveness(now: Micros): void {
    for (const lane of this.#lanes) {
      const silence = lane.silence(now)
      if (silence >= this.#limits.deadConnectionTimeout) {
        this.destroy(`nothing came for ${Math.round(silence / 1_000_000)} s`)
        return
      }
      lane.ping()
    }
  }

  #isStuck(): boolean {
    const { maxQueuedMessages, maxSocketBuffer, maxStuckBytes } = this.#limits
    const hasPieces = this.#messages === this.#pieces
    const most = maxStuckBytes + (hasPieces ? maxSocketBuffer + limits.maxPieceLength : 0)
    return this.#waiting.length > maxQueuedMessages || this.#messages.bufferedBytes > most
  }

  // -- out --------------------------------------------------------------------------------------------------------

  #writeMessage(message: Message): void {
    if (!this.#messages.isOpen) return
    const hasPieces = this.#lanes.length > 1 && this.#piecesWritten > 0
    if (hasPieces && keepsOrder(message)) this.#messages.send(encodeOrderFrame(this.#piecesWritten))
    this.#messages.send(encodeMessage(message))
  }

  #pump(): void {
    if (this.#state === "closed") return
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      if (head.tag === "Piece" && !this.#mayGo(head)) return
      this.#waiting.shift()
      if (head.tag === "Message") this.#writeMessage(head.message)
      else this.#writePiece(head.message, head.swarm)
    }
    this.#inOrder = false
    if (this.#state !== "open") this.#closeSockets()
  }

  /** Whether the first waiting piece may be written now. If not, a later event calls #pump again. */
  #mayGo(head: Waiting & { readonly tag: "Piece" }): boolean {
    // The drain of the socket and the callback of each piece pump again.
    if (this.#pieces.bufferedBytes >= this.#limits.maxSocketBuffer) return false
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
    if (!this.#pieces.isOpen) return
    this.#piecesWritten++
    this.#pieces.sendPiece(message, () => {
      if (this.#state === "closed") return
      this.#events.pieceSent(swarm, piece)
      this.#pump()
    })
  }

  // -- in ---------------------------------------------------------------------------------------------------------

  #received(lane: Lane, data: Uint8Array, isBinary: boolean): void {
    if (this.#state !== "open") return
    if (!isBinary) this.#break("a text frame; every message is a binary frame")
    else if (this.#lanes.length > 1 && lane === this.#messages) this.#receivedBesidePieces(data)
    else this.#decode(lane, data)
  }

  /** A frame of the socket of messages, where pieces have another one. */
  #receivedBesidePieces(data: Uint8Array): void {
    if (this.#held !== undefined) {
      // The socket is paused: only what was read with the order frame still comes.
      this.#held.frames.push(data)
      return
    }
    const pieces = decodeOrderFrame(data)
    if (pieces === undefined) this.#decode(this.#messages, data)
    else if (pieces > this.#piecesReceived) {
      this.#held = { untilPieces: pieces, frames: [] }
      this.#messages.pause()
    }
  }

  #decode(lane: Lane, data: Uint8Array): void {
    const message = decodeMessage(data)
    if (message.tag === "CodecError") this.#break(message.reason, message.bye)
    else if (message.tag !== "Piece" && lane !== this.#messages) {
      this.#break(`a ${message.tag} on the socket of pieces`)
    } else if (message.tag === "Piece" && lane !== this.#pieces) {
      this.#break("a Piece on the socket of messages")
    } else {
      this.#events.received(message)
      if (message.tag !== "Piece") return
      this.#piecesReceived++
      this.#limitIngress(message.payload.byteLength)
      this.#releaseHeld()
    }
  }

  /** Reads the messages behind an order frame when the pieces before it are here. */
  #releaseHeld(): void {
    const held = this.#held
    if (held === undefined || this.#piecesReceived < held.untilPieces) return
    this.#held = undefined
    this.#messages.resume()
    for (const frame of held.frames) {
      if (this.#state === "open") this.#receivedBesidePieces(frame)
    }
  }

  #limitIngress(bytes: number): void {
    const now = monotonicNow()
    const at = this.#rates.ingress?.reserve(bytes, now) ?? now
    if (at <= now || this.#state !== "open") return
    this.#pieces.pause()
    this.#cancelResume?.()
    this.#cancelResume = wakeAt(at, () => {
      this.#cancelResume = undefined
      this.#pieces.resume()
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
    // Reading resumes, so that the close handshakes are heard.
    this.#cancelResume?.()
    for (const lane of this.#lanes) if (lane.isPaused) lane.resume()
    this.#endInTime()
    this.#pump()
  }

  #closeSockets(): void {
    const how = this.#state === "broken" ? "protocol error" : "done"
    for (const lane of this.#lanes) lane.close(how, this.#why ?? "")
  }

  #terminate(): void {
    for (const lane of this.#lanes) lane.terminate()
  }

  #endInTime(): void {
    this.#cancelDrain ??= wakeAt(monotonicNow() + this.#limits.disconnectDrain, () => this.#terminate())
  }

  /** A socket has closed. A peer that ends in order closes the other one as well, when what it sent is out. */
  #laneClosed(inOrder: boolean): void {
    if (this.#state === "closed") return
    this.#openLanes--
    if (this.#openLanes === 0) {
      this.#closed(inOrder)
      return
    }
    if (!inOrder) {
      this.#why ??= brokenReason
      this.#terminate()
    } else this.#endInTime()
  }

  #closed(inOrder: boolean): void {
    this.#state = "closed"
    this.#waiting = []
    this.#held = undefined
    this.#cancelPump?.()
    this.#cancelResume?.()
    this.#cancelDrain?.()
    this.#events.closed(this.#why ?? (inOrder ? "the peer closed it" : brokenReason))
  }
}

const brokenReason = "the connection broke"
