// Tests of the decisions of a supernode over random orders of reports: every host gets every piece, within all limits,
// from hosts that have it.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import { imageOf } from "./image.ts"
import { SupernodeSchedule } from "./supernode-schedule.ts"

const image = imageOf([
  { name: "one", length: 90, pieceLength: 10 },
  { name: "two", length: 35, pieceLength: 10 }
])
const [agents, origin] = [7, 7]
const even: RandomSource = { nextInt: () => 0 }

const make = (whenBusy: "wait" | "origin") =>
  new SupernodeSchedule(image, { all: agents + 1, agents, shares: 1 }, [[origin], [origin]], {
    downLimit: 3,
    upLimit: 2,
    whenBusy
  })

test.each(["wait", "origin"] as const)("limits hold and all is fetched: %s", (whenBusy) => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (choices) => {
      const schedule = make(whenBusy)
      const has = Array.from({ length: agents }, () => new Set<number>())
      const underWay: Array<{ host: number; piece: number; server: number }> = []
      const breaches: Array<string> = []
      const hold = (kept: boolean, rule: string): void => {
        if (!kept) breaches.push(rule)
      }
      const ask = (host: number, blob: number): void => {
        const tasks = schedule.next(host, blob, even)
        for (let at = 0; at < tasks.length; at += 2) {
          const [piece, server] = [tasks[at]!, tasks[at + 1]!]
          hold(server === origin || has[server]!.has(piece), "the server has the piece")
          hold(!has[host]!.has(piece) && image.blobOf[piece] === blob, "the piece is wanted")
          underWay.push({ host, piece, server })
        }
        const ofBlob = underWay.filter(({ piece }) => image.blobOf[piece] === blob)
        hold(ofBlob.filter((one) => one.host === host).length <= 3, "down limit")
        for (let server = 0; server < agents + (whenBusy === "wait" ? 1 : 0); server++) {
          hold(ofBlob.filter((one) => one.server === server).length <= 2, "up limit")
        }
      }
      const askAll = (): void => {
        for (let host = 0; host < agents; host++) for (const blob of [0, 1]) ask(host, blob)
      }
      askAll()
      while (underWay.length > 0) {
        const [done] = underWay.splice(choices.next().value! % underWay.length, 1)
        schedule.fetched(done!.host, done!.piece)
        has[done!.host]!.add(done!.piece)
        askAll()
      }
      expect(breaches).toEqual([])
      expect(has.every(({ size }) => size === image.pieces)).toBe(true)
      expect(schedule.isHungry(0, 0)).toBe(false)
    }),
    { numRuns: 30 }
  )
})

test("the piece that the fewest hosts have comes first, then the nearest to those under way", () => {
  const schedule = make("origin")
  expect(schedule.next(0, 0, even)).toEqual([0, origin, 1, origin, 2, origin])
  schedule.fetched(0, 1)
  // No host has 0 and 2 to 8; 0 and 2 are under way, and their middle is 1.
  expect(schedule.next(0, 0, even)).toEqual([3, origin])
  expect(schedule.next(1, 0, even)).toEqual([0, origin, 2, origin, 3, origin])
})

test("hosts serve by turns, and a host waits when all are busy", () => {
  const schedule = make("wait")
  expect(schedule.next(0, 1, even)).toEqual([9, origin, 10, origin])
  schedule.fetched(0, 9)
  // The origin has a free slot again: the rarest piece comes from there, then the one of host 0.
  expect(schedule.next(1, 1, even)).toEqual([10, origin, 9, 0])
  expect(schedule.isHungry(1, 1)).toBe(true)
  expect(schedule.next(2, 1, even)).toEqual([9, 0])
  expect(schedule.next(3, 1, even)).toEqual([])
})

test("a busy host serves again when one of its pieces has arrived", () => {
  const schedule = make("wait")
  schedule.next(0, 1, even)
  for (const piece of [9, 10]) schedule.fetched(0, piece)
  expect(schedule.next(0, 1, even)).toEqual([11, origin, 12, origin])
  expect(schedule.next(1, 1, even)).toEqual([9, 0, 10, 0])
  expect(schedule.next(2, 1, even)).toEqual([])
  schedule.fetched(1, 9)
  expect(schedule.next(2, 1, even)).toEqual([10, 0, 9, 1])
})
