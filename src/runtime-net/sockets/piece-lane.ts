// The lane of pieces: a TCP connection after an HTTP upgrade, with the frames of piece-frame.ts in both directions. A
// piece is read straight into the memory in which it is kept, and written from there. A WebSocket would cost a copy and
// a mask of each byte, and new memory for each 64 KiB.
//
//   open --close, or the peer's end--> what was written goes out --the other end--> closed      any --error--> closed
//
// Invariants: a lane that is paused reads nothing, or once more if it was resumed just before. An end within a piece is
// not in order.

import { Socket } from "node:net"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { encodedLength, writePieceHeader } from "../../protocol/wire/codec.ts"
import { releaseBytes } from "../platform/piece-buffer.ts"
import type { Lane, LaneEvents, PieceMessage } from "./lane.ts"
import { aliveFrame, PieceFrameReader, pieceHead } from "./piece-frame.ts"
import { Silence } from "./silence.ts"

/**
 * The connection under `socket`, which reads into the memory that `room` gives. Node has this for a socket that dials
 * (`onread`) but not for one that was accepted or upgraded, so its handle moves to a socket that is made with it.
 */
const readInto = (socket: Socket, room: () => Uint8Array, came: (bytes: number) => boolean): Socket => {
  const owner = socket as unknown as { _handle: unknown }
  const handle = owner._handle
  invariant(handle !== undefined && handle !== null, "piece lane: the socket is closed")
  owner._handle = null
  const made = new Socket({
    handle,
    pauseOnCreate: true,
    onread: { buffer: room, callback: came }
  } as object)
  // Its listener counts it as closed.
  socket.destroy()
  return made
}

/** Bytes of the first read behind those of the handshake. */
const mostBehindEarly = 64 * 1024

export class PieceLane implements Lane {
  readonly #tcp: Socket
  readonly #reader = new PieceFrameReader()
  readonly #silence: Silence
  #events: Partial<LaneEvents> = {}
  /** Bytes that came with the handshake. */
  #early: Uint8Array
  #isPaused = true
  #isOpen = true
  #isCut = false

  /** Takes over the connection of a `socket` after the upgrade, and what came behind it. */
  constructor(socket: Socket, early: Uint8Array) {
    this.#early = early
    // Node asks for room while it makes the socket, when the bytes of the handshake are not in their place yet. What
    // comes behind them first is copied.
    let behindEarly = early.length > 0 ? new Uint8Array(mostBehindEarly) : undefined
    const tcp = readInto(
      socket,
      () => behindEarly ?? this.#reader.room(),
      (bytes) => {
        const copied = behindEarly
        behindEarly = undefined
        if (copied === undefined) this.#came(bytes)
        else this.#take(copied.subarray(0, bytes))
        return !this.#isPaused
      }
    )
    this.#tcp = tcp
    this.#silence = new Silence(tcp)
    tcp.setNoDelay(true)
    tcp.on("drain", () => this.#events.drained?.())
    tcp.on("error", (error) => {
      this.#isCut = true
      this.#events.failed?.(error.message)
    })
    tcp.once("end", () => {
      this.#isOpen = false
      if (!this.#reader.isBetweenFrames) this.#isCut = true
    })
    tcp.once("close", () => {
      const inOrder = !this.#isCut && !this.#isOpen
      this.#isOpen = false
      this.#events.closed?.(inOrder)
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get bufferedBytes(): number {
    return this.#tcp.writableLength
  }

  listen(events: Partial<LaneEvents>): void {
    this.#events = events
  }

  pause(): void {
    this.#isPaused = true
    this.#tcp.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#early.length > 0) setImmediate(() => this.#takeEarly())
    else this.#tcp.resume()
  }

  /** Bytes on this socket that are no piece: those of the handshake. */
  send(bytes: Uint8Array): void {
    this.#tcp.write(bytes)
  }

  sendPiece(message: PieceMessage, sent: () => void): void {
    const { payload } = message
    invariant(payload instanceof Uint8Array, "transport: a payload is not bytes")
    const tcp = this.#tcp
    tcp.cork()
    tcp.write(
      pieceHead(encodedLength(message) - payload.length, payload.length, (target, offset) =>
        writePieceHeader(target, offset, message)
      )
    )
    tcp.write(payload, (error) => {
      // After an error the kernel may still read the memory.
      if (error !== undefined && error !== null) return
      releaseBytes(payload)
      sent()
    })
    tcp.uncork()
  }

  silence(now: Micros): Micros {
    return this.#silence.at(now, this.#isPaused)
  }

  ping(): void {
    if (this.#isOpen && this.bufferedBytes === 0) this.#tcp.write(aliveFrame)
  }

  close(): void {
    this.#isOpen = false
    this.#tcp.end()
  }

  terminate(): void {
    this.#isCut = true
    this.#tcp.destroy()
  }

  #takeEarly(): void {
    const bytes = this.#early
    this.#early = new Uint8Array(0)
    this.#take(bytes)
    if (!this.#isPaused) this.#tcp.resume()
  }

  /** Copies bytes to their place. */
  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const room = this.#reader.room()
      const part = bytes.subarray(at, at + room.length)
      room.set(part)
      at += part.length
      this.#came(part.length)
    }
  }

  #came(bytes: number): void {
    const came = this.#reader.came(bytes)
    if (came === undefined) return
    if (came.tag === "Frame") this.#events.received?.(came.frame, true)
    else this.#events.broken?.(came.reason)
  }
}
