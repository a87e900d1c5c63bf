import { describe, expect, it } from "vitest"
import { Bitfield } from "./bitfield.ts"
import { TestWorld, testMetainfo, testSwarm } from "./test-world.ts"
import { milliseconds, seconds } from "./time.ts"

describe("peer host", () => {
  it("moves a blob from an origin to an agent", () => {
    const world = new TestWorld(1)
    const swarm = testSwarm(1)
    const metainfo = testMetainfo(20, 1000, 400)
    const origin = world.add({ kind: "origin" })
    const agent = world.add()
    origin.open(swarm, metainfo, Bitfield.full(20))
    agent.open(swarm, metainfo, new Bitfield(20))
    agent.step({ tag: "PeersOffered", swarm, peers: [origin.peer] })
    world.run(seconds(5), () => agent.isComplete(swarm))
    expect(agent.completedAt.get(swarm)).toBeLessThan(milliseconds(100))
    expect(agent.machine.counters.bytesReceivedFromOrigins).toBe(20 * 1000 - 400)
    expect(agent.machine.counters.piecesDuplicate).toBe(0)
  })

  it("spreads a blob over 60 hosts", () => {
    const world = new TestWorld(2)
    const swarm = testSwarm(1)
    const pieces = 64
    const metainfo = testMetainfo(pieces, 1 << 20)
    const linkMicrosPerByte = 1 / 300
    const origin = world.add({ kind: "origin", linkMicrosPerByte })
    for (let index = 0; index < 59; index++) world.add({ linkMicrosPerByte })
    for (const host of world.hosts) {
      host.open(swarm, metainfo, host === origin ? Bitfield.full(pieces) : new Bitfield(pieces))
    }
    world.track(swarm, 24, seconds(3))
    const done = world.run(seconds(20), () => world.hosts.every((host) => host.isComplete(swarm)))
    expect(done).toBe(true)
    let duplicates = 0
    let rejects = 0
    let requests = 0
    for (const { machine } of world.hosts) {
      duplicates += machine.counters.piecesDuplicate
      rejects += machine.counters.rejectsReceived
      requests += machine.counters.requestsSent
    }
    const slot = (1 << 20) / 300
  })
})
