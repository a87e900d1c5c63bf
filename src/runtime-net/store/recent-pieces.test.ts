// The pieces that a store keeps in memory: which, how many, for how long, and that nobody writes into them.

import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { releaseBytes, takePayload } from "../platform/piece-buffer.ts"
import { storeLimits } from "./limits.ts"
import { makeRecentPieces } from "./recent-pieces.ts"

const KiB = 1024
const piece = (): Uint8Array => takePayload(64 * KiB)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
})
afterEach(() => {
  vi.advanceTimersByTime(60_000)
  vi.useRealTimers()
})

const recentOf = (pieces: number) =>
  makeRecentPieces({ ...storeLimits, maxRecentBytes: pieces * 64 * KiB, recentPiecesKept: 5_000_000 })

test("the newest pieces are kept, of all files together, the oldest goes first", () => {
  const recent = recentOf(2)
  const [one, other] = [recent.ofFile(), recent.ofFile()]
  const [first, second, third] = [piece(), piece(), piece()]
  one.keep(7, first)
  one.keep(7, second)
  other.keep(7, second)
  expect([one.take(7), other.take(7), one.take(8)]).toEqual([first, second, undefined])
  other.keep(8, third)
  expect([one.take(7), other.take(7) === second, other.take(8) === third]).toEqual([undefined, true, true])
  other.keep(9, new Uint8Array(2 * 64 * KiB + 1))
  expect(other.take(9)).toBeUndefined()
})

test("nobody is given the memory of a kept piece, and it is free when the piece goes", () => {
  const recent = recentOf(1).ofFile()
  const kept = piece()
  recent.keep(1, kept)
  releaseBytes(kept)
  expect(piece().buffer).not.toBe(kept.buffer)
  const taken = recent.take(1)
  recent.keep(2, piece())
  expect(piece().buffer).not.toBe(kept.buffer)
  releaseBytes(taken!)
  expect(piece().buffer).toBe(kept.buffer)
})

test("all are forgotten when no piece comes for a while", () => {
  const recent = recentOf(2).ofFile()
  recent.keep(1, piece())
  vi.advanceTimersByTime(4000)
  recent.keep(2, piece())
  vi.advanceTimersByTime(5000)
  expect(recent.take(1)).toBeDefined()
  vi.advanceTimersByTime(1000)
  expect([recent.take(1), recent.take(2)]).toEqual([undefined, undefined])
})
