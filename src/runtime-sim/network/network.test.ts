// The laws of the network for arbitrary frames between arbitrary hosts, with and without faults: order, accounting,
// latency and rates.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Arrival, MB, makeWorld, type Recorder } from "../../../testing/runtime-sim/network.ts"
import { frameFlags } from "./connection.ts"
import type { LinkModel } from "./link-model.ts"
import { bulkThreshold } from "./links.ts"

interface Transfer {
  readonly at: number
  readonly from: number
  readonly to: number
  readonly size: number
  readonly overtakes?: boolean
}

const hostCount = 4
const transfer: fc.Arbitrary<Transfer> = fc.record({
  at: fc.nat(60_000),
  from: fc.nat(hostCount - 1),
  to: fc.nat(hostCount - 1),
  size: fc.oneof(fc.integer({ min: 1, max: bulkThreshold }), fc.integer({ min: bulkThreshold, max: 2 * MB })),
  overtakes: fc.boolean()
})

/** Whether the second of two frames of a connection may arrive before the first, with `between` sent between them. */
const mayPass = (first: Transfer, between: readonly Transfer[], second: Transfer): boolean => {
  const isControl = (frame: Transfer): boolean => frame.size <= bulkThreshold
  const isInOrder = (frame: Transfer): boolean => isControl(frame) && frame.overtakes !== true
  return !isControl(first) && isControl(second) && ![...between, second].some(isInOrder)
}

const ratesOf = (host: number) => ({ uplink: (host + 1) * 20 * MB, downlink: (hostCount - host) * 20 * MB })

/** All pairs of distinct hosts connected, with one connection per pair for both directions. */
const fullMesh = (linkModel: LinkModel, probability = 0) => {
  const world = makeWorld({ linkModel, loss: { probability } })
  const hosts = Array.from({ length: hostCount }, (_, index) =>
    world.connections.host(`h${index}`, ratesOf(index))
  )
  const accepted = hosts.map((host) => world.listen(host))
  const ends = new Map<string, Recorder>()
  for (let from = 0; from < hostCount; from++) {
    for (let to = from + 1; to < hostCount; to++) {
      const dialled = world.dial(hosts[from]!, `h${to}`)
      world.passTime(2000)
      ends.set(`${from}>${to}`, dialled)
      ends.set(`${to}>${from}`, accepted[to]!.at(-1)!)
    }
  }
  return { ...world, hosts, ends, start: world.kernel.now }
}

describe.each(["queue", "fair", "fair-exact"] as const)("any traffic over the model %s", (linkModel) => {
  it("arrives once, in order but for lanes, not before latency and links allow, and no link carries more than its rate", () => {
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 90 }), (transfers) => {
        const { hosts, ends, at, send, passTime, network, start } = fullMesh(linkModel)
        const sent = new Map<string, number[]>()
        for (const [index, { at: when, from, to, size, overtakes }] of transfers.entries()) {
          if (from === to) continue
          at(start + when, () => {
            const name = `${from}>${to}`
            sent.set(name, [...(sent.get(name) ?? []), index])
            send(ends.get(name)!, index, size, overtakes === true ? frameFlags.overtakes : 0)
          })
        }
        passTime(20_000_000)
        network.checkConservation()
        expect(network.bytesInFlight()).toBe(0)
        const perHost = hosts.map(() => ({ up: [] as Arrival[], down: [] as Arrival[] }))
        for (const [name, indices] of sent) {
          const [from, to] = name.split(">").map(Number) as [number, number]
          const { arrivals } = ends.get(`${to}>${from}`)!
          const came = new Map(arrivals.map(({ payload }, position) => [payload as number, position]))
          expect(came.size).toBe(indices.length)
          for (const [position, first] of indices.entries()) {
            for (const [length, second] of indices.slice(position + 1).entries()) {
              const between = indices.slice(position + 1, position + 1 + length)
              if (came.get(first)! < came.get(second)!) continue
              const named = between.map((index) => transfers[index]!)
              expect(mayPass(transfers[first]!, named, transfers[second]!), `${second} before ${first}`).toBe(
                true
              )
            }
          }
          for (const arrival of arrivals) {
            const { at: when, size } = transfers[arrival.payload as number]!
            const uplinkCost = 1e6 / ratesOf(from).uplink
            const downlinkCost = 1e6 / ratesOf(to).downlink
            const least = start + when + 500 + size * Math.max(uplinkCost, downlinkCost)
            expect(arrival.at).toBeGreaterThanOrEqual(Math.floor(least))
            perHost[from]!.up.push(arrival)
            perHost[to]!.down.push(arrival)
          }
        }
        for (const [index, { up, down }] of perHost.entries()) {
          expectWithinRate(up, 1e6 / ratesOf(index).uplink, transfers, start)
          expectWithinRate(down, 1e6 / ratesOf(index).downlink, transfers, start)
        }
      }),
      {
        numRuns: 60,
        // A control frame that has not left the uplink yet when the bulk frame before it arrives.
        examples: [
          [
            [
              { at: 0, from: 1, to: 2, size: bulkThreshold + 1 },
              { at: 97, from: 1, to: 2, size: 12_560 }
            ]
          ]
        ]
      }
    )
  })

  it("is received in order up to the break, or lost, whatever fails", () => {
    const fault = fc.record({
      at: fc.nat(80_000),
      kind: fc.constantFrom(
        "cut",
        "oneWay",
        "heal",
        "kill",
        "powerOff",
        "partition",
        "healAll",
        "close",
        "reset"
      ),
      first: fc.nat(hostCount - 1),
      second: fc.nat(hostCount - 1)
    })
    fc.assert(
      fc.property(
        fc.array(transfer, { maxLength: 90 }),
        fc.array(fault, { maxLength: 8 }),
        fc.constantFrom(0, 0.2),
        (transfers, breaks, loss) => {
          const { hosts, ends, at, send, passTime, network, faults, start, connections } = fullMesh(
            linkModel,
            loss
          )
          const sent = new Map<string, number[]>()
          for (const [index, { at: when, from, to, size }] of transfers.entries()) {
            if (from === to) continue
            at(start + when, () => {
              const name = `${from}>${to}`
              sent.set(name, [...(sent.get(name) ?? []), index])
              send(ends.get(name)!, index, size)
            })
          }
          for (const { at: when, kind, first, second } of breaks) {
            const [a, b] = [hosts[first]!, hosts[second]!]
            const end = ends.get(`${first}>${second}`)?.end
            at(start + when, () => {
              if (kind === "cut") faults.cut(a, b)
              else if (kind === "oneWay") faults.cutOneWay(a, b)
              else if (kind === "heal") faults.heal(a, b)
              else if (kind === "kill") faults.killProcess(a)
              else if (kind === "powerOff") faults.powerOff(a)
              else if (kind === "partition") faults.partition([[a], [b]])
              else if (kind === "healAll") faults.healAll()
              else if (end !== undefined && kind === "close") connections.close(end, "closed")
              else if (end !== undefined) connections.reset(end, "reset")
              network.checkConservation()
            })
          }
          passTime(20_000_000)
          network.checkConservation()
          expect(network.bytesInFlight()).toBe(0)
          for (const [name, indices] of sent) {
            const [from, to] = name.split(">").map(Number) as [number, number]
            const arrived = ends.get(`${to}>${from}`)!.arrivals.map(({ payload }) => payload)
            expect(arrived).toEqual(indices.slice(0, arrived.length))
          }
          for (const host of hosts) {
            for (const end of host.ends) expect(network.isSending(end)).toBe(false)
          }
        }
      ),
      { numRuns: 100 }
    )
  })
})

/** In no span from a send to an arrival does a link carry more than its rate allows. */
const expectWithinRate = (
  arrivals: ReadonlyArray<Arrival>,
  cost: number,
  transfers: ReadonlyArray<Transfer>,
  start: number
): void => {
  const sentAt = (arrival: Arrival): number => start + transfers[arrival.payload as number]!.at
  const control = arrivals.reduce((sum, { size }) => sum + (size > bulkThreshold ? 0 : size), 0)
  for (const first of arrivals) {
    for (const last of arrivals) {
      let work = 0
      for (const arrival of arrivals) {
        if (sentAt(arrival) >= sentAt(first) && arrival.at <= last.at) work += arrival.size * cost
      }
      // Control frames pass bulk and delay later bulk, so at most their own time is early.
      expect(work).toBeLessThanOrEqual(Math.max(0, last.at - sentAt(first)) + control * cost + 1)
    }
  }
}
