// Vouched hashes: a host knows exactly the hashes that the key of the arrival has signed, each for its own piece.

import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../kit/invariant.ts"
import { type CheckSignature, VouchedHashes, vouchedText } from "./vouched-hashes.ts"

/** A signature that only the test can make: the hash of key and text. */
const signed = (key: Uint8Array, text: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha512").update(key).update(text).digest())
/** It looks at no more bytes than it needs. */
const check: CheckSignature = (key, text, signature) =>
  signed(key, text).every((byte, index) => byte === signature[index])

const key = new Uint8Array(32).fill(1)
const hashOf = (piece: number): Uint8Array => new Uint8Array(32).fill(piece + 10)
const proofOf = (piece: number): Uint8Array => signed(key, vouchedText(piece, hashOf(piece)))
const empty = (pieces: number) =>
  new VouchedHashes({ length: pieces * 100 - 5, pieceLength: 100 }, key, check)

const order = fc
  .integer({ min: 1, max: 40 })
  .chain((count) =>
    fc.tuple(fc.constant(count), fc.shuffledSubarray(Array.from({ length: count }, (_, piece) => piece)))
  )

describe("vouched hashes", () => {
  test("grow by signatures in any order, and serve them again", () => {
    fc.assert(
      fc.property(order, ([count, pieces]) => {
        const hashes = empty(count)
        for (const [index, piece] of pieces.entries()) {
          expect(hashes.knows(piece)).toBe(false)
          expect(hashes.layer).toBeUndefined()
          expect(hashes.learn(piece, hashOf(piece), proofOf(piece))).toBe(true)
          for (const one of pieces.slice(0, index + 1)) expect(hashes.proofOf(one)).toEqual(proofOf(one))
        }
        const layer = Array.from({ length: count }, (_, piece) => [...hashOf(piece)]).flat()
        expect([...(hashes.layer ?? [])]).toEqual(pieces.length === count ? layer : [])
      })
    )
  })

  test("learn nothing from what the key did not sign for this piece, and change nothing then", () => {
    const other = new Uint8Array(32).fill(2)
    const flipped = proofOf(1)
    flipped[63]! ^= 1
    for (const [piece, hash, proof] of [
      [1, hashOf(1), flipped],
      [1, hashOf(2), proofOf(1)],
      [2, hashOf(1), proofOf(1)],
      [1, hashOf(1), proofOf(1).subarray(0, 32)],
      [1, hashOf(1), new Uint8Array(0)],
      [1, hashOf(1), new Uint8Array([...proofOf(1), 0])],
      [1, hashOf(1), signed(other, vouchedText(1, hashOf(1)))],
      [3, hashOf(3), proofOf(3)],
      [-1, hashOf(-1), proofOf(-1)]
    ] as const) {
      const hashes = empty(3)
      expect(hashes.learn(piece, hash, proof)).toBe(false)
      expect([0, 1, 2].map((one) => hashes.knows(one))).toEqual([false, false, false])
    }
  })

  test("know a piece once: another hash of it is wrong, whoever signed it", () => {
    const hashes = empty(3)
    expect(hashes.learn(1, hashOf(1), proofOf(1))).toBe(true)
    expect(hashes.learn(1, hashOf(1), new Uint8Array(0))).toBe(true)
    const later = signed(key, vouchedText(1, hashOf(7)))
    expect(hashes.learn(1, hashOf(7), later)).toBe(false)
    expect(hashes.proofOf(1)).toEqual(proofOf(1))
  })

  test("keep no frame of which a signature is a part", () => {
    const frame = Buffer.from(new ArrayBuffer(200))
    frame.set(proofOf(0), 100)
    const hashes = empty(1)
    expect(hashes.learn(0, hashOf(0), frame.subarray(100, 164))).toBe(true)
    frame.fill(0)
    expect(hashes.proofOf(0)).toEqual(proofOf(0))
  })

  test("prove no piece that they do not know", () => {
    expect(() => empty(2).proofOf(0)).toThrow(InvariantViolation)
  })
})
