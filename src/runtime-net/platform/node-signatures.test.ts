// Signatures by a new key hold for their text alone; nothing that a peer sends as key or signature throws.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { checkSignature, makeSigner } from "./node-signatures.ts"

describe("a signer", () => {
  it("signs so that everyone with the key can check it, and for no other text or key", () => {
    const signer = makeSigner()
    const other = makeSigner()
    expect([signer.key.length, Buffer.compare(signer.key, other.key) === 0]).toEqual([32, false])
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(511), (text, bit) => {
        const signature = signer.sign(text)
        expect(signature.length).toBe(64)
        expect(checkSignature(signer.key, text, signature)).toBe(true)
        expect(checkSignature(other.key, text, signature)).toBe(false)
        expect(checkSignature(signer.key, new Uint8Array([...text, 0]), signature)).toBe(false)
        const flipped = signature.slice()
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        expect(checkSignature(signer.key, text, flipped)).toBe(false)
      }),
      { numRuns: 20 }
    )
  })

  it("holds nothing for signed that has another length or is no key", () => {
    const { key, sign } = makeSigner()
    const text = new Uint8Array(3)
    expect(checkSignature(key, text, sign(text).subarray(0, 63))).toBe(false)
    expect(checkSignature(key, text, new Uint8Array(0))).toBe(false)
    expect(checkSignature(key.subarray(1), text, sign(text))).toBe(false)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(checkSignature(bytes, text, sign(text))).toBe(false)
      }),
      { numRuns: 50 }
    )
  })
})
