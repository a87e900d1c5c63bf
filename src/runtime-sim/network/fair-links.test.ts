// The instants at which frames complete under the fair models: "fair-exact" against a fluid computation by
// progressive filling, "fair" against "fair-exact" on the load of a registry; and the effect on bulk of control
// frames, changed rates and closed connections.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"
import { playClosedLoop, type RegistryLoad, replay } from "../../../testing/runtime-sim/registry-load.ts"
import { fluidEnds } from "../../../testing/runtime-sim/water-filling.ts"
import type { NetworkHost as H } from "./connection.ts"

const hostCount = 5
const rackOf = [0, 0, 1, 1, 2]
const zoneOf = [0, 0, 0, 0, 1]

/** Links by number: uplinks, downlinks, then both directions of three racks and two zones. */
const wayOf = (from: number, to: number): ReadonlyArray<number> => {
  const [rackFrom, rackTo] = [rackOf[from]!, rackOf[to]!]
  const racks = rackFrom === rackTo ? [] : [2 * hostCount + rackFrom, 2 * hostCount + 3 + rackTo]
  const [zoneFrom, zoneTo] = [zoneOf[from]!, zoneOf[to]!]
  const zones = zoneFrom === zoneTo ? [] : [2 * hostCount + 6 + zoneFrom, 2 * hostCount + 8 + zoneTo]
  return [from, hostCount + to, ...racks, ...zones]
}

const rate = fc.integer({ min: 5, max: 200 })
const both = fc.record({ uplink: rate, downlink: rate })
const transfer = fc.record({
  at: fc.nat(80_000),
  from: fc.nat(hostCount - 1),
  hop: fc.integer({ min: 1, max: hostCount - 1 }),
  size: fc.integer({ min: 20_000, max: 3 * MB })
})

describe("fair-exact", () => {
  it("completes every frame at the instant that progressive filling at each start and end gives", () => {
    fc.assert(
      fc.property(
        fc.array(both, { minLength: hostCount, maxLength: hostCount }),
        both,
        both,
        fc.array(transfer, { minLength: 1, maxLength: 40 }),
        (rates, racks, zones, transfers) => {
          const inMB = (each: { uplink: number; downlink: number }) => ({
            uplink: each.uplink * MB,
            downlink: each.downlink * MB
          })
          const { connections, at, listen, dial, send, passTime, kernel, network } = makeWorld({
            linkModel: "fair-exact",
            racks: inMB(racks),
            zones: inMB(zones)
          })
          const hosts = rates.map((each, index) =>
            connections.host(`h${index}`, inMB(each), {
              rack: `r${rackOf[index]}`,
              zone: `z${zoneOf[index]}`
            })
          )
          const accepted = hosts.map(listen)
          const dialled = transfers.map(({ from, hop }) => {
            const end = dial(hosts[from]!, `h${(from + hop) % hostCount}`)
            passTime(2000)
            return end
          })
          const start = kernel.now
          for (const [index, { at: when, size }] of transfers.entries()) {
            at(start + when, () => send(dialled[index]!, index, size))
          }
          passTime(60_000_000)
          network.checkConservation()
          const capacities = [
            ...rates.map(({ uplink }) => uplink),
            ...rates.map(({ downlink }) => downlink),
            ...[0, 1, 2].map(() => racks.uplink),
            ...[0, 1, 2].map(() => racks.downlink),
            ...[0, 1].map(() => zones.uplink),
            ...[0, 1].map(() => zones.downlink)
          ]
          const ends = fluidEnds(
            capacities,
            transfers.map(({ at: when, from, hop, size }) => ({
              at: when,
              size,
              links: wayOf(from, (from + hop) % hostCount)
            }))
          )
          const arrivals = accepted.flat().flatMap((recorder) => recorder.arrivals)
          expect(arrivals).toHaveLength(transfers.length)
          for (const { payload, at: when } of arrivals) {
            // The end is rounded up to a microsecond, like the instant at which each earlier frame gave up its share.
            const late = when - 500 - start - ends[payload as number]!
            expect(late).toBeGreaterThan(-1 - transfers.length)
            expect(late).toBeLessThan(1 + transfers.length)
          }
        }
      ),
      { numRuns: 30 }
    )
  })
})

const registry: RegistryLoad = {
  hosts: 200,
  downloadsEach: 8,
  atOnce: 5,
  uploadSlots: 2,
  size: 4 * MB,
  rates: () => ({ uplink: 300 * MB, downlink: 300 * MB }),
  place: () => ({}),
  fabric: {}
}
const unequal = (host: number) => ({
  uplink: [50, 300, 125][host % 3]! * MB,
  downlink: [300, 100][host % 2]! * MB
})
const place = (host: number) => ({ rack: `r${host % 10}`, zone: `z${host % 2}` })
const fabric = {
  racks: { uplink: 2000 * MB, downlink: 1000 * MB },
  zones: { uplink: 3000 * MB, downlink: 5000 * MB }
}

describe("fair", () => {
  it.each([
    ["equal links", registry],
    ["unlimited upload slots", { ...registry, uploadSlots: 100 }],
    ["unequal links", { ...registry, rates: unequal }],
    ["racks and zones", { ...registry, place, fabric }],
    ["unequal links, racks and zones", { ...registry, uploadSlots: 5, rates: unequal, place, fabric }]
  ] as const)("on %s: 99 of 100 frames take as long as in fair-exact, within one percent", (_name, load) => {
    const transfers = playClosedLoop(load, "fair-exact")
    const exact = replay(load, "fair-exact", transfers)
    expect(exact).toEqual(transfers.map(({ begun, ended }) => ended - begun))
    const errors = replay(load, "fair", transfers)
      .map((took, index) => Math.abs(took - exact[index]!) / exact[index]!)
      .sort((a, b) => a - b)
    expect(errors[Math.floor(errors.length * 0.99)]).toBeLessThan(0.01)
    // In a closed loop, one difference changes the order of service afterwards, but not the total time.
    const last = (all: ReadonlyArray<{ ended: number }>) => Math.max(...all.map(({ ended }) => ended))
    const ratio = last(playClosedLoop(load, "fair")) / last(transfers)
    expect(ratio).toBeGreaterThan(0.98)
    expect(ratio).toBeLessThan(1.02)
  })
})

describe.each(["fair", "fair-exact"] as const)("%s", (linkModel) => {
  it("shares an uplink among the connections of a host, and redistributes a share that becomes free", () => {
    const { connections, listen, dial, send, passTime } = makeWorld({ linkModel })
    const hosts = ["b", "c"].map((name) => connections.host(name))
    const [toB, toC] = hosts.map(listen)
    const ab = dial(connections.host("a"), "b")
    const ac = dial(connections.host("a"), "c")
    passTime(1000)
    send(ab, "short", MB)
    send(ac, "long", 3 * MB)
    send(ab, "short again", MB)
    passTime(60_000)
    expect(toB?.[0]?.arrivals.map(({ at }) => at)).toEqual([21_500, 41_500])
    expect(toC?.[0]?.arrivals.map(({ at }) => at)).toEqual([51_500])
    expect(ab.sentAt).toEqual([
      ["short", 21_000],
      ["short again", 41_000]
    ])
  })

  it("lets control frames pass bulk, and takes their bytes from the bulk behind", () => {
    const { pair, send, dial, passTime, listen, connections } = makeWorld({ linkModel })
    const { a, b, hostA } = pair()
    const toC = listen(connections.host("c"))
    const ac = dial(hostA, "c")
    passTime(1000)
    send(a, "first", MB)
    for (let frame = 0; frame < 100; frame++) send(ac, "control", 10_000)
    send(a, "second", MB)
    passTime(60_000)
    expect(toC[0]?.arrivals[0]?.at).toBe(2000 + 500 + 200)
    expect(b.arrivals.at(-1)).toMatchObject({ payload: "second", at: 2000 + 30_000 + 500 })
  })

  it.each(["sender", "receiver"])("gives the share of a dead %s to the others at once", (who) => {
    const { connections, dial, listen, send, passTime, network, faults } = makeWorld({ linkModel })
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => connections.host(name)) as [H, H, H, H]
    const toB = listen(b)
    const toC = listen(c)
    // The dying flow shares a link with the last one: as senders the receiver's downlink, as receivers the sender's
    // uplink.
    const dying = who === "sender" ? dial(d, "b") : dial(a, "c")
    passTime(1000)
    const lasting = dial(a, "b")
    passTime(1000)
    send(dying, "lost", MB)
    send(dying, "lost behind it", MB)
    send(lasting, "arrives", MB)
    passTime(10_000)
    faults.killProcess(who === "sender" ? d : c)
    passTime(60_000)
    network.checkConservation()
    expect(network.bytesInFlight()).toBe(0)
    expect(toC.flatMap(({ arrivals }) => arrivals)).toEqual([])
    expect(toB.at(-1)!.arrivals.map(({ at }) => at)).toEqual([2000 + 15_000 + 500])
  })
})

describe.each([
  // In the model "queue", the frame keeps the time that it was given.
  ["queue", 12_000],
  ["fair", 17_000],
  ["fair-exact", 17_000]
] as const)("%s", (linkModel, firstLeft) => {
  it("accepts new rates of a running host", () => {
    const { pair, send, at, passTime, network } = makeWorld({ linkModel })
    const { a, b, hostA } = pair()
    at(2000, () => send(a, "first", MB))
    at(2001, () => send(a, "second", MB))
    at(7000, () => network.setRates(hostA, { uplink: 50 * MB, downlink: 50 * MB }))
    passTime(80_000)
    expect(b.arrivals.map((arrival) => arrival.at)).toEqual([firstLeft + 500, firstLeft + 20_000 + 500])
  })
})
