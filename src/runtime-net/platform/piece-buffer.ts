// Buffers of pieces that can be sent without a copy: each has room in front of its bytes for the header of the Piece
// message with the longest proof. Only a payload that is made here has such room. The room is lent once, because two
// frames of one payload may be in flight at the same time.

import { maxPieceHeaderBytes } from "../../protocol/wire/codec.ts"

const frames = new WeakMap<Uint8Array, Uint8Array>()

/** An uninitialised payload of `length` bytes with room in front. */
export const pieceBuffer = (length: number): Uint8Array => {
  const frame = new Uint8Array(Buffer.allocUnsafeSlow(maxPieceHeaderBytes + length).buffer)
  const payload = frame.subarray(maxPieceHeaderBytes)
  frames.set(payload, frame)
  return payload
}

/** The payload with the room in front of it, at the first call; undefined at later calls and for any other bytes. */
export const takeFrame = (payload: Uint8Array): Uint8Array | undefined => {
  const frame = frames.get(payload)
  if (frame !== undefined) frames.delete(payload)
  return frame
}
