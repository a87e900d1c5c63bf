// Frames of the socket of pieces: what is written is read, however the bytes are cut, and what is no piece is refused
// before memory is taken for it.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { limits } from "../../protocol/limits.ts"
import { decodeMessage, encodedLength, encodeMessage, writePieceHeader } from "../../protocol/wire/codec.ts"
import type { PieceMessage } from "./lane.ts"
import { aliveFrame, type Came, PieceFrameReader, pieceHead } from "./piece-frame.ts"

const frameOf = (message: PieceMessage): Uint8Array => {
  const payload = message.payload as Uint8Array
  const head = pieceHead(encodedLength(message) - payload.length, payload.length, (target, offset) =>
    writePieceHeader(target, offset, message)
  )
  return Buffer.concat([head, payload])
}

/** Reads `bytes` in parts of these lengths, over and over. */
const read = (reader: PieceFrameReader, bytes: Uint8Array, cuts: ReadonlyArray<number>) => {
  const came: Array<NonNullable<Came>> = []
  for (let at = 0, cut = 0; at < bytes.length; cut++) {
    const room = reader.room()
    expect(room.length).toBeGreaterThan(0)
    const part = bytes.subarray(at, at + Math.min(room.length, cuts[cut % cuts.length]!))
    room.set(part)
    at += part.length
    const one = reader.came(part.length)
    if (one !== undefined) came.push(one)
  }
  return came
}

const messages: fc.Arbitrary<PieceMessage> = fc.record({
  tag: fc.constant("Piece" as const),
  channel: fc.nat(65_535),
  piece: fc.nat(limits.maxPieces - 1),
  proof: fc
    .nat(limits.maxProofHashes)
    .chain((hashes) => fc.uint8Array({ minLength: 32 * hashes, maxLength: 32 * hashes })),
  payload: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(70_000).fill(7)))
})

const head = (length: number, ...message: ReadonlyArray<number>): Uint8Array => {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(length)
  bytes.set(message, 4)
  return bytes
}

describe("frames of pieces", () => {
  test("are read as they were written, however they are cut, and signs of life between them are nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(messages), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 }),
        (sent, cuts) => {
          const reader = new PieceFrameReader()
          const bytes = Buffer.concat(sent.map((one) => (one === null ? aliveFrame : frameOf(one))))
          const came = read(reader, bytes, cuts)
          const pieces = sent.filter((one) => one !== null)
          expect(came.map((one) => one.tag === "Frame" && Buffer.from(one.frame))).toEqual(
            pieces.map((one) => Buffer.from(encodeMessage(one)))
          )
          for (const one of came) expect(one.tag === "Frame" && decodeMessage(one.frame).tag).toBe("Piece")
          expect(reader.isBetweenFrames).toBe(true)
        }
      ),
      { numRuns: 50 }
    )
  })

  test("end within a frame as long as one byte is missing", () => {
    const reader = new PieceFrameReader()
    const bytes = frameOf({
      tag: "Piece",
      channel: 1,
      piece: 2,
      proof: new Uint8Array(32),
      payload: new Uint8Array(9)
    })
    for (const byte of bytes.subarray(0, -1)) {
      read(reader, Uint8Array.of(byte), [1])
      expect(reader.isBetweenFrames).toBe(false)
    }
    expect(read(reader, bytes.subarray(-1), [1])).toHaveLength(1)
  })

  test("are refused at their head when no piece can follow, and nothing after it is read", () => {
    const longest = limits.maxPieceLength
    const wrong: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
      [head(7, 5, 0, 1, 0, 0, 0, 1), /message 5/],
      [head(8), /message 0/],
      [head(0, 6), /a Piece of 0 bytes/],
      [head(7, 6), /a Piece of 7 bytes/],
      [head(8 + 31, 6, 0, 0, 0, 0, 0, 0, 1), /a Piece of 39 bytes with a header of 40/],
      [head(longest + 9, 6), /a Piece of/],
      [head(0xffff_ffff, 6), /a Piece of/],
      [head(5000, 6, 0, 0, 0, 0, 0, 0, limits.maxProofHashes + 1), /a header of 680/]
    ]
    const good = frameOf({
      tag: "Piece",
      channel: 1,
      piece: 2,
      proof: new Uint8Array(0),
      payload: new Uint8Array(9)
    })
    for (const [bytes, reason] of wrong) {
      const reader = new PieceFrameReader()
      const came = read(reader, Buffer.concat([good, bytes, good, good]), [100_000])
      expect(came.map(({ tag }) => tag)).toEqual(["Frame", "Broken"])
      expect(came[1]?.tag === "Broken" && came[1].reason).toMatch(reason)
    }
    const reader = new PieceFrameReader()
    expect(read(reader, head(longest + 8, 6), [12])).toEqual([])
    expect(reader.room()).toHaveLength(longest)
  })
})
