// Verified hashes: a host knows exactly what proofs have taught it, from a peer, from a whole layer, or from what it
// wrote down itself.

import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Bitfield } from "../kit/bitfield.ts"
import { InvariantViolation } from "../kit/invariant.ts"
import {
  hashBytes,
  levelsAbove,
  missingLeaf,
  pieceLevels,
  proofIn,
  rootOfLayer,
  unclesMissing
} from "./hash-tree.ts"
import { VerifiedHashes } from "./verified-hashes.ts"

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest())
const KiB = 1024

const hashAt = (hashes: Uint8Array, index: number): Uint8Array =>
  hashes.subarray(index * hashBytes, (index + 1) * hashBytes)

/** Made-up hashes of `count` pieces. */
const madeUp = (count: number): Uint8Array =>
  new Uint8Array(Buffer.concat(Array.from({ length: count }, (_, index) => sha256(Buffer.from([index, 7])))))

describe("verified hashes", () => {
  const pieceLength = 32 * KiB
  const treeOf = (count: number) => {
    const shape = { length: count * pieceLength - 5, pieceLength }
    const layer = madeUp(count)
    const root = rootOfLayer(shape, layer, sha256)
    const proof = (piece: number) => proofIn(layer, levelsAbove(count), pieceLevels(shape), piece, sha256)
    return { shape, layer, root, proof, empty: () => new VerifiedHashes(shape, root, sha256) }
  }
  const order = fc
    .integer({ min: 1, max: 40 })
    .chain((count) =>
      fc.tuple(fc.constant(count), fc.shuffledSubarray(Array.from({ length: count }, (_, piece) => piece)))
    )

  test("grow by proofs cut to what the verified pieces do not vouch for, and serve whole proofs", () => {
    fc.assert(
      fc.property(order, ([count, pieces]) => {
        const { layer, proof, empty } = treeOf(count)
        const hashes = empty()
        const have = new Bitfield(count)
        for (const piece of pieces) {
          const missing = unclesMissing(have, piece) * hashBytes
          const short = proof(piece).subarray(0, Math.max(0, missing - hashBytes))
          const wasKnown = hashes.knows(piece)
          if (missing > 0 && !wasKnown) expect(hashes.learn(piece, hashAt(layer, piece), short)).toBe(false)
          expect(hashes.learn(piece, hashAt(layer, piece), proof(piece).subarray(0, missing))).toBe(true)
          have.set(piece)
          for (const one of pieces) if (have.has(one)) expect(hashes.proofOf(one)).toEqual(proof(one))
          expect(hashes.hashOf(piece)).toEqual(hashAt(layer, piece))
        }
        expect(hashes.layer).toEqual(pieces.length === count ? layer : hashes.layer)
      })
    )
  })

  test("need every uncle that the verified pieces do not vouch for", () => {
    fc.assert(
      fc.property(order, fc.nat(), ([count, pieces], which) => {
        const { layer, proof, empty } = treeOf(count)
        const hashes = empty()
        const have = new Bitfield(count)
        for (const piece of pieces) {
          hashes.learn(piece, hashAt(layer, piece), proof(piece))
          have.set(piece)
        }
        const piece = which % count
        const enough = unclesMissing(have, piece)
        expect(enough).toBeLessThanOrEqual(levelsAbove(count))
        expect(hashes.learn(piece, hashAt(layer, piece), proof(piece).subarray(0, enough * hashBytes))).toBe(
          true
        )
      })
    )
  })

  test("learn nothing from a wrong hash or a wrong proof", () => {
    fc.assert(
      fc.property(order, fc.nat(), fc.nat(), fc.nat(), ([count, pieces], which, at, flip) => {
        const { layer, proof, empty } = treeOf(count)
        const hashes = empty()
        for (const piece of pieces) hashes.learn(piece, hashAt(layer, piece), proof(piece))
        const piece = which % count
        const known = Array.from({ length: count }, (_, index) => hashes.knows(index))
        const wrong = hashAt(layer, piece).slice()
        wrong[flip % hashBytes]! ^= 1 << (flip % 8)
        expect(hashes.learn(piece, wrong, proof(piece))).toBe(false)
        if (!known[piece]) {
          const lying = proof(piece)
          lying[at % (unclesMissing(new Bitfield(count), piece) * hashBytes)]! ^= 1
          const isCaught = !hashes.learn(piece, hashAt(layer, piece), lying)
          // A lie beyond the known ancestor is not looked at.
          if (!isCaught) expect(hashes.proofOf(piece)).toEqual(proof(piece))
        }
        for (let index = 0; index < count; index++) {
          if (hashes.knows(index)) expect(hashes.hashOf(index)).toEqual(hashAt(layer, index))
        }
      })
    )
  })

  test("take a whole layer only if it leads to the root", () => {
    fc.assert(
      fc.property(order, fc.nat(), ([count, pieces], at) => {
        const { layer, proof, empty } = treeOf(count)
        const hashes = empty()
        for (const piece of pieces) hashes.learn(piece, hashAt(layer, piece), proof(piece))
        const wrong = layer.slice()
        wrong[at % wrong.length]! ^= 1
        expect(hashes.learnLayer(wrong)).toBe(false)
        expect(hashes.learnLayer(layer.subarray(1))).toBe(false)
        expect(hashes.layer === undefined).toBe(
          Array.from({ length: count }, (_, index) => hashes.knows(index)).includes(false)
        )
        expect(hashes.learnLayer(layer)).toBe(true)
        expect(hashes.layer).toEqual(layer)
        expect(hashes.proofOf(count - 1)).toEqual(proof(count - 1))
      })
    )
  })

  test("outlive a restart as far as what was written down leads to the root", () => {
    fc.assert(
      fc.property(order, fc.nat(), fc.boolean(), ([count, pieces], at, isTorn) => {
        const { layer, proof, empty } = treeOf(count)
        const before = empty()
        for (const piece of pieces) before.learn(piece, hashAt(layer, piece), proof(piece))
        const bytes = before.toBytes()
        if (isTorn && bytes.length > 0) bytes[at % bytes.length]! ^= 1
        const after = empty()
        after.restore(bytes)
        for (let piece = 0; piece < count; piece++) {
          if (!isTorn) expect(after.knows(piece)).toBe(before.knows(piece))
          if (!after.knows(piece)) continue
          expect(after.hashOf(piece)).toEqual(hashAt(layer, piece))
          expect(after.proofOf(piece)).toEqual(proof(piece))
        }
        after.restore(bytes.subarray(1))
      })
    )
  })

  test("of a piece that is not known are not given out", () => {
    const { empty } = treeOf(2)
    expect(() => empty().hashOf(0)).toThrow(InvariantViolation)
    expect(() => empty().proofOf(1)).toThrow(InvariantViolation)
    expect(empty().learn(2, missingLeaf, new Uint8Array(32))).toBe(false)
    expect(empty().learn(-1, missingLeaf, new Uint8Array(32))).toBe(false)
  })

  test("of a long blob need no more uncles than its tree is high", () => {
    const have = new Bitfield(1000)
    expect(unclesMissing(have, 999)).toBe(10)
    have.set(0)
    expect([0, 1, 2, 3, 4, 40, 511, 512, 999].map((piece) => unclesMissing(have, piece))).toEqual([
      0, 0, 1, 1, 2, 5, 8, 9, 9
    ])
  })
})
