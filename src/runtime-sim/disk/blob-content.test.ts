// Whole blobs on a simulated disk: pieces and slices of real bytes, and those of symbols.

import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { makeDigest } from "../../protocol/wire/digest.ts"
import { RealContent, SymbolicContent } from "./blob-content.ts"
import { SymbolicBlob } from "./symbolic-blobs.ts"

const counted = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251)

describe("real content", () => {
  const bytes = counted(1000)
  const parts = [
    bytes.subarray(0, 300),
    bytes.subarray(300, 600),
    bytes.subarray(600, 900),
    bytes.subarray(900)
  ]
  const content = new RealContent(parts, 300, 1000)

  it("slices within a part, over parts, and to the end", () => {
    for (const [start, end] of [
      [0, 300],
      [10, 20],
      [299, 301],
      [250, 950],
      [899, 1000],
      [0, 1000]
    ] as const) {
      expect(content.slice(start, end)).toEqual(bytes.slice(start, end))
    }
  })

  it("gives the same payload at every call, whatever the length of its parts", () => {
    expect(content.piece(3, 300)).toBe(parts[3])
    const last = content.piece(1, 700)
    expect(last).toEqual(bytes.slice(700))
    expect(content.piece(1, 700)).toBe(last)
    expect(content.piece(0, 700)).toEqual(bytes.slice(0, 700))
    expect(RealContent.ofBytes(bytes).piece(2, 400)).toEqual(bytes.slice(800))
  })

  it("hashes by the algorithm that is expected", () => {
    for (const algorithm of ["sha256", "sha512"] as const) {
      const digest = makeDigest(algorithm, createHash(algorithm).update(bytes).digest())
      expect(content.digest(digest)).toBe(digest)
    }
  })
})

describe("symbolic content", () => {
  const blob = new SymbolicBlob({ name: "b", length: 5_000_000, pieceLength: 2_000_000 })
  const content = new SymbolicContent(blob)

  it("has slices of the length asked for, beyond the shared zeros too", () => {
    expect(content.slice(10, 20)).toEqual(new Uint8Array(10))
    expect(content.slice(0, 2_000_000).byteLength).toBe(2_000_000)
    expect(content.slice(0, 1024 * 1024).byteLength).toBe(1024 * 1024)
  })

  it("has the pieces, the length and the digest of its blob", () => {
    expect(content.piece(2)).toBe(blob.payload(2))
    expect(content.piece(2).byteLength).toBe(1_000_000)
    expect(content.length).toBe(5_000_000)
    expect(content.digest()).toBe(blob.digest)
  })
})
