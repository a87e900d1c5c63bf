// The places of hosts, the shared links between them, and the effect of both on latency and rates.

import { describe, expect, it } from "vitest"
import { MB, makeWorld } from "../../../testing/runtime-sim/network.ts"
import { makeSimulation } from "../simulation.ts"
import { NetworkRefused } from "./link-model.ts"

const latency = { sameRack: 100, sameZone: 400, acrossZones: 2000 }
const shared = { uplink: 60 * MB, downlink: 60 * MB }

const places = {
  a: { rack: "1", zone: "east" },
  near: { rack: "1", zone: "east" },
  b: { rack: "2", zone: "east" },
  far: { rack: "1", zone: "west" },
  loose: { zone: "east" },
  nowhere: {},
  alsoNowhere: {}
}

const world = (changes: Parameters<typeof makeWorld>[0]) => {
  const made = makeWorld({ latency, ...changes })
  const hosts = Object.fromEntries(
    Object.entries(places).map(([name, place]) => [name, made.connections.host(name, undefined, place)])
  ) as Record<keyof typeof places, ReturnType<typeof made.connections.host>>
  return { ...made, hosts }
}

describe("latency by distance", () => {
  it.each([
    ["a", "near", 100],
    ["a", "b", 400],
    ["a", "loose", 400],
    ["a", "far", 2000],
    ["a", "nowhere", 2000],
    ["nowhere", "alsoNowhere", 400]
  ] as const)("from %s to %s", (from, to, micros) => {
    const { hosts, listen, dial, passTime } = world({})
    const accepted = listen(hosts[to])
    const end = dial(hosts[from], to)
    passTime(10_000)
    expect(accepted[0]?.events).toEqual([`opened @${micros}`])
    expect(end.events).toEqual([`opened @${2 * micros}`])
  })
})

describe.each(["fair", "fair-exact"] as const)("shared links with %s", (linkModel) => {
  /** Time of a megabyte on each of these routes when all are used at once, without latency. */
  const race = (
    options: Parameters<typeof makeWorld>[0],
    ways: ReadonlyArray<readonly [from: keyof typeof places, to: keyof typeof places]>
  ) => {
    const { hosts, listen, dial, send, passTime, kernel } = world({ linkModel, latency: 500, ...options })
    for (const host of Object.values(hosts)) listen(host)
    const ends = ways.map(([from, to]) => dial(hosts[from], to))
    passTime(5000)
    const start = kernel.now
    for (const end of ends) send(end, "piece", MB)
    passTime(1_000_000)
    return ends.map(({ sentAt }) => Math.ceil((sentAt[0]![1] - start) / 10) * 10)
  }

  it("a rack's links limit traffic that leaves the rack, and none inside", () => {
    const ways = [
      ["near", "b"],
      ["a", "loose"],
      ["b", "near"],
      ["a", "near"]
    ] as const
    // Both routes out of rack 1 share its 60 MB/s uplink. The route into it shares the downlink of "near" with the
    // route inside.
    expect(race({ racks: shared }, ways)).toEqual([33_340, 33_340, 20_000, 20_000])
  })

  it("racks with one name in two zones are two racks", () => {
    const ways = [
      ["a", "b"],
      ["far", "nowhere"]
    ] as const
    expect(race({ racks: shared }, ways)).toEqual([16_670, 16_670])
  })

  it("a zone's links limit traffic that leaves the zone", () => {
    const ways = [
      ["a", "far"],
      ["b", "nowhere"],
      ["near", "loose"],
      ["alsoNowhere", "far"]
    ] as const
    // The first route shares its zone's uplink with the second, and the downlink of the other zone with the last.
    expect(race({ zones: shared }, ways)).toEqual([33_340, 33_340, 10_000, 33_340])
  })

  it("without rates of racks and zones, only the links of hosts limit", () => {
    const ways = [
      ["a", "far"],
      ["b", "nowhere"]
    ] as const
    expect(race({}, ways)).toEqual([10_000, 10_000])
  })
})

describe("the model queue", () => {
  it("refuses shared links and says what to do", () => {
    for (const options of [{ racks: shared }, { zones: shared }]) {
      const onQueues = () => makeWorld({ ...options, linkModel: "queue" })
      expect(onQueues).toThrow(NetworkRefused)
      expect(onQueues).toThrow(/link model "fair"/)
    }
  })
})

describe("a machine", () => {
  it("keeps its first place, and takes new rates when it is named again", () => {
    const simulation = makeSimulation({ seed: "places", linkModel: "fair", zones: shared })
    const { host } = simulation.machine("m", undefined, { zone: "east" })
    expect(simulation.machine("m").host).toBe(host)
    expect(host.place).toEqual({ zone: "east" })
    expect(() => simulation.machine("m", undefined, { zone: "west" })).toThrow(/elsewhere/)
    simulation.machine("m", { uplink: MB, downlink: MB })
    const bytes = simulation.network.links.alone(host.index, host.index, MB)
    expect(bytes).toBe(1e6)
  })
})
