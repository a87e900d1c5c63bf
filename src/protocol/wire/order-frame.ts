// Frame that keeps Close and Bye behind the Pieces that were sent before them, where Pieces have a socket of their own.
// It goes directly before the Close or Bye and says how many Pieces the sender has sent on this connection. The
// receiver reads no further message until it has that many.
//
//   order   u8 tag = 11, u32 pieces (big endian)
//
// It is no message: the machines of the protocol never see it.

import { invariant } from "../kit/invariant.ts"

/** The next number after those of the messages (frame-layout.ts). */
const tag = 11
const bytes = 1 + 4

/** @param pieces Number of Pieces that were sent before: at least 1, below 2^32. */
export const encodeOrderFrame = (pieces: number): Uint8Array => {
  invariant(pieces > 0 && pieces < 2 ** 32, `order frame: ${pieces} pieces`)
  const frame = new Uint8Array(bytes)
  frame[0] = tag
  new DataView(frame.buffer).setUint32(1, pieces)
  return frame
}

/** The number of Pieces; undefined for any other frame. */
export const decodeOrderFrame = (frame: Uint8Array): number | undefined =>
  frame.length === bytes && frame[0] === tag
    ? new DataView(frame.buffer, frame.byteOffset).getUint32(1)
    : undefined
