// Metainfo: its canonical bytes have one form, and the pieces of a blob have the sizes that its length gives.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../kit/invariant.ts"
import { limits } from "../limits.ts"
import { makeDigest } from "./digest.ts"
import {
  choosePieceLength,
  decodeMetainfo,
  decodeSwarmInfo,
  encodeMetainfo,
  isArrival,
  isOfArrival,
  type Metainfo,
  metainfoBytes,
  pieceCount,
  pieceSize
} from "./metainfo.ts"

const digest = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => makeDigest("sha256", bytes)),
  fc.uint8Array({ minLength: 64, maxLength: 64 }).map((bytes) => makeDigest("sha512", bytes))
)

const metainfo: fc.Arbitrary<Metainfo> = fc
  .tuple(
    digest,
    fc.integer({ min: 1, max: limits.maxPieceLength }),
    fc.integer({ min: 0, max: 12 }),
    fc.nat()
  )
  .chain(([name, pieceLength, pieces, last]) => {
    const length = pieces === 0 ? 0 : (pieces - 1) * pieceLength + 1 + (last % pieceLength)
    return fc.record({
      digest: fc.constant(name),
      length: fc.constant(length),
      pieceLength: fc.constant(pieceLength),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes))
    })
  })

const small: Metainfo = {
  digest: makeDigest("sha256", new Uint8Array(32)),
  length: 10,
  pieceLength: 4,
  root: new Uint8Array(32).fill(5)
}

const refusal = (bytes: Uint8Array): string => {
  const decoded = decodeMetainfo(bytes)
  return "tag" in decoded ? decoded.reason : "accepted"
}

describe("canonical bytes", () => {
  test("survive a round trip", () => {
    fc.assert(
      fc.property(metainfo, (given) => {
        expect(decodeMetainfo(encodeMetainfo(given))).toEqual(given)
        expect(decodeSwarmInfo(encodeMetainfo(given))).toEqual(given)
        expect(isOfArrival(encodeMetainfo(given))).toBe(false)
      })
    )
  })

  test("of an arrival have the key where the root will be, and are no metainfo", () => {
    fc.assert(
      fc.property(metainfo, ({ root, ...blob }) => {
        const arrival = { ...blob, key: root }
        const bytes = encodeMetainfo(arrival)
        const decoded = decodeSwarmInfo(bytes)
        expect(decoded).toEqual(arrival)
        expect([isOfArrival(bytes), "tag" in decoded || isArrival(decoded)]).toEqual([true, true])
        expect(refusal(bytes)).toBe("of a blob that is still arriving")
        expect(bytes.subarray(8)).toEqual(encodeMetainfo({ ...blob, root }).subarray(8))
      })
    )
  })

  test("are laid out as the header says", () => {
    const bytes = encodeMetainfo({
      ...small,
      length: 2 ** 40 + 1,
      pieceLength: 2 ** 24
    })
    expect(new TextDecoder().decode(bytes.subarray(0, 8))).toBe("SHOALMI2")
    expect(bytes[8]).toBe(71)
    expect(new TextDecoder().decode(bytes.subarray(9, 80))).toBe(small.digest)
    expect([...bytes.subarray(80, 92)]).toEqual([0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0])
    expect([...bytes.subarray(92)]).toEqual(new Array(32).fill(5))
    expect(bytes.length).toBe(124)
    expect(metainfoBytes(small.digest.length)).toBe(124)
  })

  test("that are changed, cut or lengthened never throw, and never decode unless they are canonical", () => {
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.integer({ min: 0, max: 4 }),
      put: fc.uint8Array({ maxLength: 4 })
    })
    fc.assert(
      fc.property(metainfo, fc.array(edit, { minLength: 1, maxLength: 3 }), (given, edits) => {
        let bytes = [...encodeMetainfo(given)]
        for (const { at, remove, put } of edits) {
          const index = at % (bytes.length + 1)
          bytes = [...bytes.slice(0, index), ...put, ...bytes.slice(index + remove)]
        }
        const decoded = decodeMetainfo(Uint8Array.from(bytes))
        if ("tag" in decoded) expect(decoded.reason).not.toBe("")
        else expect([...encodeMetainfo(decoded)]).toEqual(bytes)
      }),
      { numRuns: 1000 }
    )
  })

  test("are never read from arbitrary bytes, with or without the magic in front", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (rest, withMagic) => {
        const bytes = withMagic ? [...new TextEncoder().encode("SHOALMI2"), ...rest] : [...rest]
        expect(decodeMetainfo(Uint8Array.from(bytes))).toHaveProperty("tag", "MetainfoInvalid")
      })
    )
  })

  test("have no second spelling of the digest: a byte order mark in front of it is refused", () => {
    const bytes = encodeMetainfo(small)
    const marked = new Uint8Array([...bytes.subarray(0, 8), 74, 0xef, 0xbb, 0xbf, ...bytes.subarray(9)])
    expect(refusal(marked)).toBe("its digest is malformed")
  })

  test("are refused with the reason", () => {
    const bytes = encodeMetainfo(small)
    const changed = (at: number, ...put: readonly number[]): Uint8Array => {
      const copy = bytes.slice()
      copy.set(put, at)
      return copy
    }
    expect(refusal(new Uint8Array(0))).toBe("shorter than its header")
    expect(refusal(bytes.subarray(0, 40))).toBe("it has 40 bytes instead of 124")
    expect(refusal(changed(0, 0))).toContain("magic")
    expect(refusal(changed(9, 0x53))).toBe("its digest is malformed")
    expect(refusal(changed(80, 0xff))).toBe("its length is not a safe integer")
    expect(refusal(changed(88, 0, 0, 0, 0))).toBe("its piece length is zero")
    expect(refusal(changed(88, 1, 0, 0, 1))).toContain("its piece length 16777217 is more than")
    expect(refusal(changed(84, 0xff))).toContain("more than 1048576")
    expect(refusal(new Uint8Array([...bytes, 0]))).toBe("it has 125 bytes instead of 124")
    expect(refusal(changed(7, 0x31))).toBe("not metainfo of version 2: the magic bytes differ")
  })

  test("decoded from a larger buffer do not keep it, or change with it", () => {
    const bytes = encodeMetainfo(small)
    const received = Buffer.concat([Buffer.alloc(100), bytes]).subarray(100)
    const decoded = decodeMetainfo(received)
    if ("tag" in decoded) throw new Error(decoded.reason)
    received.fill(7)
    expect(decoded.root).toEqual(small.root)
    expect(decoded.root.buffer.byteLength).toBe(32)
  })

  test("are not made from a root of another length", () => {
    expect(() => encodeMetainfo({ ...small, root: new Uint8Array(31) })).toThrow(InvariantViolation)
  })
})

describe("a blob", () => {
  test("has the smallest power of two >= length/2048 as piece length, within the limits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 44 }), (length) => {
        const powers = Array.from({ length: 45 }, (_, exponent) => 2 ** exponent)
        const wanted = powers.find((power) => power >= length / 2048)!
        const clamped = Math.min(Math.max(wanted, limits.minPieceLength), limits.maxPieceLength)
        expect(choosePieceLength(length)).toBe(clamped)
      })
    )
    expect(choosePieceLength(0)).toBe(256 * 1024)
    expect(choosePieceLength(512 * 1024 * 1024)).toBe(256 * 1024)
    expect(choosePieceLength(512 * 1024 * 1024 + 1)).toBe(512 * 1024)
    expect(choosePieceLength(2 ** 40)).toBe(16 * 1024 * 1024)
  })

  test("has pieces whose sizes add up to its length, all but the last of the piece length", () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 100, max: 9000 }), (length, pieceLength) => {
        const blob = { length, pieceLength }
        const sizes = Array.from({ length: pieceCount(blob) }, (_, piece) => pieceSize(blob, piece))
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(length)
        for (const size of sizes.slice(0, -1)) expect(size).toBe(pieceLength)
        for (const size of sizes) expect(size).toBeGreaterThan(0)
      })
    )
  })
})
