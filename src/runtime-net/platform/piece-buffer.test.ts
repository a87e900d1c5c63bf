// Memory of pieces: who holds it, when it is used again, and how much of it is kept.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { maxPieceHeaderBytes } from "../../protocol/wire/codec.ts"

const MiB = 1024 * 1024

/** Memory that no other test of this process has used. */
let memory: typeof import("./piece-buffer.ts")
beforeEach(async () => {
  vi.resetModules()
  memory = await import("./piece-buffer.ts")
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe("memory of pieces", () => {
  test("is used again when its last holder has released it", () => {
    const { holdBytes, releaseBytes, takePayload } = memory
    const first = takePayload(MiB)
    holdBytes(first)
    releaseBytes(first.subarray(9, 20))
    const second = takePayload(MiB)
    expect(second.buffer).not.toBe(first.buffer)
    releaseBytes(first)
    expect(takePayload(MiB).buffer).toBe(first.buffer)
    expect(() => {
      releaseBytes(second)
      releaseBytes(second)
    }).toThrow("released more often than held")
  })

  test("fits a header, the longest proof and a piece of any length up to the next power of two", () => {
    const { releaseBytes, takeFrame, takePayload } = memory
    const frame = takeFrame(MiB)
    expect(frame.length).toBe(maxPieceHeaderBytes + MiB)
    releaseBytes(frame)
    const short = takePayload(MiB - 7)
    expect([short.length, short.buffer === frame.buffer]).toEqual([MiB - 7, true])
    releaseBytes(short)
    expect(takePayload(MiB / 2).buffer).not.toBe(frame.buffer)
  })

  test("of the ends of blobs, and bytes from elsewhere, are held and released without effect", () => {
    const { holdBytes, releaseBytes, takePayload } = memory
    for (const bytes of [takePayload(100), new Uint8Array(MiB)]) {
      releaseBytes(bytes)
      releaseBytes(bytes)
      holdBytes(bytes)
      expect(takePayload(bytes.length).buffer).not.toBe(bytes.buffer)
    }
  })

  test("is kept up to a limit", () => {
    const { pieceMemory, releaseBytes, takePayload } = memory
    const most = pieceMemory.maxFree / MiB
    const taken = Array.from({ length: most + 3 }, () => takePayload(MiB))
    for (const bytes of taken) releaseBytes(bytes)
    const again = new Set(Array.from({ length: most + 3 }, () => takePayload(MiB).buffer))
    expect(taken.filter(({ buffer }) => again.has(buffer))).toHaveLength(most)
  })

  test("is given back when nobody takes any", () => {
    const { pieceMemory, releaseBytes, takePayload } = memory
    const keptFor = pieceMemory.keptFor / 1000
    const first = takePayload(MiB)
    releaseBytes(first)
    vi.advanceTimersByTime(keptFor)
    const again = takePayload(MiB)
    expect(again.buffer).toBe(first.buffer)
    releaseBytes(again)
    vi.advanceTimersByTime(keptFor)
    vi.advanceTimersByTime(keptFor)
    expect(takePayload(MiB).buffer).not.toBe(first.buffer)
  })
})
