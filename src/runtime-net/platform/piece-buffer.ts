// Decides how a piece is read from disk so that it can be sent without a copy: its bytes have room in front of them
// for the header of the Piece message. Only a payload made here has such room; the room is lent once, because two
// frames of one payload may be on their way at the same time.

import { pieceHeaderBytes } from "../../protocol/wire/codec.ts"

const frames = new WeakMap<Uint8Array, Uint8Array>()

/** An uninitialised payload of `length` bytes with room in front. */
export const pieceBuffer = (length: number): Uint8Array => {
  const frame = new Uint8Array(Buffer.allocUnsafeSlow(pieceHeaderBytes + length).buffer)
  const payload = frame.subarray(pieceHeaderBytes)
  frames.set(payload, frame)
  return payload
}

/** The payload with the room in front of it, the first time it is asked for; undefined for any other bytes. */
export const takeFrame = (payload: Uint8Array): Uint8Array | undefined => {
  const frame = frames.get(payload)
  if (frame !== undefined) frames.delete(payload)
  return frame
}
