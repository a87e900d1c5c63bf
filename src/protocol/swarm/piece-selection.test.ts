// Piece selection against its rules, written plainly over sets; ties are broken fairly.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Bitfield } from "../kit/bitfield.ts"
import type { RandomSource } from "../kit/random-source.ts"
import { type PieceChoice, pieceChoices, selectPiece } from "./piece-selection.ts"

const seeded = (seed: number): RandomSource => {
  let state = seed >>> 0
  return {
    nextInt: (bound) => {
      state = (state + 0x9e3779b9) >>> 0
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
      return ((mixed ^ (mixed >>> 15)) >>> 0) % bound
    }
  }
}

const fieldOf = (length: number, pieces: Iterable<number>): Bitfield => {
  const field = new Bitfield(length)
  for (const piece of pieces) field.set(piece)
  return field
}

interface Scene {
  readonly length: number
  readonly missing: readonly number[]
  readonly requested: readonly number[]
  readonly theirs: readonly number[]
  readonly availability: readonly number[]
  readonly readers: readonly { readonly firstPiece: number; readonly endPiece: number }[]
  readonly suggested: readonly number[]
  readonly choice?: PieceChoice | undefined
  readonly windowWords?: number | undefined
}

const scene: fc.Arbitrary<Scene> = fc.integer({ min: 1, max: 140 }).chain((length) => {
  const piece = fc.integer({ min: 0, max: length - 1 })
  const some = fc.uniqueArray(piece, { maxLength: length, size: "max" })
  return fc.record({
    length: fc.constant(length),
    missing: some,
    requested: fc.uniqueArray(piece, { maxLength: 20 }),
    theirs: some,
    availability: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: length, maxLength: length }),
    readers: fc.array(
      fc
        .tuple(piece, fc.integer({ min: 0, max: 40 }))
        .map(([firstPiece, size]) => ({ firstPiece, endPiece: Math.min(length, firstPiece + size) })),
      { maxLength: 3 }
    ),
    suggested: fc.array(fc.integer({ min: -1, max: length + 40 }), { maxLength: 5 }),
    choice: fc.constantFrom(undefined, ...pieceChoices),
    windowWords: fc.constantFrom(undefined, 1, 2, 3)
  })
})

const select = (given: Scene, random: RandomSource): number =>
  selectPiece(
    {
      missing: fieldOf(given.length, given.missing).words,
      requested: fieldOf(given.length, given.requested).words,
      theirs: fieldOf(given.length, given.theirs),
      availability: Uint16Array.from(given.availability),
      readers: given.readers,
      suggested: given.suggested,
      choice: given.choice,
      windowWords: given.windowWords
    },
    random
  )

const wordOf = (piece: number): number => piece >>> 5

/** The wanted pieces in the window from the first missing one, or in the first word beyond it. */
const inWindow = (given: Scene, wanted: readonly number[]): readonly number[] => {
  const first = Math.min(...given.missing.map(wordOf))
  const window = wanted.filter((piece) => wordOf(piece) < first + (given.windowWords ?? 2))
  const next = Math.min(...wanted.map(wordOf))
  return window.length > 0 ? window : wanted.filter((piece) => wordOf(piece) === next)
}

/** The pieces that the rules allow, written plainly; empty when nothing is wanted. */
const allowed = (given: Scene): readonly number[] => {
  const requested = new Set(given.requested)
  const theirs = new Set(given.theirs)
  const wanted = given.missing.filter((piece) => theirs.has(piece) && !requested.has(piece))
  const inReach = given.readers.flatMap(({ firstPiece, endPiece }) =>
    wanted
      .filter((piece) => piece >= firstPiece && piece < endPiece)
      .map((piece) => ({ piece, distance: piece - firstPiece }))
  )
  if (inReach.length > 0) {
    const nearest = Math.min(...inReach.map(({ distance }) => distance))
    return inReach.filter(({ distance }) => distance === nearest).map(({ piece }) => piece)
  }
  const suggestion = given.suggested.find((piece) => wanted.includes(piece))
  if (suggestion !== undefined) return [suggestion]
  if (given.choice === "random") return wanted
  if (given.choice === "in-order") return wanted.filter((piece) => piece === Math.min(...wanted))
  const eligible = given.choice === "windowed" ? inWindow(given, wanted) : wanted
  const rarest = Math.min(...eligible.map((piece) => given.availability[piece]!))
  return eligible.filter((piece) => given.availability[piece] === rarest)
}

const everything = (length: number): Scene => {
  const all = Array.from({ length }, (_, piece) => piece)
  return {
    length,
    missing: all,
    requested: [],
    theirs: all,
    availability: all.map(() => 1),
    readers: [],
    suggested: []
  }
}

describe("the next piece", () => {
  test("of a window is near its front, however little is missing in between", () => {
    const availability = Array.from({ length: 128 }, (_, piece) => (piece === 0 ? 4 : 1))
    const given = { ...everything(128), missing: [0, 70, 100], availability, choice: "windowed" as const }
    expect(select({ ...given, windowWords: 2 }, seeded(1))).toBe(0)
    expect([70, 100]).toContain(select({ ...given, windowWords: 4 }, seeded(1)))
  })

  test("of a window is in its words from the first that misses a piece, two when none are named", () => {
    const availability = Array.from({ length: 160 }, (_, piece) => 5 - wordOf(piece))
    const given = { ...everything(160), availability, choice: "windowed" as const }
    expect(wordOf(select(given, seeded(1)))).toBe(1)
    const later = { ...given, missing: given.missing.filter((piece) => wordOf(piece) > 1) }
    expect(wordOf(select({ ...later, windowWords: 2 }, seeded(1)))).toBe(3)
    const gap = { ...given, missing: given.missing.filter((piece) => wordOf(piece) !== 1) }
    expect(wordOf(select({ ...gap, windowWords: 2 }, seeded(1)))).toBe(0)
  })

  test("at random is any candidate, including common ones", () => {
    const given = { ...everything(20), availability: Array.from({ length: 20 }, (_, piece) => piece) }
    const random = seeded(3)
    const chosen = new Set(Array.from({ length: 400 }, () => select({ ...given, choice: "random" }, random)))
    expect(chosen.size).toBe(20)
    expect(select(given, random)).toBe(0)
  })

  test("has choices that experiments name", () => {
    expect(pieceChoices).toEqual(["rarest", "random", "windowed", "in-order"])
  })

  test("is one that the rules allow, and -1 only when they allow none", () => {
    fc.assert(
      fc.property(scene, fc.nat(), (given, seed) => {
        const pieces = allowed(given)
        const piece = select(given, seeded(seed))
        if (pieces.length === 0) expect(piece).toBe(-1)
        else expect(pieces).toContain(piece)
      }),
      { numRuns: 3000 }
    )
  })

  test("is the same for the same random numbers, and the arguments do not change", () => {
    fc.assert(
      fc.property(scene, fc.nat(), (given, seed) => {
        const candidates = {
          missing: fieldOf(given.length, given.missing).words,
          requested: fieldOf(given.length, given.requested).words,
          theirs: fieldOf(given.length, given.theirs),
          availability: Uint16Array.from(given.availability),
          readers: given.readers,
          suggested: given.suggested
        }
        const before = JSON.stringify(candidates)
        const first = selectPiece(candidates, seeded(seed))
        expect(selectPiece(candidates, seeded(seed))).toBe(first)
        expect(JSON.stringify(candidates)).toBe(before)
      }),
      { numRuns: 200 }
    )
  })

  test("is for the reader whose piece is nearest, the first of two that tie", () => {
    const all = everything(100)
    const readers = [
      { firstPiece: 10, endPiece: 20 },
      { firstPiece: 60, endPiece: 70 }
    ]
    expect(select({ ...all, readers }, seeded(1))).toBe(10)
    expect(select({ ...all, readers, requested: [10, 11] }, seeded(1))).toBe(60)
    expect(select({ ...all, readers, requested: [10, 60] }, seeded(1))).toBe(11)
  })

  test("is for a reader before a suggestion, and a suggestion before the rarest", () => {
    const all = { ...everything(64), availability: Array.from({ length: 64 }, (_, piece) => 64 - piece) }
    expect(select(all, seeded(1))).toBe(63)
    expect(select({ ...all, suggested: [40, 41] }, seeded(1))).toBe(40)
    expect(select({ ...all, suggested: [40, 41], requested: [40] }, seeded(1))).toBe(41)
    const readers = [{ firstPiece: 5, endPiece: 6 }]
    expect(select({ ...all, suggested: [40, 41], readers }, seeded(1))).toBe(5)
    expect(select({ ...all, suggested: [40, 41], readers, requested: [5] }, seeded(1))).toBe(40)
  })
})

describe("ties", () => {
  // Chi-square with k-1 degrees of freedom: for k >= 60 and these seeds, 1.75 times that is far beyond chance.
  const chiSquare = (given: Scene, tied: readonly number[], draws: number): number => {
    const random = seeded(7)
    const counts = new Map<number, number>()
    for (let draw = 0; draw < draws; draw++) {
      const piece = select(given, random)
      counts.set(piece, (counts.get(piece) ?? 0) + 1)
    }
    const expected = draws / tied.length
    return tied.reduce((sum, piece) => sum + ((counts.get(piece) ?? 0) - expected) ** 2 / expected, 0)
  }

  test("are broken fairly among adjacent pieces, among scattered ones, and beside a dense range", () => {
    const dense = everything(100)
    expect(chiSquare(dense, dense.missing, 20_000)).toBeLessThan(1.75 * 99)

    const scattered = dense.missing.map((piece) => piece * 37)
    const sparse = { ...everything(3700), missing: scattered }
    expect(chiSquare(sparse, scattered, 10_000)).toBeLessThan(1.75 * 99)

    const crowd = [...Array.from({ length: 60 }, (_, piece) => piece), 500]
    const lopsided = { ...everything(512), theirs: crowd }
    expect(chiSquare(lopsided, crowd, 12_200)).toBeLessThan(1.75 * 60)
  })

  test("of two pieces go to each half of the time", () => {
    for (const pair of [
      [0, 1],
      [0, 64],
      [31, 32],
      [5, 1000]
    ]) {
      const given = { ...everything(1024), missing: pair }
      const random = seeded(11)
      let firsts = 0
      for (let draw = 0; draw < 4000; draw++) if (select(given, random) === pair[0]) firsts++
      expect(Math.abs(firsts - 2000)).toBeLessThan(160)
    }
  })
})
