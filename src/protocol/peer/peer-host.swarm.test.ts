// The peer machine in whole worlds: the copies that a source uploads, and how hosts find each other.

import { describe, expect, it } from "vitest"
import { testMetainfo, testSwarm } from "../../../testing/protocol/test-values.ts"
import { TestWorld } from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { milliseconds, seconds } from "../kit/time.ts"

const swarm = testSwarm(1)
const pieceLength = 4 << 20
/** 300 MB/s. */
const linkMicrosPerByte = 1 / 300
const slot = pieceLength * linkMicrosPerByte

const firstWave = (seed: number, agents: number, origins: number, pieces: number) => {
  const world = new TestWorld(seed)
  const metainfo = testMetainfo(pieces, pieceLength)
  const sources = Array.from({ length: origins }, () => world.add({ kind: "origin", linkMicrosPerByte }))
  for (let index = 0; index < agents; index++) world.add({ linkMicrosPerByte })
  for (const host of world.hosts) {
    host.open(swarm, metainfo, host.peer.kind === "origin" ? Bitfield.full(pieces) : new Bitfield(pieces))
  }
  world.track(swarm, 24, seconds(3))
  let copies = 0
  const done = world.run(seconds(60), () => {
    const out = sources.map((source) => source.copiesSent)
    if (copies === 0 && metainfo.length > 0) {
      const outside = new Set(out.flatMap((sent) => Object.keys(sent)))
      if (outside.size === pieces) copies = out.flat().reduce((sum, one) => sum + one, 0) / pieces
    }
    return world.hosts.every((host) => host.isComplete(swarm))
  })
  expect(done).toBe(true)
  let duplicates = 0
  let stored = 0
  let sent = 0
  let received = 0
  for (const { machine } of world.hosts) {
    const { counters } = machine
    duplicates += counters.piecesDuplicate
    stored += counters.piecesStored
    sent += counters.bytesSent
    received += counters.bytesReceivedFromAgents + counters.bytesReceivedFromOrigins
  }
  expect(stored).toBe(agents * pieces)
  // Every byte that arrived was sent; the last bytes may still be in flight.
  expect(received).toBeLessThanOrEqual(sent)
  expect(received).toBe((stored + duplicates) * pieceLength)
  return { world, copies, duplicateShare: duplicates / stored, slots: world.now / slot }
}

describe("peer host, flash crowd", () => {
  it.each([1, 2, 3])(
    "needs little more than one copy from the origin, and few duplicates (seed %i)",
    (seed) => {
      const { copies, duplicateShare, slots } = firstWave(seed, 59, 1, 64)
      expect(copies).toBeLessThanOrEqual(1.2)
      expect(duplicateShare).toBeLessThanOrEqual(0.01)
      // Bound by counting: 64 + 5 slots.
      expect(slots).toBeLessThan(1.4 * 69)
    }
  )

  it("shares the first copies among origins", () => {
    const { copies, duplicateShare } = firstWave(4, 60, 3, 90)
    // On its own, each origin would upload a full copy.
    expect(copies).toBeLessThanOrEqual(1.6)
    expect(duplicateShare).toBeLessThanOrEqual(0.01)
  })
})

describe("peer host, connections", () => {
  it("keeps one connection when two hosts dial each other at once", () => {
    for (let seed = 0; seed < 30; seed++) {
      const world = new TestWorld(seed)
      world.networkDelay = [0, milliseconds(20)]
      const one = world.add()
      const two = world.add()
      const metainfo = testMetainfo(4, 1000)
      for (const host of [one, two]) host.open(swarm, metainfo, new Bitfield(4))
      one.step({ tag: "PeersOffered", swarm, peers: [two.peer] })
      world.run(world.nextInt(milliseconds(30)))
      two.step({ tag: "PeersOffered", swarm, peers: [one.peer] })
      world.run(seconds(2))
      for (const host of [one, two]) {
        expect(host.machine.connections).toBe(1)
        expect(host.machine.neighbours(swarm)).toHaveLength(1)
      }
      // Both ends dropped the same connection, so neither had to dial again.
      const { connectionsDialled } = one.machine.counters
      expect(connectionsDialled + two.machine.counters.connectionsDialled).toBeLessThanOrEqual(2)
      expect(one.machine.counters.protocolErrors + two.machine.counters.protocolErrors).toBe(0)
    }
  })

  it("shares one connection among swarms", () => {
    const world = new TestWorld(1)
    const origin = world.add({ kind: "origin" })
    const agent = world.add()
    for (let number = 1; number <= 5; number++) {
      const metainfo = testMetainfo(3, 1000)
      origin.library.set(testSwarm(number), { metainfo, verified: Bitfield.full(3) })
      agent.open(testSwarm(number), metainfo, new Bitfield(3))
      agent.step({ tag: "PeersOffered", swarm: testSwarm(number), peers: [origin.peer] })
    }
    const complete = () => [1, 2, 3, 4, 5].every((number) => agent.isComplete(testSwarm(number)))
    expect(world.run(seconds(5), complete)).toBe(true)
    expect(agent.machine.counters.connectionsDialled).toBe(1)
    expect(origin.machine.counters.connectionsAccepted).toBe(1)
  })

  it("makes room for a source when no neighbour has anything that it lacks", () => {
    const world = new TestWorld(1, { targetNeighbours: 2, maxNeighbours: 3 })
    const metainfo = testMetainfo(5, 1000)
    const origin = world.add({ kind: "origin" })
    const agents = Array.from({ length: 4 }, () => world.add())
    for (const agent of agents) {
      agent.open(swarm, metainfo, new Bitfield(5))
      agent.step({
        tag: "PeersOffered",
        swarm,
        peers: agents.filter((other) => other !== agent).map(({ peer }) => peer)
      })
      world.run(world.now + milliseconds(50))
    }
    expect(agents.every((agent) => agent.machine.neighbours(swarm).length === 3)).toBe(true)
    origin.open(swarm, metainfo, Bitfield.full(5))
    agents[0]!.step({ tag: "PeersOffered", swarm, peers: [origin.peer] })
    expect(world.run(seconds(5), () => agents.every((agent) => agent.isComplete(swarm)))).toBe(true)
  })

  it("completes when the origin has left but all pieces are outside", () => {
    const world = new TestWorld(3)
    const pieces = 30
    const metainfo = testMetainfo(pieces, pieceLength)
    const origin = world.add({ kind: "origin", linkMicrosPerByte })
    const agents = Array.from({ length: 12 }, () => world.add({ linkMicrosPerByte }))
    for (const agent of agents) agent.open(swarm, metainfo, new Bitfield(pieces))
    origin.open(swarm, metainfo, Bitfield.full(pieces))
    world.track(swarm, 10, seconds(1))
    const held = () => agents.reduce((sum, agent) => sum + agent.machine.swarmStatus(swarm)!.have, 0)
    const outside = () => {
      const all = new Bitfield(pieces)
      for (const agent of agents) {
        const { verified } = agent.stores.get(swarm)!
        for (let piece = 0; piece < pieces; piece++) if (verified.has(piece)) all.set(piece)
      }
      return all.isFull
    }
    expect(world.run(seconds(30), outside)).toBe(true)
    expect(held()).toBeLessThan(12 * pieces)
    world.kill(origin)
    expect(world.run(seconds(60), () => agents.every((agent) => agent.isComplete(swarm)))).toBe(true)
  })
})
