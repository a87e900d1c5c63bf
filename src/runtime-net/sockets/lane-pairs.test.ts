// The table of lanes over sockets that do what the test says, on a clock that stands still.

import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import type { WebSocket } from "ws"
import { Lane } from "./lane.ts"
import { LanePairs } from "./lane-pairs.ts"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
})
afterEach(() => {
  vi.useRealTimers()
})

const lane = () => {
  const terminate = vi.fn()
  const socket = Object.assign(new EventEmitter(), {
    terminate,
    isPaused: false,
    pause: () => {
      socket.isPaused = true
    },
    resume: () => {
      socket.isPaused = false
    }
  })
  return { socket, terminate, lane: new Lane(socket as unknown as WebSocket, { bytesRead: 0 } as Socket) }
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
    expect(a1.socket.eventNames()).toEqual([])
  })

  test("are read only when both are there", () => {
    const { pairs: table } = pairs()
    const [first, second] = [lane(), lane()]
    table.came("a", "pieces", first.lane)
    expect(first.socket.isPaused).toBe(true)
    table.came("a", "messages", second.lane)
    expect([first.socket.isPaused, second.socket.isPaused]).toEqual([false, false])
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
    half.socket.emit("error", new Error("reset"))
    half.socket.emit("close", 1006)
    expect(table.size).toBe(0)
  })

  test("are forgotten when they close, and closed at the end", () => {
    const { pairs: table, late } = pairs()
    const [gone, open] = [lane(), lane()]
    table.came("a", "messages", gone.lane)
    table.came("b", "messages", open.lane)
    gone.socket.emit("close", 1000)
    expect(table.size).toBe(1)
    table.end()
    expect(gone.terminate).not.toHaveBeenCalled()
    expect(open.terminate).toHaveBeenCalledOnce()
    open.socket.emit("close", 1006)
    vi.advanceTimersByTime(10_000)
    expect(late).not.toHaveBeenCalled()
  })
})
