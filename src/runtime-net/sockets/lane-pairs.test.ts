// The table of lanes over sockets that do what the test says, on a clock that stands still.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import type { Lane, LaneEvents } from "./lane.ts"
import { LanePairs } from "./lane-pairs.ts"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
})
afterEach(() => {
  vi.useRealTimers()
})

const lane = () => {
  const terminate = vi.fn()
  const resume = vi.fn()
  let events: Partial<LaneEvents> = {}
  const staged: Partial<Lane> = {
    terminate,
    resume,
    listen: (told) => {
      events = told
    }
  }
  return { terminate, resume, closes: () => events.closed?.(true), lane: staged as Lane }
}

const pairs = () => {
  const late = vi.fn()
  return { late, pairs: new LanePairs(1_000_000, late) }
}

describe("lanes of connections", () => {
  test("are matched by id, in any order, and once", () => {
    const { pairs: table, late } = pairs()
    const [a1, a2, b1, b2] = [lane(), lane(), lane(), lane()]
    expect(table.came("a", "messages", a1.lane)).toBeUndefined()
    expect(table.came("b", "pieces", b1.lane)).toBeUndefined()
    expect([table.size, table.has("a"), table.has("c")]).toEqual([2, true, false])
    expect(table.came("a", "pieces", a2.lane)).toEqual({ messages: a1.lane, pieces: a2.lane })
    expect(table.came("b", "messages", b2.lane)).toEqual({ messages: b2.lane, pieces: b1.lane })
    expect(table.size).toBe(0)
    vi.advanceTimersByTime(10_000)
    expect(late).not.toHaveBeenCalled()
    expect(a1.terminate).not.toHaveBeenCalled()
  })

  test("are not read here", () => {
    const { pairs: table } = pairs()
    const [first, second] = [lane(), lane()]
    table.came("a", "pieces", first.lane)
    table.came("a", "messages", second.lane)
    expect(first.resume).not.toHaveBeenCalled()
    expect(second.resume).not.toHaveBeenCalled()
  })

  test("may come once each", () => {
    const { pairs: table } = pairs()
    expect(table.mayCome("a", "pieces")).toBe(true)
    table.came("a", "pieces", lane().lane)
    expect(table.mayCome("a", "pieces")).toBe(false)
    expect(table.mayCome("a", "messages")).toBe(true)
  })

  test("are closed when the other one does not come in time", () => {
    const { pairs: table, late } = pairs()
    const half = lane()
    table.came("a", "messages", half.lane)
    vi.advanceTimersByTime(999)
    expect(half.terminate).not.toHaveBeenCalled()
    vi.advanceTimersByTime(2)
    expect(half.terminate).toHaveBeenCalledOnce()
    expect(late).toHaveBeenCalledOnce()
    half.closes()
    expect(table.size).toBe(0)
  })

  test("are forgotten when they close, and closed at the end", () => {
    const { pairs: table, late } = pairs()
    const [gone, open] = [lane(), lane()]
    table.came("a", "messages", gone.lane)
    table.came("b", "messages", open.lane)
    gone.closes()
    expect(table.size).toBe(1)
    table.end()
    expect(gone.terminate).not.toHaveBeenCalled()
    expect(open.terminate).toHaveBeenCalledOnce()
    open.closes()
    vi.advanceTimersByTime(10_000)
    expect(late).not.toHaveBeenCalled()
  })
})
