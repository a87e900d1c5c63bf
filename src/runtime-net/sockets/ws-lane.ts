// A lane that is a WebSocket: one binary frame is one message. It carries messages, and pieces as well where the peer
// opened a single socket.

import type { Socket } from "node:net"
import { WebSocket } from "ws"
import type { Micros } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import { encodeMessage, maxPieceHeaderBytes } from "../../protocol/wire/codec.ts"
import { releaseBytes } from "../platform/piece-buffer.ts"
import type { Lane, LaneEvents, PieceMessage } from "./lane.ts"
import type { SocketLimits } from "./limits.ts"
import { Silence } from "./silence.ts"

const longestFrame = Math.max(limits.maxPieceLength + maxPieceHeaderBytes, limits.maxControlFrame)

/** How ws treats a WebSocket, dialled or accepted. */
export const webSocketOptions = ({ disconnectDrain }: SocketLimits) => ({
  perMessageDeflate: false,
  maxPayload: longestFrame,
  // A message is one frame.
  maxFragments: 1,
  // A frame that arrives in single bytes would cost hundreds of times its length. A TCP segment has 536 bytes or more.
  maxBufferedChunks: Math.ceil(longestFrame / 512),
  skipUTF8Validation: true,
  closeTimeout: disconnectDrain / 1000
})

const closeCodes = { done: 1000, "protocol error": 1002 } as const
/** The code that ws gives when no close frame came. */
const noCloseFrame = 1006

export class WsLane implements Lane {
  readonly #socket: WebSocket
  readonly #silence: Silence
  #events: Partial<LaneEvents> = {}

  /** `tcp` is the connection under the open `socket`. */
  constructor(socket: WebSocket, tcp: Socket) {
    this.#socket = socket
    this.#silence = new Silence(tcp)
    socket.pause()
    socket.on("message", (data, isBinary) => this.#events.received?.(data as Buffer, isBinary))
    socket.on("error", (error: Error & { readonly code?: string }) => {
      if (error.code?.startsWith("WS_ERR_") === true) this.#events.broken?.(error.message)
      else this.#events.failed?.(error.message)
    })
    socket.on("close", (code) => this.#events.closed?.(code !== noCloseFrame))
    tcp.on("drain", () => this.#events.drained?.())
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  get isPaused(): boolean {
    return this.#socket.isPaused
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  listen(events: Partial<LaneEvents>): void {
    this.#events = events
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  send(message: Uint8Array): void {
    this.#socket.send(message)
  }

  sendPiece(message: PieceMessage, sent: () => void): void {
    const frame = encodeMessage(message)
    releaseBytes(message.payload as Uint8Array)
    this.#socket.send(frame, (error) => {
      if (error === undefined || error === null) sent()
    })
  }

  silence(now: Micros): Micros {
    return this.#silence.at(now, this.isPaused)
  }

  ping(): void {
    if (this.isOpen && this.bufferedBytes === 0) this.#socket.ping()
  }

  close(how: keyof typeof closeCodes, reason: string): void {
    // A close frame holds 123 bytes of reason.
    if (this.isOpen) this.#socket.close(closeCodes[how], Buffer.from(reason).subarray(0, 123))
  }

  terminate(): void {
    this.#socket.terminate()
  }
}
