// When a listener looks at its clients and how much a client must move in between, on fake timers, with an event
// emitter in the server's place.

import { EventEmitter } from "node:events"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { seconds } from "../../protocol/kit/time.ts"
import { cutSlowClients } from "./slow-clients.ts"

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }))
afterEach(() => void vi.useRealTimers())

const limits = { slowClientLooks: 4, minClientBytes: 100 }

/** A client in the middle of a body that the server wants, over `limits` and a patience of 8 seconds. */
const stage = (changed: Partial<typeof limits> = {}) => {
  const server = new EventEmitter() as Server
  cutSlowClients(server, seconds(8), { ...limits, ...changed } as Parameters<typeof cutSlowClients>[2])
  const socket = Object.assign(new EventEmitter(), {
    ...{ bytesRead: 0, bytesWritten: 0, writableLength: 0, cutAt: undefined as number | undefined },
    destroy: () => {}
  })
  server.emit("connection", socket as unknown as Socket)
  const request = { socket, complete: false, readableLength: 0, readableHighWaterMark: 1 }
  const response = { writableEnded: false, writableFinished: false }
  server.emit("request", request as unknown as IncomingMessage, response as unknown as ServerResponse)
  let isCut = false
  socket.destroy = () => {
    isCut = true
  }
  /** Second after second, so many bytes in each, until it is cut. */
  const secondsOf = (bytesPerSecond: number): number => {
    for (let second = 1; second <= 60; second++) {
      socket.bytesRead += bytesPerSecond
      vi.advanceTimersByTime(1000)
      if (isCut) return second
    }
    return Number.POSITIVE_INFINITY
  }
  return { server, secondsOf }
}

test("a client that moves less than minClientBytes within the patience is cut", () => {
  expect(stage().secondsOf(12)).toBe(10)
  expect(stage().secondsOf(13)).toBe(Number.POSITIVE_INFINITY)
})

test("a client is looked at slowClientLooks times within the patience", () => {
  // The first look begins the window: after 8 seconds, 4 and 2.
  const looks = [1, 2, 4].map((slowClientLooks) => stage({ slowClientLooks }).secondsOf(0))
  expect(looks).toEqual([16, 12, 10])
})

test("a listener that closes looks no more", () => {
  const { server } = stage()
  expect(vi.getTimerCount()).toBe(1)
  server.emit("close")
  expect(vi.getTimerCount()).toBe(0)
})
