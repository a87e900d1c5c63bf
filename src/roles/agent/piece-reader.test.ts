// Tests of the piece reader: exactly the bytes of the ranges come out, no other piece is requested, and a response
// that ends early leaves no more requests than the bound allows.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import fc from "fast-check"
import { settle } from "../../../testing/roles/settle.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { type BlobSelection, wholeOf } from "../oci/byte-range.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import { BlobStoreError } from "../services/blob-store.ts"
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

/** A selection from pairs of a first byte and the byte after the last. */
const rangesOf = (...ranges: ReadonlyArray<readonly [number, number]>): BlobSelection => ({
  ranges: ranges.map(([start, end]) => ({ start, end })),
  isWhole: false
})

describe("the windows of a reader", () => {
  const windows = (selection: BlobSelection, index: number, offset: number, ahead: number) =>
    windowsFrom(selection, pieceLength, index, offset, ahead).map(
      ({ firstPiece, endPiece }) => `${firstPiece}-${endPiece}`
    )

  it("are shared by ranges in adjacent pieces, and others have their own", () => {
    expect(windows(rangesOf([5, 12], [12, 25], [60, 95]), 0, 5, 9)).toEqual(["0-3", "6-10"])
    expect(windows(rangesOf([0, 10], [10, 20]), 0, 0, 9)).toEqual(["0-2"])
    expect(windows(rangesOf([0, 10], [20, 30]), 0, 0, 9)).toEqual(["0-1", "2-3"])
    expect(windows(rangesOf([50, 60], [10, 20]), 0, 50, 9)).toEqual(["5-6", "1-2"])
    expect(windows(rangesOf([0, 30], [5, 8], [30, 31]), 0, 0, 9)).toEqual(["0-4"])
  })

  it("begin at the byte that is read, and end after `ahead` more pieces", () => {
    const selection = rangesOf([5, 12], [12, 25], [60, 95])
    expect(windows(selection, 0, 5, 0)).toEqual(["0-1"])
    expect(windows(selection, 0, 5, 1)).toEqual(["0-2"])
    expect(windows(selection, 0, 5, 3)).toEqual(["0-3", "6-7"])
    expect(windows(selection, 1, 20, 3)).toEqual(["2-3", "6-9"])
    expect(windows(selection, 2, 70, 9)).toEqual(["7-10"])
    expect(windows(selection, 3, 0, 9)).toEqual([])
  })
})

describe("the memory of a piece", () => {
  it.effect(
    "is given back when another piece is asked for and the last chunk was long enough to have left",
    () =>
      Effect.gen(function* () {
        const { swarm, content } = promptSwarm(35)
        const released: number[] = []
        const lending: OpenSwarm = {
          ...swarm,
          load: (piece, done) => {
            const payload = content.slice(piece * pieceLength, (piece + 1) * pieceLength)
            const release = () => {
              payload.fill(255)
              released.push(piece)
            }
            done({ tag: "Loaded", payload, proof: new Uint8Array(0), release })
          }
        }
        const seen: number[] = []
        yield* Stream.runForEach(
          readPieces(lending, 0, rangesOf([0, 3], [4, 8], [8, 32]), { ...agentLimits, minDrainedChunk: 3 }),
          (chunk) =>
            Effect.sync(() => {
              seen.push(...chunk)
            })
        )
        expect(seen).toEqual([...content.slice(0, 3), ...content.slice(4, 32)])
        // The last chunks of the pieces 0 to 3 have 2, 10, 10 and 2 bytes.
        expect(released).toEqual([1, 2])
      })
  )
})

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

  it.effect("uses a reader number per window from its first on, and declares only what changes", () =>
    Effect.gen(function* () {
      const { swarm } = promptSwarm(100)
      const told: string[] = []
      const { readAhead } = swarm
      const recorded: OpenSwarm = {
        ...swarm,
        readAhead: (reader, range) => {
          told.push(`${reader}: ${range === undefined ? "none" : `${range.first}-${range.end}`}`)
          readAhead(reader, range)
        }
      }
      const limits = { ...agentLimits, rangeAheadPieces: 1 }
      yield* Stream.runDrain(readPieces(recorded, 7, rangesOf([0, 5], [60, 62], [65, 70]), limits))
      expect(told).toEqual(["7: 0-1", "8: 6-7", "7: 6-7", "8: none", "7: none"])
    })
  )

  it.effect("declares nothing to a swarm that has every piece", () =>
    Effect.gen(function* () {
      const { swarm, content } = promptSwarm(30)
      const full: OpenSwarm = {
        ...swarm,
        have: { isFull: true } as OpenSwarm["have"],
        readAhead: (_, range) => expect(range).toBeUndefined(),
        whenStored: (_, ready) => {
          ready()
          return () => {}
        }
      }
      const chunks = yield* Stream.runCollect(readPieces(full, 0, wholeOf(30), agentLimits))
      expect(Buffer.concat([...chunks])).toEqual(Buffer.from(content))
    })
  )

  it.effect("holds the last piece of a whole blob back until its digest is checked, and no other", () =>
    Effect.gen(function* () {
      const broken = new SwarmBroken({ reason: "storage", message: "the digest differs" })
      const read = (selection: BlobSelection) =>
        Effect.gen(function* () {
          const { swarm } = promptSwarm(25)
          let bytes = 0
          const all = readPieces({ ...swarm, completed: Effect.fail(broken) }, 0, selection, agentLimits)
          const exit = yield* Effect.exit(
            Stream.runForEach(all, (chunk) =>
              Effect.sync(() => {
                bytes += chunk.byteLength
              })
            )
          )
          return [bytes, Exit.isSuccess(exit)]
        })
      expect(yield* read(wholeOf(25))).toEqual([20, false])
      expect(yield* read(rangesOf([0, 25]))).toEqual([20, false])
      expect(yield* read(rangesOf([1, 25]))).toEqual([24, true])
      expect(yield* read(rangesOf([0, 24]))).toEqual([24, true])
      expect(yield* read(rangesOf([0, 25], [3, 4]))).toEqual([26, true])
    })
  )

  it.effect("fails when a piece cannot be loaded, and when the swarm breaks while it waits", () =>
    Effect.gen(function* () {
      const { swarm } = promptSwarm(25)
      const whyNot = (changes: Partial<OpenSwarm>) =>
        Effect.flip(Stream.runDrain(readPieces({ ...swarm, ...changes }, 0, wholeOf(25), agentLimits)))
      const error = new BlobStoreError({ reason: "io", message: "bad sector" })
      const unread = yield* whyNot({ load: (_, done) => done({ tag: "Failed", error }) })
      expect([unread.reason, unread.message]).toEqual(["storage", "bad sector"])
      const closed = new SwarmBroken({ reason: "closed", message: "the host stops" })
      const gone = yield* whyNot({
        whenStored: (_, __, fail) => {
          fail(closed)
          return () => {}
        }
      })
      expect(gone).toBe(closed)
    })
  )

  it.effect("that hangs up no longer waits for a piece", () =>
    Effect.gen(function* () {
      const { swarm } = promptSwarm(25)
      let waits = 0
      const never: OpenSwarm = {
        ...swarm,
        whenStored: () => {
          waits++
          return () => waits--
        }
      }
      const reading = yield* Effect.forkChild(Stream.runDrain(readPieces(never, 0, wholeOf(25), agentLimits)))
      yield* settle
      expect(waits).toBe(1)
      yield* Fiber.interrupt(reading)
      expect(waits).toBe(0)
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
