// The reading order alone: readers with precedence, urgency, and the tail.

import { describe, expect, it } from "vitest"
import { ReadingOrder } from "./reading-order.ts"

const rules = { maxReaders: 2, orderedTail: 0.25, tailWindow: 0, readerPatience: 3 }
const window = (firstPiece: number, endPiece = firstPiece + 4) => ({ firstPiece, endPiece })

describe("the readers that go first", () => {
  it("are the first maxReaders that came, each with its latest window", () => {
    const order = new ReadingOrder(100, rules)
    expect([order.windows, order.isUrgent]).toEqual([[], false])
    expect(order.readerMoved(7, window(10))).toBe(true)
    expect(order.readerMoved(8, window(20))).toBe(true)
    expect(order.readerMoved(9, window(30))).toBe(false)
    expect(order.windows).toEqual([window(10), window(20)])
    expect(order.readerMoved(7, window(11))).toBe(true)
    expect(order.windows).toEqual([window(11), window(20)])
  })

  it("are joined by another one when one has left", () => {
    const order = new ReadingOrder(100, rules)
    for (const reader of [7, 8, 9]) order.readerMoved(reader, window(reader))
    order.readerLeft(9)
    expect(order.windows).toEqual([window(7), window(8)])
    order.readerLeft(7)
    expect(order.windows).toEqual([window(8)])
    expect(order.readerMoved(9, window(9))).toBe(true)
    expect(order.windows).toEqual([window(8), window(9)])
  })
})

describe("a reader that waits", () => {
  it("is urgent once readerPatience other pieces have come", () => {
    const order = new ReadingOrder(100, rules)
    order.missingChanged(90)
    order.readerMoved(1, window(10))
    order.missingChanged(88)
    expect(order.isUrgent).toBe(false)
    order.missingChanged(87)
    expect(order.isUrgent).toBe(true)
  })

  it("waits from when the blob is opened, when it comes at once", () => {
    const order = new ReadingOrder(100, rules)
    order.readerMoved(1, window(10))
    order.missingChanged(97)
    expect(order.isUrgent).toBe(true)
  })

  it("begins to wait anew when it has its next piece, not when it reads further ahead", () => {
    const order = new ReadingOrder(100, rules)
    order.readerMoved(1, window(10))
    order.missingChanged(98)
    order.readerMoved(1, window(10, 30))
    order.missingChanged(97)
    expect(order.isUrgent).toBe(true)
    order.readerMoved(1, window(11))
    expect(order.isUrgent).toBe(false)
    order.missingChanged(95)
    expect(order.isUrgent).toBe(false)
    order.missingChanged(94)
    expect(order.isUrgent).toBe(true)
  })

  it("makes no other reader urgent, and is not urgent any more when it leaves", () => {
    const order = new ReadingOrder(100, rules)
    order.readerMoved(1, window(10))
    order.missingChanged(97)
    order.readerMoved(2, window(20))
    expect(order.isUrgent).toBe(true)
    order.readerLeft(1)
    expect(order.isUrgent).toBe(false)
    order.missingChanged(80)
    expect(order.isUrgent).toBe(true)
    order.readerLeft(2)
    expect(order.isUrgent).toBe(false)
  })
})

describe("the tail", () => {
  it("begins when a part of the pieces is missing, and stays", () => {
    const order = new ReadingOrder(100, rules)
    order.missingChanged(26)
    expect(order.tail).toBeUndefined()
    order.missingChanged(25)
    expect(order.tail).toEqual({ choice: "in-order" })
    order.missingChanged(90)
    expect(order.tail).toEqual({ choice: "in-order" })
  })

  it("is free within whole words of its window", () => {
    const tailOf = (pieces: number, tailWindow: number) => {
      const order = new ReadingOrder(pieces, { ...rules, tailWindow })
      order.missingChanged(0)
      return order.tail
    }
    expect(tailOf(511, 1 / 16)).toEqual({ choice: "in-order" })
    expect(tailOf(512, 1 / 16)).toEqual({ choice: "windowed", windowWords: 1 })
    expect(tailOf(1535, 1 / 16)).toEqual({ choice: "windowed", windowWords: 2 })
  })
})
