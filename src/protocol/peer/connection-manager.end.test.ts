// The connection manager alone: how connections end, and what is held against their peers.

import { describe, expect, it } from "vitest"
import { setUpConnections as setUp } from "../../../testing/protocol/test-connections.ts"
import { namedSwarm } from "../../../testing/protocol/test-context.ts"
import { testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Neighbour } from "../swarm/neighbour.ts"
import type { ByeReason } from "../wire/message.ts"
import type { PeerSession } from "./peer-session.ts"

const share = (session: PeerSession, swarm: number): void =>
  session.addNeighbour(new Neighbour(session, namedSwarm(8, testSwarm(swarm)), 0, 0))

describe("the end of a connection", () => {
  it.each<[ByeReason, number]>([
    ["duplicate", 0],
    ["idle", 0],
    ["shutdown", 1000],
    ["full", 1000],
    ["banned", 1000],
    ["version", 1000],
    ["protocol-error", 1000]
  ])("by the peer's Bye %s is answered by none, and holds it back for %i microseconds", (reason, wait) => {
    const { manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    take()
    manager.onBye(session, reason, 0)
    expect(take()).toEqual({ out: [`-1 ends: the peer said Bye: ${reason}`], called: ["-1 has ended"] })
    expect(heldAgainst(7)).toBe(wait)
  })

  it("by the peer is held against it, and takes back its uploads", () => {
    const { context, budget, manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    take()
    manager.disconnected(-1, 0)
    expect(session.state).toBe("closing")
    expect(take()).toEqual({ out: [], called: ["-1 has ended", "-1 takes no uploads"] })
    expect([heldAgainst(7), budget.size, context.deadlines.next]).toEqual([1000, 0, undefined])
    expect(() => manager.disconnected(-1, 0)).toThrow("connection -1 is not known")
  })

  it("by this host is over when the transport says so, and is held against nobody", () => {
    const { context, budget, manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    manager.end(session, "idle", "why", 0)
    expect(context.deadlines.next).toBeUndefined()
    take()
    manager.end(session, "idle", "why", 0)
    expect(budget.size).toBe(1)
    expect(budget.openWith(testPeer(7).peerId)).toBeUndefined()
    expect(manager.receiving(-1)).toBeUndefined()
    manager.disconnected(-1, 0)
    expect(take()).toEqual({ out: [], called: ["-1 takes no uploads"] })
    expect([heldAgainst(7), budget.size]).toEqual([0, 0])
  })

  it("comes idleConnectionTimeout after its last use, unless it is used again", () => {
    const { context, manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    context.now = 500
    manager.idled(session, 500)
    take()
    context.wakeUntil(2499)
    expect(take().out).toEqual([])
    context.wakeUntil(2500)
    expect(take().out).toEqual(["-1 <- Bye idle", "-1 ends: no swarm in common for long"])
    expect(heldAgainst(7)).toBe(0)
    manager.idled(session, 2500)
    expect(context.deadlines.next).toBeUndefined()

    share(accept(-2, 8), 1)
    take()
    context.wakeUntil(10_000)
    expect(take().out).toEqual([])
  })

  it("for want of progress is told to nobody, and held against the peer", () => {
    const { manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    take()
    manager.drop(session, "stalled", 0)
    expect(take()).toEqual({ out: ["-1 ends: stalled"], called: ["-1 has ended"] })
    expect(heldAgainst(7)).toBe(1000)
  })

  it("is held against the peer once, however many of its swarms give the connection up", () => {
    const { manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    take()
    manager.drop(session, "silent", 0)
    take()
    manager.drop(session, "stalled", 0)
    expect(take()).toEqual({ out: [], called: [] })
    expect(heldAgainst(7)).toBe(1000)
  })
})

describe("a peer that breaks the protocol", () => {
  it("is told, held back, counted and banned", () => {
    const { context, budget, manager, accept, take, heldAgainst } = setUp()
    const session = accept(-1, 7)
    take()
    context.now = 50
    manager.violation(session, "why", 50)
    expect(take()).toEqual({
      out: ["bans 7 at host-7:1: why", "-1 <- Bye protocol-error", "-1 ends: protocol error: why"],
      called: ["-1 has ended"]
    })
    expect(context.counters).toMatchObject({ protocolErrors: 1, peersBanned: 1 })
    expect(budget.bans()).toEqual([{ peerId: testPeer(7).peerId, until: 10_050, reason: "why" }])
    expect(heldAgainst(7)).toBe(1000)
    manager.violation(session, "again", 60)
    expect([take().out, context.counters.protocolErrors]).toEqual([[], 1])
  })

  it("is not banned before it has a name", () => {
    const { context, budget, manager, session, connected, take } = setUp()
    connected(-1)
    manager.violation(session(-1), "why", 0)
    expect(take().out).toEqual(["-1 <- Bye protocol-error", "-1 ends: protocol error: why"])
    expect([budget.bans(), context.counters.peersBanned]).toEqual([[], 0])
  })

  it("is a peer whose frames cannot be read, unless they are of another version", () => {
    const { context, budget, manager, accept, take, heldAgainst } = setUp()
    manager.broken(accept(-1, 7), "protocol-error", "nonsense", 0)
    expect(take().out.slice(1)).toEqual([
      "bans 7 at host-7:1: nonsense",
      "-1 <- Bye protocol-error",
      "-1 ends: protocol error: nonsense"
    ])
    const session = accept(-2, 8)
    take()
    manager.broken(session, "version", "version 9", 0)
    expect(take().out).toEqual(["-2 <- Bye version", "-2 ends: version 9"])
    expect([heldAgainst(8), budget.bans().length, context.counters.protocolErrors]).toEqual([1000, 1, 1])
    context.now = 500
    manager.broken(session, "version", "version 9", 500)
    expect([take().out, heldAgainst(8)]).toEqual([[], 500])
  })
})

describe("a ban", () => {
  it("ends the peer's connection, when it has one", () => {
    const { context, manager, accept, take } = setUp()
    accept(-1, 7)
    accept(-2, 8)
    take()
    manager.banPeer(testPeer(7).peerId, "where", "why", 0)
    manager.banPeer(testPeer(9).peerId, "elsewhere", "why", 0)
    expect(take().out).toEqual([
      "bans 7 at where: why",
      "-1 <- Bye banned",
      "-1 ends: banned: why",
      "bans 9 at elsewhere: why"
    ])
    expect(context.counters.peersBanned).toBe(2)
  })
})
