// Channels alone: whom a swarm dials or opens next, and whom it leaves alone.

import { describe, expect, it } from "vitest"
import { setUpChannels as setUp } from "../../../testing/protocol/test-channels.ts"
import { testPeer } from "../../../testing/protocol/test-values.ts"

describe("a swarm that is offered peers", () => {
  it("dials them in their order until it has targetNeighbours", () => {
    const { addSwarm, offer, take } = setUp()
    const swarm = addSwarm()
    offer(1, 2, 3)
    expect(take()).toEqual({ out: [], called: ["dials host-1:1 for 1", "dials host-2:1 for 1"] })
    expect([swarm.dialling, swarm.degree]).toEqual([2, 2])
  })

  it("takes as many as maxNeighbours while it starves", () => {
    const { addSwarm, offer, take } = setUp({ maxNeighbours: 3 })
    addSwarm().isStarving = true
    offer(1, 2, 3, 4)
    expect(take().called).toHaveLength(3)
  })

  it("dials nobody when it needs nothing, is unknown, or the host stops", () => {
    const { channels, addSwarm, offer, take } = setUp()
    offer(1)
    const swarm = addSwarm()
    swarm.isComplete = true
    offer(1)
    swarm.isComplete = false
    channels.stop()
    offer(2)
    expect(take().called).toEqual([])
    const before = setUp()
    before.addSwarm().isComplete = true
    before.offer(1)
    before.channels.swarm(before.idOf(1))!.isComplete = false
    before.channels.seek(before.idOf(1), 0)
    expect(before.take().called).toEqual([])
  })

  it("dials nobody when it has completed since the offer", () => {
    const { channels, room, addSwarm, offer, take, idOf } = setUp()
    const swarm = addSwarm()
    room.left = 0
    offer(1)
    swarm.isComplete = true
    room.left = 9
    channels.seek(idOf(1), 0)
    expect(take().called).toEqual([])
  })

  it("goes on when the dialler has no place, and later finds the peer again", () => {
    const { channels, room, addSwarm, offer, take, idOf } = setUp()
    addSwarm()
    room.left = 1
    offer(1, 2, 3)
    expect(take().called).toEqual(["dials host-1:1 for 1"])
    room.left = 9
    channels.seek(idOf(1), 0)
    expect(take().called).toEqual(["dials host-2:1 for 1"])
  })

  it("passes over banned peers, neighbours, and those that it is being connected to", () => {
    const { budget, addSwarm, connect, opens, offer, take } = setUp({ targetNeighbours: 9 })
    addSwarm()
    budget.ban(testPeer(1).peerId, "", 0)
    opens(connect(-2), 0)
    offer(3)
    take()
    offer(1, 2, 3, 4)
    expect(take().called).toEqual(["dials host-4:1 for 1"])
  })

  it("opens on a connection that exists", () => {
    const { addSwarm, connect, offer, take } = setUp()
    addSwarm()
    connect(-2)
    offer(2)
    expect(take()).toEqual({ out: ["-2 <- Open 0 of 1, none"], called: [] })
  })

  it("waits with others for a connection that is being made", () => {
    const { channels, budget, addSwarm, offer, take, idOf } = setUp()
    addSwarm(1)
    const second = addSwarm(2)
    offer(3)
    take()
    channels.offer(idOf(2), [testPeer(3)], 0)
    expect(take().called).toEqual([])
    expect(budget.session(3)?.intents).toEqual([idOf(1), idOf(2)])
    expect(second.dialling).toBe(1)
    channels.seek(idOf(2), 0)
    expect(second.dialling).toBe(1)
  })

  it("gives up its poorest neighbour while it starves and has no place", () => {
    const { context, addSwarm, connect, opens, offer, take, bits } = setUp({ maxNeighbours: 3 })
    const swarm = addSwarm()
    opens(connect(-1), 0, 1, bits(0, 1))
    opens(connect(-2), 0, 1, bits(0))
    opens(connect(-3), 0, 1, bits(0))
    take()
    offer(9)
    expect(take().called).toEqual([])
    swarm.isStarving = true
    offer(9)
    expect(context.now).toBe(0)
    expect(take()).toEqual({
      out: ["-2 <- Close 0 not-interested"],
      called: [
        "-2 takes no uploads, says so",
        "-2 takes no uploads",
        "-2 leaves 1",
        "dials host-9:1 for 1",
        "-2 is idle"
      ]
    })
  })

  it("keeps its neighbours while it starves and has places", () => {
    const { addSwarm, connect, opens, offer, take } = setUp({ maxNeighbours: 3 })
    addSwarm().isStarving = true
    opens(connect(-1), 0)
    opens(connect(-2), 0)
    take()
    offer(9)
    expect(take().called).toEqual(["dials host-9:1 for 1"])
  })
})

describe("a peer that is left alone", () => {
  it("is dialled when its backoff is over, the earliest first", () => {
    const { context, budget, addSwarm, offer, take } = setUp()
    addSwarm()
    budget.recordFailure(testPeer(1).peerId, 500)
    budget.recordFailure(testPeer(2).peerId, 0)
    budget.recordFailure(testPeer(3).peerId, 800)
    offer(1, 2, 3)
    expect([take().called, context.deadlines.next]).toEqual([[], 1000])
    context.wakeUntil(1000)
    expect([take().called, context.deadlines.next]).toEqual([["dials host-2:1 for 1"], 1500])
    context.wakeUntil(1500)
    expect([take().called, context.deadlines.next]).toEqual([["dials host-1:1 for 1"], undefined])
  })

  it("is not waited for when the swarm has its neighbours", () => {
    const { context, budget, addSwarm, offer } = setUp({ targetNeighbours: 1 })
    addSwarm()
    budget.recordFailure(testPeer(1).peerId, 0)
    offer(1, 2)
    expect(context.deadlines.next).toBeUndefined()
  })

  it("is opened at once on a connection that exists, though dials to it fail", () => {
    const { budget, addSwarm, connect, offer, take } = setUp()
    addSwarm()
    connect(-1)
    budget.recordFailure(testPeer(1).peerId, 0)
    offer(1)
    expect(take().out).toEqual(["-1 <- Open 0 of 1, none"])
  })

  it.each([
    ["too-many", 2000],
    ["finished", 8000]
  ] as const)("after its Close %s is tried again after %i microseconds", (reason, wait) => {
    const { context, addSwarm, connect, opens, closes, offer, take } = setUp()
    addSwarm()
    const session = connect(-1)
    opens(session, 3)
    offer(1)
    take()
    closes(session, 3, reason)
    take()
    context.wakeUntil(wait - 1)
    expect(take().out).toEqual([])
    context.wakeUntil(wait)
    expect(take().out).toEqual(["-1 <- Open 0 of 1, none"])
  })

  it.each([
    ["too-many", 2000],
    ["not-interested", 8000]
  ] as const)("after this host's Close %s is tried again after %i microseconds", (reason, wait) => {
    const { context, channels, addSwarm, connect, opens, offer, take, neighbourOf } = setUp()
    addSwarm()
    const session = connect(-1)
    opens(session, 3)
    offer(1)
    take()
    channels.close(neighbourOf(session), reason, 0)
    take()
    context.wakeUntil(wait - 1)
    expect(take().out).toEqual([])
    context.wakeUntil(wait)
    expect(take().out).toEqual(["-1 <- Open 0 of 1, none"])
  })

  it("is tried again at once after a Close finished of this host", () => {
    const { channels, addSwarm, connect, opens, offer, take, neighbourOf } = setUp()
    addSwarm()
    const session = connect(-1)
    opens(session, 3)
    offer(1)
    take()
    channels.close(neighbourOf(session), "finished", 0)
    expect(take().out).toEqual(["-1 <- Close 0 finished", "-1 <- Open 0 of 1, none"])
  })
})

describe("a swarm that loses a neighbour", () => {
  it("looks for another one at once", () => {
    for (const how of ["their Close", "our Close", "the connection"] as const) {
      const { channels, budget, addSwarm, connect, opens, closes, offer, take, neighbourOf } = setUp({
        targetNeighbours: 1
      })
      addSwarm()
      const session = connect(-1)
      opens(session, 3)
      offer(1, 2)
      take()
      if (how === "their Close") closes(session, 3)
      else if (how === "our Close") channels.close(neighbourOf(session), "not-interested", 0)
      else {
        budget.gone(session)
        budget.recordFailure(testPeer(1).peerId, 0)
        channels.endSession(session, 0)
      }
      const dials = take().called.filter((text) => text.startsWith("dials"))
      expect(dials).toEqual(["dials host-2:1 for 1"])
    }
  })

  it("looks for another one when its neighbour turns out to be an origin, which does not count", () => {
    const { addSwarm, connect, opens, offer, take } = setUp({ targetNeighbours: 1 })
    const swarm = addSwarm()
    opens(connect(-1), 0)
    offer(5)
    take()
    Object.defineProperty(swarm, "degree", { get: () => swarm.dialling })
    opens(connect(-101), 3)
    expect(take().called).toEqual(["-101 joins 1 with 0", "dials host-5:1 for 1"])
  })

  it("does not look when an agent joins", () => {
    const { addSwarm, connect, opens, offer, take } = setUp({ targetNeighbours: 1 })
    const swarm = addSwarm()
    opens(connect(-1), 0)
    offer(5)
    take()
    Object.defineProperty(swarm, "degree", { get: () => swarm.dialling })
    opens(connect(-2), 3)
    expect(take().called).toEqual(["-2 joins 1 with 0"])
  })
})

describe("a connection that was being made", () => {
  it("is opened for the swarms that still want pieces", () => {
    const { channels, budget, addSwarm, offer, take, idOf } = setUp()
    const swarms = [addSwarm(1), addSwarm(2)] as const
    offer(3)
    channels.offer(idOf(2), [testPeer(3)], 0)
    const session = budget.session(3)!
    session.addIntent(idOf(9))
    session.state = "open"
    session.peerId = testPeer(3).peerId
    swarms[1].isComplete = true
    take()
    channels.intentsDone(session, true, 0)
    expect(take().out).toEqual(["3 <- Open 0 of 1, none"])
    expect([swarms[0].dialling, swarms[1].dialling, session.intents]).toEqual([0, 0, []])
  })

  it("that fails makes the swarms look for others", () => {
    const { channels, budget, addSwarm, offer, take } = setUp({ targetNeighbours: 1 })
    const swarm = addSwarm()
    offer(3, 4)
    take()
    const session = budget.session(3)!
    budget.gone(session)
    budget.recordFailure(testPeer(3).peerId, 0)
    channels.intentsDone(session, false, 0)
    expect(take()).toEqual({ out: [], called: ["dials host-4:1 for 1"] })
    expect(swarm.dialling).toBe(1)
  })

  it("is not waited for any more when another one takes its place", () => {
    const { channels, budget, addSwarm, offer, take, idOf } = setUp()
    const swarm = addSwarm()
    offer(3)
    const session = budget.session(3)!
    session.addIntent(idOf(9))
    take()
    channels.withdrawIntents(session)
    expect([swarm.dialling, session.intents, take().called]).toEqual([0, [], []])
  })
})

describe("a swarm that goes on over another connection", () => {
  it("is opened there at once, or when the handshake is over", () => {
    const { channels, budget, addSwarm, connect, offer, take, idOf } = setUp()
    const swarm = addSwarm()
    channels.openIfWanted(connect(-1), idOf(1), 0)
    channels.openIfWanted(connect(-2), idOf(9), 0)
    expect(take().out).toEqual(["-1 <- Open 0 of 1, none"])
    addSwarm(2)
    channels.offer(idOf(2), [testPeer(3)], 0)
    offer()
    const session = budget.session(3)!
    channels.openIfWanted(session, idOf(1), 0)
    channels.openIfWanted(session, idOf(1), 0)
    expect([session.intents, swarm.dialling]).toEqual([[idOf(2), idOf(1)], 1])
  })
})
