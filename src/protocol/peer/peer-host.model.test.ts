// The peer machine against a model: worlds of a few hosts with small limits, in which fast-check chooses hosts, faults
// and their times. test-world.ts throws when a host breaks an invariant; these tests check that all honest hosts
// complete once the faults stop, and that nothing is left over.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { noFaults, type TestHost } from "../../../testing/protocol/test-host.ts"
import { testMetainfo, testSwarm } from "../../../testing/protocol/test-values.ts"
import { TestWorld } from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"
import { milliseconds, seconds } from "../kit/time.ts"
import type { PeerHostRules } from "../swarm/host-context.ts"
import type { SwarmId } from "../wire/message.ts"

const faultsEnd = seconds(8)

const anyRules: fc.Arbitrary<Partial<PeerHostRules>> = fc.record({
  targetNeighbours: fc.integer({ min: 1, max: 4 }),
  maxNeighbours: fc.integer({ min: 4, max: 6 }),
  maxSeederNeighbours: fc.integer({ min: 2, max: 6 }),
  maxConnections: fc.integer({ min: 6, max: 12 }),
  maxUploadQueue: fc.integer({ min: 1, max: 4 }),
  maxUploadsInFlight: fc.constant(1),
  maxRequestsPerSwarm: fc.integer({ min: 1, max: 8 }),
  maxRequestsPerNeighbour: fc.integer({ min: 1, max: 3 }),
  maxEndgameCopies: fc.integer({ min: 1, max: 3 }),
  maxPiecesPerMessage: fc.integer({ min: 1, max: 8 }),
  requestTimeoutBase: fc.constantFrom(milliseconds(40), seconds(1)),
  handshakeTimeout: fc.constant(seconds(1)),
  idleConnectionTimeout: fc.constantFrom(milliseconds(100), seconds(5)),
  maxRedialDelay: fc.constant(seconds(2))
})

const anyAgent = fc.record({
  faults: fc.oneof(
    { weight: 6, arbitrary: fc.constant(noFaults) },
    { weight: 1, arbitrary: fc.constant({ ...noFaults, corruptPercent: 50 }) },
    { weight: 1, arbitrary: fc.constant({ ...noFaults, silent: true }) },
    { weight: 1, arbitrary: fc.constant({ ...noFaults, loadFailPercent: 30 }) },
    { weight: 1, arbitrary: fc.constant({ ...noFaults, liesAboutHave: true }) }
  ),
  joinsAt: fc.constantFrom(0, 0, milliseconds(20), seconds(1)),
  had: fc.constantFrom(0, 0, 30)
})

const anyEvent = fc.record({
  at: fc.integer({ min: 0, max: faultsEnd }),
  host: fc.nat(20),
  what: fc.constantFrom("cut", "cut", "cut all", "kill", "reopen", "stall", "read", "rest")
})

const anyPlan = fc.record({
  seed: fc.nat(1_000_000),
  swarms: fc.integer({ min: 1, max: 2 }),
  pieces: fc.integer({ min: 1, max: 40 }),
  agents: fc.array(anyAgent, { minLength: 2, maxLength: 7 }),
  origins: fc.integer({ min: 1, max: 2 }),
  events: fc.array(anyEvent, { maxLength: 25 }),
  dialFailPercent: fc.constantFrom(0, 0, 40),
  slowNetwork: fc.boolean(),
  link: fc.constantFrom(0, 0.01, 1),
  rules: anyRules
})

type Plan = typeof anyPlan extends fc.Arbitrary<infer Value> ? Value : never

const swarmsOf = (plan: Plan): readonly SwarmId[] => [testSwarm(7), testSwarm(8)].slice(0, plan.swarms)

const build = (plan: Plan): TestWorld => {
  const world = new TestWorld(plan.seed, plan.rules)
  const metainfo = testMetainfo(plan.pieces, 1000, plan.pieces > 1 ? 300 : 0)
  world.networkDelay = plan.slowNetwork ? [0, milliseconds(30)] : [100, 700]
  world.dialFailPercent = plan.dialFailPercent
  const swarms = swarmsOf(plan)
  for (let index = 0; index < plan.origins; index++) {
    const origin = world.add({ kind: "origin", linkMicrosPerByte: plan.link })
    // Half of the origins learn of a swarm only when a peer opens it.
    for (const swarm of swarms) {
      if (index % 2 === 0) origin.open(swarm, metainfo, Bitfield.full(plan.pieces))
      else origin.library.set(swarm, { metainfo, verified: Bitfield.full(plan.pieces) })
    }
  }
  for (const { faults, joinsAt, had } of plan.agents) {
    const agent = world.add({ faults, linkMicrosPerByte: plan.link })
    for (const [index, swarm] of swarms.entries()) {
      const have = new Bitfield(plan.pieces)
      for (let piece = 0; piece < plan.pieces; piece++) if (world.chance(had)) have.set(piece)
      world.at(joinsAt + index * milliseconds(3), () => agent.open(swarm, metainfo, have))
    }
  }
  for (const { at, host, what } of plan.events) {
    world.at(at, () =>
      strike(world, world.hosts[host % world.hosts.length]!, swarms[at % swarms.length]!, what)
    )
  }
  world.at(faultsEnd, () => {
    world.dialFailPercent = 0
  })
  for (const swarm of swarms) world.track(swarm, 3, seconds(1))
  return world
}

const strike = (world: TestWorld, host: TestHost, swarm: SwarmId, what: string): void => {
  if (!host.alive) return
  const connections = [...host.links.keys()]
  const isLastOrigin = host.peer.kind === "origin"
  switch (what) {
    case "cut":
      if (connections.length > 0) world.cut(host, connections[world.nextInt(connections.length)]!)
      return
    case "cut all":
      for (const connection of connections) world.cut(host, connection)
      return
    case "kill":
      if (!isLastOrigin) world.kill(host)
      return
    case "reopen": {
      const store = host.stores.get(swarm)
      if (store === undefined || isLastOrigin) return
      const { metainfo, verified } = store
      host.close(swarm)
      if (verified.isFull) host.completedAt.delete(swarm)
      world.after(milliseconds(5), () => {
        if (host.alive) host.open(swarm, metainfo, verified.copy())
      })
      return
    }
    case "stall":
      // The path fails silently, and both ends take a while to notice.
      for (const { link } of host.links.values()) link.up = false
      return
    case "read":
      host.step({ tag: "ReaderMoved", swarm, reader: world.nextInt(3), firstPiece: 0, endPiece: 4 })
      return
    case "rest":
      // For a while only the windows of its readers are wanted.
      host.step({ tag: "DemandChanged", swarm, whole: false })
      world.after(seconds(2), () => host.step({ tag: "DemandChanged", swarm, whole: true }))
      return
  }
}

const check = (plan: Plan): void => {
  const world = build(plan)
  world.run(faultsEnd)
  const pulling = world.hosts.filter(
    (host) => host.alive && host.peer.kind === "agent" && !host.faults.liesAboutHave
  )
  const swarms = swarmsOf(plan)
  const isDone = (host: TestHost) => swarms.every((swarm) => host.isComplete(swarm))
  const done = world.run(seconds(1200), () => pulling.every(isDone))
  if (!done && pulling.length > 0) {
    const state = world.hosts
      .filter((host) => host.alive)
      .map((host) =>
        JSON.stringify([
          host.peer.address,
          swarms.map((swarm) => [host.machine.swarmStatus(swarm), host.machine.neighbours(swarm)])
        ])
      )
    throw new Error(`not complete after ${world.now}:\n${state.join("\n")}`)
  }
  // In the end every request on a connection that exists is answered.
  const honest = world.hosts.every((host) => !host.faults.silent && host.alive)
  world.run(world.now + seconds(3))
  if (honest && !plan.events.some((event) => event.what === "stall")) expect(world.unanswered()).toBe(0)
  for (const host of world.hosts) {
    const { counters } = host.machine
    const answered = counters.piecesStored + counters.piecesCorrupt + counters.piecesDuplicate
    expect(answered).toBeLessThanOrEqual(counters.requestsSent)
    // Dishonest hosts lie with well-formed messages only, so a protocol error is a defect.
    expect(counters.protocolErrors).toBe(0)
    for (const value of Object.values(counters)) expect(value).toBeGreaterThanOrEqual(0)
  }
}

describe("peer host, model", () => {
  it("keeps its invariants under faults, and completes when they stop", () => {
    fc.assert(fc.property(anyPlan, check), { numRuns: 150 })
  })

  it("gives the same run for the same plan", () => {
    fc.assert(
      fc.property(anyPlan, (plan) => {
        const traces = [build(plan), build(plan)].map((world) => {
          world.run(faultsEnd)
          return [world.trace, world.steps]
        })
        expect(traces[0]).toEqual(traces[1])
      }),
      { numRuns: 15 }
    )
  })
})
