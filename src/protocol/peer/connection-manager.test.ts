// The connection manager alone: how connections begin, are greeted and replace each other. This host is peer 50.

import { describe, expect, it } from "vitest"
import { setUpConnections as setUp } from "../../../testing/protocol/test-connections.ts"
import { namedSwarm } from "../../../testing/protocol/test-context.ts"
import { testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Neighbour } from "../swarm/neighbour.ts"
import type { ByeReason } from "../wire/message.ts"
import { makeHello } from "./handshake.ts"
import type { PeerSession } from "./peer-session.ts"

const share = (session: PeerSession, swarm: number): void =>
  session.addNeighbour(new Neighbour(session, namedSwarm(8, testSwarm(swarm)), 0, 0))

describe("a connection that this host dials", () => {
  it("is numbered, counts against the budget, and is wanted for a swarm", () => {
    const { budget, session, dial, take } = setUp()
    expect([dial(7), dial(8, 2)]).toEqual([true, true])
    expect(take().out).toEqual(["dial 1 host-7:1", "dial 2 host-8:1"])
    expect(session(1)).toMatchObject({ state: "dialling", dialled: true, address: "host-7:1" })
    expect(session(2).intents).toEqual([testSwarm(2)])
    expect(budget.pendingWith(testPeer(7).peerId)).toBe(session(1))
  })

  it("shows the round trip by the answer to its Hello; one that is accepted shows none yet", () => {
    const { context, session, dial, connected, hello } = setUp()
    dial(7)
    context.now = 100
    for (const connection of [1, -1]) connected(connection)
    context.now = 140
    hello(1, 7)
    hello(-1, 8)
    expect([session(1).roundTrip, session(-1).roundTrip, session(-1).greetedAt]).toEqual([40, undefined, 140])
  })

  it("says Hello once it is connected, and waits for the peer's for handshakeTimeout", () => {
    const { context, session, dial, connected, take, heldAgainst } = setUp()
    dial(7)
    context.now = 100
    take()
    connected(1)
    expect(context.take()).toEqual([{ tag: "Send", connection: 1, message: makeHello(testPeer(50)) }])
    expect(session(1).state).toBe("greeting")
    expect(context.counters.connectionsDialled).toBe(1)
    context.wakeUntil(599)
    expect(take().out).toEqual([])
    context.wakeUntil(600)
    expect(take()).toEqual({ out: ["1 ends: no Hello in time"], called: ["1 has ended"] })
    expect(heldAgainst(7)).toBe(1000)
  })

  it("is open once the peer has said Hello, without another Hello", () => {
    const { context, budget, session, dial, connected, hello, take } = setUp()
    dial(7)
    connected(1)
    take()
    hello(1, 7, "origin")
    expect(take()).toEqual({ out: [], called: ["1 is ready"] })
    expect(session(1)).toMatchObject({ state: "open", kind: "origin", address: "host-7:1" })
    expect(budget.openWith(testPeer(7).peerId)).toBe(session(1))
    expect(context.deadlines.next).toBe(2000)
  })

  it("is not dialled while there is no room, but makes some of an idle connection", () => {
    const { session, dial, accept, take } = setUp({ maxConnections: 2 })
    share(accept(-1, 1), 1)
    accept(-2, 2)
    take()
    expect(dial(7)).toBe(false)
    expect(take().out).toEqual(["-2 <- Bye idle", "-2 ends: room for another connection"])
    expect(dial(7)).toBe(false)
    expect(take().out).toEqual([])
    expect(session(-1).state).toBe("open")
  })

  it("makes room only by connections that are open", () => {
    const { dial, connected, take } = setUp({ maxConnections: 2 })
    connected(-1)
    dial(7)
    take()
    expect(dial(8)).toBe(false)
    expect(take().out).toEqual([])
  })

  it("that fails is held against the peer", () => {
    const { context, budget, manager, dial, take, heldAgainst } = setUp()
    dial(7)
    take()
    manager.dialFailed(1, 0)
    expect(take()).toEqual({ out: [], called: ["1 has ended"] })
    expect([heldAgainst(7), budget.size, context.counters.dialsFailed]).toEqual([1000, 0, 1])
    expect(() => manager.dialFailed(1, 0)).toThrow("connection 1 was never dialled")
  })

  it("is ended without a word when it is not wanted any more, as soon as it is connected", () => {
    const { manager, session, dial, connected, take } = setUp()
    dial(7)
    take()
    manager.end(session(1), "shutdown", "why", 0)
    expect(take()).toEqual({ out: [], called: ["1 has ended"] })
    connected(1)
    expect(take()).toEqual({ out: ["1 ends: not wanted any more"], called: [] })
  })

  it("is connected once, and only when it was dialled", () => {
    const { dial, connected } = setUp()
    expect(() => connected(1)).toThrow("connection 1 was never dialled")
    dial(7)
    connected(1)
    expect(() => connected(1)).toThrow("connection 1 is connected twice")
  })

  it("holds it against the peer that was expected when another one answers", () => {
    const { budget, session, dial, connected, hello, heldAgainst } = setUp()
    dial(7)
    connected(1)
    hello(1, 8)
    expect([heldAgainst(7), heldAgainst(8)]).toEqual([1000, 0])
    expect(budget.openWith(testPeer(8).peerId)).toBe(session(1))
    expect(budget.pendingWith(testPeer(7).peerId)).toBeUndefined()
  })
})

describe("a connection that a peer dials", () => {
  it("is greeted after the peer's Hello, by which it is named", () => {
    const { context, manager, session, connected, hello, take } = setUp()
    connected(-1)
    expect(take().out).toEqual([])
    expect(session(-1)).toMatchObject({ state: "greeting", dialled: false, address: "" })
    expect([context.counters.connectionsAccepted, context.deadlines.next]).toEqual([1, 500])
    context.now = 100
    hello(-1, 7, "origin")
    expect(take()).toEqual({ out: ["-1 <- Hello"], called: ["-1 is ready"] })
    expect(session(-1)).toMatchObject({ state: "open", address: "host-7:1", kind: "origin" })
    expect(manager.receiving(-1)).toBe(session(-1))
    expect(context.deadlines.next).toBe(2100)
  })

  it("is refused while there is no room, and what it says is passed over", () => {
    const { context, budget, manager, connected, accept, take } = setUp({ maxConnections: 1 })
    accept(-1, 1)
    take()
    connected(-2)
    expect(take().out).toEqual([
      "-1 <- Bye idle",
      "-1 ends: room for another connection",
      "-2 <- Bye full",
      "-2 ends: full"
    ])
    expect(context.counters.connectionsAccepted).toBe(1)
    connected(-3)
    take()
    expect([manager.receiving(-2), manager.receiving(-3)]).toEqual([undefined, undefined])
    manager.disconnected(-2, 0)
    expect(take().called).toEqual([])
    expect(budget.size).toBe(1)
    expect(() => manager.receiving(-2)).toThrow("connection -2 is not known")
  })

  it("is refused by a host that stops", () => {
    const { manager, connected, dial, accept, take } = setUp()
    accept(-1, 1)
    dial(7)
    take()
    manager.stop(0)
    expect(take().out).toEqual(["-1 <- Bye shutdown", "-1 ends: shutting down"])
    connected(-2)
    expect(take().out).toEqual(["-2 <- Bye shutdown", "-2 ends: shutdown"])
    expect(dial(8)).toBe(false)
    expect(take().out).toEqual([])
  })
})

describe("a Hello", () => {
  it("is said once", () => {
    const { context, session, hello, accept, take } = setUp()
    accept(-1, 7)
    take()
    hello(-1, 7)
    expect(take().out).toEqual([
      "bans 7 at host-7:1: Hello said twice",
      "-1 <- Bye protocol-error",
      "-1 ends: protocol error: Hello said twice"
    ])
    expect([session(-1).state, context.counters.protocolErrors]).toEqual(["closing", 1])
  })

  it.each<[ByeReason, object]>([
    ["version", { version: 1 }],
    ["duplicate", { peerId: testPeer(50).peerId }],
    ["banned", {}]
  ])("is refused by Bye %s", (reason, other) => {
    const { context, manager, session, dial, connected, take, heldAgainst } = setUp()
    if (reason === "banned") manager.banPeer(testPeer(7).peerId, "", "why", 0)
    dial(7)
    connected(1)
    take()
    manager.onHello(session(1), { ...makeHello(testPeer(7)), ...other }, 0)
    expect(take()).toEqual({
      out: [`1 <- Bye ${reason}`, `1 ends: refused: ${reason}`],
      called: ["1 has ended"]
    })
    expect([heldAgainst(7), context.counters.protocolErrors]).toEqual([1000, 0])
  })

  it("is welcome again when a ban is over", () => {
    const { context, manager, session, accept } = setUp()
    manager.banPeer(testPeer(7).peerId, "", "why", 0)
    context.now = 10_000
    accept(-1, 7)
    expect(session(-1).state).toBe("open")
  })

  it("leaves the connection without an idle timeout when it is used at once", () => {
    const { context, channels, session, connected, hello } = setUp()
    connected(-1)
    Object.assign(channels, { intentsDone: () => share(session(-1), 1) })
    hello(-1, 7)
    expect(context.deadlines.next).toBeUndefined()
  })
})

describe("two connections with one peer", () => {
  it("become the newer one when the peer dialled both; the older one's swarms go on over it", () => {
    const { budget, session, accept, take } = setUp()
    share(accept(-1, 7), 3)
    session(-1).addIntent(testSwarm(4))
    take()
    accept(-2, 7)
    expect(take()).toEqual({
      out: ["-2 <- Hello", "-1 <- Bye duplicate", "-1 ends: another connection with the same peer is kept"],
      called: ["-1 is not waited for", "-1 has ended", "-2 opens 3", "-2 opens 4", "-2 is ready"]
    })
    expect(budget.openWith(testPeer(7).peerId)).toBe(session(-2))
  })

  it("become the one that the lower peer dialled", () => {
    const { budget, session, dial, connected, hello, accept, take } = setUp()
    dial(7, 3)
    connected(1)
    accept(-1, 7)
    // The one that this host dialled was on its way; it has the higher id.
    expect(session(1).state).toBe("closing")
    expect(take().called).toEqual(["1 is not waited for", "1 has ended", "-1 opens 3", "-1 is ready"])
    expect(budget.openWith(testPeer(7).peerId)).toBe(session(-1))

    dial(60, 3)
    connected(2)
    accept(-2, 60)
    expect(session(2).state).toBe("greeting")
    take()
    share(session(-2), 5)
    hello(2, 60)
    expect(session(-2).state).toBe("closing")
    expect(take().called).toEqual(["-2 is not waited for", "-2 has ended", "2 opens 5", "2 is ready"])
    expect(budget.openWith(testPeer(60).peerId)).toBe(session(2))
  })

  it("become the older one when the newer one was dialled by the higher peer", () => {
    const { budget, session, dial, connected, hello, accept, take } = setUp()
    dial(8, 3)
    connected(1)
    share(accept(-1, 7), 5)
    take()
    // The peer that was dialled as 8 turns out to be 7.
    hello(1, 7)
    expect(take().called).toEqual(["1 is not waited for", "1 has ended", "-1 opens 3"])
    expect(session(1).state).toBe("closing")
    expect(budget.openWith(testPeer(7).peerId)).toBe(session(-1))
  })

  it("are not made when the peer has connected while it was being dialled", () => {
    const { session, dial, connected, accept, take } = setUp()
    dial(60, 3)
    accept(-1, 60)
    take()
    connected(1)
    expect(take()).toEqual({
      out: ["1 <- Bye duplicate", "1 ends: another connection with the same peer is kept"],
      called: ["1 is not waited for", "1 has ended", "-1 opens 3"]
    })
    expect(session(-1).state).toBe("open")
  })
})
