// Demand alone: which missing pieces are wanted, and whether the swarm fetches.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { TestContext } from "../../../testing/protocol/test-context.ts"
import { makeWords } from "../kit/bitfield.ts"
import { Demand } from "./demand.ts"
import type { PeerHostRules } from "./host-context.ts"

const count = 40

const setUp = (isWhole: boolean, rules: Partial<PeerHostRules> = {}, isComplete = false) => {
  const context = new TestContext(rules)
  const missing = makeWords(count)
  if (!isComplete) for (let piece = 0; piece < count; piece++) missing[piece >>> 5]! |= 1 << (piece & 31)
  /** The instants at which more was asked for. */
  const more: number[] = []
  const demand = new Demand(context, { count, missing, isComplete }, isWhole, (now) => more.push(now))
  let left = count
  const store = (piece: number): void => {
    missing[piece >>> 5]! &= ~(1 << (piece & 31))
    demand.pieceStored(piece, --left)
  }
  const read = (reader: number, firstPiece: number, endPiece: number, now = 0): void =>
    demand.readerMoved(reader, { firstPiece, endPiece }, now)
  const wanted = (): readonly number[] =>
    Array.from({ length: count }, (_, piece) => piece).filter((piece) => demand.has(piece))
  return { context, missing, demand, more, store, read, wanted }
}

describe("a blob that somebody wants whole", () => {
  it("wants all that is missing, as it is now", () => {
    const { context, demand, missing, store, wanted, more } = setUp(true)
    expect(demand.wanted).toBe(missing)
    expect([demand.isFetching, context.fetching]).toEqual([true, 1])
    store(3)
    expect(wanted()).toHaveLength(count - 1)
    expect([demand.isFetching, more]).toEqual([true, []])
  })

  it("asks for more when a reader with precedence moves, and only then", () => {
    const { demand, more, read } = setUp(true, { maxReaders: 1 })
    read(1, 4, 6, 10)
    read(2, 8, 9, 20)
    read(1, 5, 7, 30)
    expect(more).toEqual([10, 30])
    expect(demand.reading.windows).toEqual([{ firstPiece: 5, endPiece: 7 }])
  })

  it("fetches until it ends, once", () => {
    const { context, demand } = setUp(true)
    context.fetching = 5
    demand.end()
    demand.end()
    expect([demand.isFetching, context.fetching]).toEqual([false, 4])
  })

  it("fetches nothing when it is complete", () => {
    const { context, demand } = setUp(true, {}, true)
    expect([demand.isFetching, context.fetching]).toEqual([false, 0])
  })
})

describe("a blob on demand", () => {
  it("wants what is missing of its readers' windows, and fetches while that is something", () => {
    const { context, demand, more, read, store, wanted } = setUp(false)
    expect([wanted(), demand.isFetching, context.fetching]).toEqual([[], false, 0])
    read(1, 31, 34, 10)
    expect([wanted(), demand.isFetching, context.fetching]).toEqual([[31, 32, 33], true, 1])
    read(2, 33, 35, 20)
    expect(wanted()).toEqual([31, 32, 33, 34])
    store(32)
    read(1, 32, 34, 30)
    expect(wanted()).toEqual([33, 34])
    expect(more).toEqual([10, 20, 30])
    demand.readerLeft(2)
    expect(wanted()).toEqual([33])
    store(33)
    expect([wanted(), demand.isFetching, context.fetching]).toEqual([[], false, 0])
    demand.readerLeft(1)
    expect(more).toEqual([10, 20, 30])
  })

  it("asks for what a reader without precedence reads, too", () => {
    const { more, read, wanted } = setUp(false, { maxReaders: 0 })
    read(1, 4, 6, 10)
    expect([wanted(), more]).toEqual([[4, 5], [10]])
  })

  it("rests when its readers leave, whoever else leaves", () => {
    const { context, demand, read, wanted } = setUp(false)
    demand.readerLeft(9)
    read(1, 4, 6)
    demand.readerLeft(9)
    expect(wanted()).toEqual([4, 5])
    demand.readerLeft(1)
    expect([wanted(), demand.isFetching, context.fetching]).toEqual([[], false, 0])
    expect(demand.reading.windows).toEqual([])
  })

  it("tells the order of reading how many pieces are missing", () => {
    const { demand, store } = setUp(false, { orderedTail: (count - 1) / count })
    expect(demand.reading.tail).toBeUndefined()
    store(0)
    expect(demand.reading.tail).toBeDefined()
  })

  it("wants nothing more once it has ended", () => {
    const { context, demand, read } = setUp(false)
    demand.end()
    read(1, 4, 6)
    expect([demand.isFetching, context.fetching]).toEqual([false, 0])
  })
})

describe("a change of who wants a blob", () => {
  it("asks for the rest, and leaves what readers wait for", () => {
    const { context, demand, missing, more, read, wanted } = setUp(false)
    read(1, 4, 6, 10)
    demand.setWhole(false, 20)
    demand.setWhole(true, 30)
    expect(demand.wanted).toBe(missing)
    expect([demand.isWhole, more, context.fetching]).toEqual([true, [10, 30], 1])
    demand.setWhole(true, 40)
    demand.setWhole(false, 50)
    expect([demand.isWhole, wanted(), more]).toEqual([false, [4, 5], [10, 30, 50]])
    expect(demand.wanted).toHaveLength(missing.length)
    demand.readerLeft(1)
    expect(context.fetching).toBe(0)
    demand.setWhole(true, 60)
    expect([context.fetching, wanted().length]).toEqual([1, count])
  })
})

describe("demand under arbitrary calls", () => {
  it("wants what is missing and somebody waits for, and fetches exactly then", () => {
    const call = fc.record({
      tag: fc.constantFrom("whole", "read", "read", "leave", "store"),
      pick: fc.nat(count - 1),
      reader: fc.nat(2)
    })
    fc.assert(
      fc.property(fc.boolean(), fc.array(call, { maxLength: 60 }), (isWhole, calls) => {
        const { context, demand, read, store, wanted } = setUp(isWhole)
        const missing = new Set(Array.from({ length: count }, (_, piece) => piece))
        const windows = new Map<number, readonly [number, number]>()
        let whole = isWhole
        for (const { tag, pick, reader } of calls) {
          if (tag === "whole") {
            whole = pick % 2 === 0
            demand.setWhole(whole, 0)
          } else if (tag === "leave") {
            windows.delete(reader)
            demand.readerLeft(reader)
          } else if (tag === "read") {
            const end = Math.min(count, pick + 5)
            windows.set(reader, [pick, end])
            read(reader, pick, end)
          } else if (missing.delete(pick)) store(pick)
          const expected = [...missing].filter(
            (piece) => whole || [...windows.values()].some(([first, end]) => first <= piece && piece < end)
          )
          expect(wanted()).toEqual(expected)
          // While the whole is wanted the swarm says when it ends.
          if (!whole) expect(demand.isFetching).toBe(expected.length > 0)
          expect(context.fetching).toBe(demand.isFetching ? 1 : 0)
        }
      })
    )
  })
})
