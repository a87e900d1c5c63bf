// Tests of the piece reader: exactly the bytes of the ranges come out, no other piece is requested, and a response
// that ends early leaves no more requests than the bound allows.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import fc from "fast-check"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { type BlobSelection, wholeOf } from "../oci/byte-range.ts"
import type { OpenSwarm } from "../peer/open-swarm.ts"
import { agentLimits } from "./limits.ts"
import { readPieces, windowsFrom, windowsOfReader } from "./piece-reader.ts"

const pieceLength = 10

const anyLength = fc.integer({ min: 1, max: 300 })

const anySelection = (length: number): fc.Arbitrary<BlobSelection> =>
  fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 }).map((places) => ({
    ranges: places.map(([one, other]) => {
      const start = one % length
      return { start, end: start + 1 + (other % (length - start)) }
    }),
    isWhole: false
  }))

const anyRead = anyLength.chain((length) => fc.tuple(fc.constant(length), anySelection(length)))

const piecesOf = (selection: BlobSelection): ReadonlySet<number> => {
  const pieces = new Set<number>()
  for (const { start, end } of selection.ranges) {
    for (let piece = Math.floor(start / pieceLength); piece * pieceLength < end; piece++) pieces.add(piece)
  }
  return pieces
}

/** A swarm that stores a piece as soon as it is requested, and records the requests. */
const promptSwarm = (length: number) => {
  const count = Math.ceil(length / pieceLength)
  const content = Uint8Array.from({ length }, (_, index) => index * 31)
  const windows = new Map<number, { readonly first: number; readonly end: number }>()
  const asked = new Set<number>()
  const loads: number[] = []
  const sizesSeen: number[] = []
  const swarm: Partial<OpenSwarm> = {
    metainfo: { length, pieceLength } as OpenSwarm["metainfo"],
    have: new Bitfield(count + 1),
    completed: Effect.void,
    readAhead: (reader, range) => {
      if (range === undefined) windows.delete(reader)
      else {
        windows.set(reader, range)
        sizesSeen.push(range.end - range.first)
      }
      for (let piece = range?.first ?? 0; piece < (range?.end ?? 0); piece++) asked.add(piece)
    },
    whenStored: (piece, ready) => {
      expect(asked.has(piece)).toBe(true)
      ready()
      return () => {}
    },
    load: (piece, done) => {
      loads.push(piece)
      const payload = content.subarray(piece * pieceLength, (piece + 1) * pieceLength)
      done({ tag: "Loaded", payload, proof: new Uint8Array(0) })
    }
  }
  return { swarm: swarm as OpenSwarm, content, windows, asked, loads, sizesSeen }
}

describe("a reader of a swarm", () => {
  it("declares its current piece and at most `ahead` more, all touched by its ranges", () => {
    fc.assert(
      fc.property(anyRead, fc.integer({ min: 0, max: 6 }), ([, selection], ahead) => {
        const { start } = selection.ranges[0]!
        const windows = windowsFrom(selection, pieceLength, 0, start, ahead)
        const touched = piecesOf(selection)
        let count = 0
        for (const { firstPiece, endPiece } of windows) {
          expect(endPiece).toBeGreaterThan(firstPiece)
          count += endPiece - firstPiece
          for (let piece = firstPiece; piece < endPiece; piece++) expect(touched.has(piece)).toBe(true)
        }
        expect(windows[0]?.firstPiece).toBe(Math.floor(start / pieceLength))
        expect(count).toBeLessThanOrEqual(1 + ahead)
      })
    )
  })

  it.effect("delivers the bytes of its ranges, requests no other piece, and withdraws its windows", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(anyRead, async ([length, selection]) => {
          const { swarm, content, windows, asked, loads } = promptSwarm(length)
          const chunks = await Effect.runPromise(
            Stream.runCollect(readPieces(swarm, 0, selection, agentLimits))
          )
          expect(Buffer.concat([...chunks])).toEqual(
            Buffer.concat(selection.ranges.map(({ start, end }) => content.subarray(start, end)))
          )
          expect([...asked].sort()).toEqual([...piecesOf(selection)].sort())
          expect(windows.size).toBe(0)
          // Consecutive ranges in one piece load it once.
          expect(loads.every((piece, index) => index === 0 || piece !== loads[index - 1])).toBe(true)
        })
      )
    )
  )

  it.effect("that ends within a piece leaves no more requests than the bound allows", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(anyRead, fc.integer({ min: 1, max: 30 }), async ([length, selection], left) => {
          const { swarm, windows, asked, loads } = promptSwarm(length)
          await Effect.runPromise(
            Stream.runDrain(Stream.take(readPieces(swarm, 7, selection, agentLimits), left))
          )
          const last = loads.length - 1
          expect(asked.size).toBeLessThanOrEqual(last + 1 + Math.min(last + 1, agentLimits.rangeAheadPieces))
          expect(windows.size).toBe(0)
        })
      )
    )
  )

  it.effect(
    "of a whole blob asks for readAheadPieces pieces first, and of ranges for one more with each piece",
    () =>
      Effect.promise(async () => {
        const limits = { ...agentLimits, readAheadPieces: 3, rangeAheadPieces: 2 }
        const sizes = async (selection: BlobSelection) => {
          const { swarm, sizesSeen } = promptSwarm(10 * pieceLength)
          await Effect.runPromise(Stream.runDrain(readPieces(swarm, 0, selection, limits)))
          return sizesSeen
        }
        expect((await sizes(wholeOf(10 * pieceLength))).slice(0, 4)).toEqual([3, 3, 3, 3])
        const range = { ranges: [{ start: 0, end: 8 * pieceLength }], isWhole: false }
        expect((await sizes(range)).slice(0, 5)).toEqual([2, 3, 3, 3, 3])
      })
  )

  it("has as many reader numbers as windows", () => {
    fc.assert(
      fc.property(anyRead, ([, selection]) => {
        const windows = windowsFrom(
          selection,
          pieceLength,
          0,
          selection.ranges[0]!.start,
          agentLimits.rangeAheadPieces
        )
        expect(windows.length).toBeLessThanOrEqual(windowsOfReader(agentLimits))
      })
    )
  })
})
