// Bytes of the socket of pieces: Piece messages one after another, each behind its length. They are read into the
// memory that keeps the piece, so that its bytes are copied once, by the kernel.
//
//   u32 length | Piece message of that many bytes (protocol/wire/codec.ts)
//   twelve zero bytes: nothing, but the sender lives
//
//   head (12 bytes) --a Piece--> rest --complete--> head        head --zeros--> head        any --no Piece--> broken
//
// Invariants: what a head promises is within the limits before memory is taken for it, and a page of it is used only
// when its bytes have come. room() is never empty. After a break nothing is kept. It does not know sockets.

import { limits } from "../../protocol/limits.ts"
import { maxPieceHeaderBytes, pieceHeaderBytes } from "../../protocol/wire/codec.ts"
import { tags } from "../../protocol/wire/frame-layout.ts"
import { hashBytes } from "../../protocol/wire/hash-tree.ts"
import { takeFrame } from "../platform/piece-buffer.ts"

const lengthBytes = 4
const headBytes = lengthBytes + pieceHeaderBytes
const ignoredBytes = 64 * 1024

/** Says that the sender lives. */
export const aliveFrame: Uint8Array = new Uint8Array(headBytes)

/** What goes in front of a payload: `writeHeader` writes the `header` bytes of the message at an offset. */
export const pieceHead = (
  header: number,
  payload: number,
  writeHeader: (target: Uint8Array, offset: number) => void
): Uint8Array => {
  const head = Buffer.allocUnsafe(lengthBytes + header)
  head.writeUInt32BE(header + payload)
  writeHeader(head, lengthBytes)
  return head
}

/** A piece that is complete, or why the bytes are none; undefined while more must come. */
export type Came =
  | { readonly tag: "Frame"; readonly frame: Uint8Array }
  | { readonly tag: "Broken"; readonly reason: string }
  | undefined

export class PieceFrameReader {
  readonly #head = Buffer.alloc(headBytes)
  /** The message that comes, without its length; undefined while its head comes. */
  #frame: Uint8Array | undefined
  /** Bytes that are here, of the head or of the message. */
  #filled = 0
  /** Takes what comes after a break and is not looked at. */
  #ignored: Uint8Array | undefined

  /** Where the next bytes belong. */
  room(): Uint8Array {
    return this.#ignored ?? (this.#frame ?? this.#head).subarray(this.#filled)
  }

  /** Whether the bytes so far are whole messages. */
  get isBetweenFrames(): boolean {
    return this.#frame === undefined && this.#filled === 0
  }

  /** So many bytes are in the room. */
  came(bytes: number): Came {
    if (this.#ignored !== undefined) return undefined
    this.#filled += bytes
    if (this.#frame === undefined && this.#filled === headBytes) {
      const reason = this.#takeHead()
      if (reason !== undefined) {
        this.#ignored = new Uint8Array(ignoredBytes)
        return { tag: "Broken", reason }
      }
    }
    const frame = this.#frame
    if (frame === undefined || this.#filled < frame.length) return undefined
    this.#frame = undefined
    this.#filled = 0
    return { tag: "Frame", frame }
  }

  /** Looks at a whole head. Returns why no piece can follow. */
  #takeHead(): string | undefined {
    const length = this.#head.readUInt32BE(0)
    const message = this.#head.subarray(lengthBytes)
    if (length === 0 && message.every((byte) => byte === 0)) {
      this.#filled = 0
      return undefined
    }
    if (message[0] !== tags.Piece) return `message ${message[0]} on the socket of pieces`
    const header = pieceHeaderBytes + message[pieceHeaderBytes - 1]! * hashBytes
    const payload = length - header
    if (header > maxPieceHeaderBytes || payload < 0 || payload > limits.maxPieceLength) {
      return `a Piece of ${length} bytes with a header of ${header}`
    }
    this.#frame = takeFrame(payload).subarray(0, length)
    this.#frame.set(message)
    this.#filled = pieceHeaderBytes
    return undefined
  }
}
