// Tests of the bytes of large blobs: the receiver accepts what the sender sends, however it is cut, and nothing else.

import { createHash } from "node:crypto"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { blockLength, bulkDigest, makeBulkBlock, makeBulkCheck } from "./bulk-content.ts"

const seed = "test"
const length = 3 * blockLength + 5

const wholeBlob = (): Buffer => {
  const block = makeBulkBlock(seed)
  return Buffer.concat([0, 1, 2, 3].map((number) => Buffer.from(block.become(number)))).subarray(0, length)
}

test("the digest is that of the bytes", () => {
  const expected = createHash("sha256").update(wholeBlob()).digest("hex")
  expect(bulkDigest(seed, length)).toBe(`sha256:${expected}`)
})

test("the receiver accepts the bytes, however they are cut", () => {
  const blob = wholeBlob()
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: length - 1 }), { maxLength: 8 }), (cuts) => {
      const check = makeBulkCheck(seed)
      const edges = [0, ...cuts.sort((left, right) => left - right), length]
      for (let part = 1; part < edges.length; part++) {
        expect(check.next(blob.subarray(edges[part - 1], edges[part]))).toBe(true)
      }
      expect(check.received()).toBe(length)
    }),
    { numRuns: 20 }
  )
})

test("the receiver refuses a wrong byte anywhere, and blocks in another order", () => {
  const blob = wholeBlob()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: length - 1 }), (at) => {
      const wrong = Buffer.from(blob)
      wrong[at]! ^= 1
      expect(makeBulkCheck(seed).next(wrong)).toBe(false)
    }),
    { numRuns: 20, examples: [[0], [length - 1], [blockLength]] }
  )
  expect(makeBulkCheck(seed).next(blob.subarray(blockLength))).toBe(false)
})
