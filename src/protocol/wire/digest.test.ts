// Digest: it has one spelling; bytes and hex convert into each other.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../kit/invariant.ts"
import { digestAlgorithm, digestEncoded, fromHex, makeDigest, parseDigest, toHex } from "./digest.ts"

const algorithm = fc.constantFrom("sha256" as const, "sha512" as const)
const bytesFor = { sha256: 32, sha512: 64 }
const hashed = algorithm.chain((name) =>
  fc.record({
    name: fc.constant(name),
    bytes: fc.uint8Array({ minLength: bytesFor[name], maxLength: bytesFor[name] })
  })
)

describe("a digest", () => {
  test("made from a hash parses, and has its algorithm and its hex", () => {
    fc.assert(
      fc.property(hashed, ({ name, bytes }) => {
        const digest = makeDigest(name, bytes)
        expect(parseDigest(digest)).toBe(digest)
        expect(digestAlgorithm(digest)).toBe(name)
        expect(digestEncoded(digest)).toBe(toHex(bytes))
        expect([...fromHex(digestEncoded(digest))]).toEqual([...bytes])
      })
    )
  })

  test("is never read from other text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(parseDigest(text)).toBeUndefined()
      })
    )
  })

  test("is made invalid by any single change of its text, unless to another hex digit", () => {
    fc.assert(
      fc.property(hashed, fc.nat(), fc.string({ minLength: 0, maxLength: 2 }), ({ name, bytes }, at, put) => {
        const digest = makeDigest(name, bytes)
        const index = at % digest.length
        const text = digest.slice(0, index) + put + digest.slice(index + 1)
        const stillHex = index > 6 && /^[0-9a-f]$/.test(put)
        expect(parseDigest(text)).toBe(stillHex || text === digest ? text : undefined)
      })
    )
  })

  test("is lower case, complete, of a known algorithm, with nothing around it", () => {
    const hex = "ab".repeat(32)
    expect(parseDigest(`sha256:${hex}`)).toBeDefined()
    for (const text of [
      "",
      ":",
      "sha256",
      "sha256:",
      `sha256${hex}`,
      `sha256:${hex.toUpperCase()}`,
      `SHA256:${hex}`,
      `sha256:${hex}\n`,
      ` sha256:${hex}`,
      `sha256:${hex}${hex}`,
      `sha512:${hex}`,
      `sha384:${"ab".repeat(48)}`,
      `md5:${"ab".repeat(16)}`,
      `sha256:${hex.slice(2)}zz`,
      `sha256:sha256:${hex}`
    ]) {
      expect(parseDigest(text)).toBeUndefined()
    }
  })

  test("is not made from a hash of another length", () => {
    expect(() => makeDigest("sha256", new Uint8Array(31))).toThrow(InvariantViolation)
    expect(() => makeDigest("sha512", new Uint8Array(32))).toThrow(InvariantViolation)
  })
})

test("hex and bytes convert into each other", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expect([...fromHex(toHex(bytes))]).toEqual([...bytes])
    })
  )
  expect(toHex(new Uint8Array([0, 1, 16, 255]))).toBe("000110ff")
})
