// Frames that keep Close and Bye behind pieces: their bytes, and that no message is taken for one.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeMessage, encodeMessage } from "./codec.ts"
import { tags } from "./frame-layout.ts"
import { decodeOrderFrame, encodeOrderFrame } from "./order-frame.ts"

describe("an order frame", () => {
  it("carries its number of pieces, wherever it lies in a buffer, and is no message", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.nat(9), (pieces, offset) => {
        const frame = encodeOrderFrame(pieces)
        const buffer = new Uint8Array(offset + frame.length)
        buffer.set(frame, offset)
        expect(decodeOrderFrame(buffer.subarray(offset))).toBe(pieces)
        expect(decodeMessage(frame).tag).toBe("CodecError")
      }),
      {
        examples: [
          [1, 0],
          [2 ** 32 - 1, 3]
        ]
      }
    )
  })

  it("is told from messages, and from frames that are longer or shorter", () => {
    const frame = encodeOrderFrame(7)
    expect(Object.values(tags)).not.toContain(frame[0])
    expect(decodeOrderFrame(encodeMessage({ tag: "Request", channel: 11, piece: 7 }))).toBeUndefined()
    expect(decodeOrderFrame(frame.subarray(0, 4))).toBeUndefined()
    expect(decodeOrderFrame(Uint8Array.of(...frame, 0))).toBeUndefined()
    expect(decodeOrderFrame(Uint8Array.of(tags.Bye, ...frame.subarray(1)))).toBeUndefined()
    expect(decodeOrderFrame(new Uint8Array(0))).toBeUndefined()
  })

  it("is not made for no piece, or for more than it can say", () => {
    expect(() => encodeOrderFrame(0)).toThrow("0 pieces")
    expect(() => encodeOrderFrame(2 ** 32)).toThrow("4294967296 pieces")
  })
})
