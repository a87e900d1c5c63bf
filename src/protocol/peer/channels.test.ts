// Channels alone: how swarms are opened and closed on connections.

import { describe, expect, it } from "vitest"
import { setUpChannels as setUp } from "../../../testing/protocol/test-channels.ts"
import { testPeer } from "../../../testing/protocol/test-values.ts"
import { Bitfield } from "../kit/bitfield.ts"

describe("a swarm that a peer opens", () => {
  it("is opened in return, and joined with what the peer has", () => {
    const { context, addSwarm, connect, opens, take, find, neighbourOf, bits } = setUp()
    const swarm = addSwarm()
    swarm.haves.end = 7
    const session = connect(-1)
    expect(opens(session, 3, 1, bits(0, 5))).toBeUndefined()
    expect(take()).toEqual({ out: ["-1 <- Open 0 of 1, none"], called: ["-1 joins 1 with 2"] })
    expect(neighbourOf(session)).toMatchObject({ channel: 0, theirChannel: 3, havesSent: 7 })
    expect(find(-1, 3)).toBe(neighbourOf(session))
    expect([swarm.opening, swarm.degree, context.deadlines.next]).toEqual([0, 1, undefined])
    expect(session.remoteChannel(3)).toMatchObject({ have: undefined, draining: false })
  })

  it.each([
    ["all", new Bitfield(8), "none"],
    ["none", Bitfield.full(8), "all"],
    ["all", Bitfield.fromBytes(Uint8Array.of(0x84), 8)!, "[132]"]
  ] as const)("hears what this host has", (theirs, have, text) => {
    const { addSwarm, connect, opens, take } = setUp()
    addSwarm().have = have
    opens(connect(-1), 3, 1, theirs)
    expect(take()).toEqual({
      out: [`-1 <- Open 0 of 1, ${text}`],
      called: [`-1 joins 1 with ${theirs === "all" ? 8 : 0}`]
    })
  })

  it("shows the round trip to a peer that dialled by the first Open, which answers Hello", () => {
    const { context, addSwarm, connect, opens, bits } = setUp()
    for (const swarm of [1, 2]) addSwarm(swarm)
    const [accepted, dialled] = [connect(-1), connect(1)]
    for (const session of [accepted, dialled]) session.greetedAt = 100
    for (const [at, swarm] of [
      [160, 1],
      [130, 2]
    ] as const) {
      context.now = at
      for (const session of [accepted, dialled]) opens(session, swarm, swarm, bits(0))
    }
    expect([accepted.roundTrip, dialled.roundTrip]).toEqual([60, undefined])
  })

  it("is refused when the swarm has the neighbours that a host of its kind accepts", () => {
    for (const [kind, accepted] of [
      ["agent", 1],
      ["origin", 2]
    ] as const) {
      const { addSwarm, connect, opens, take } = setUp({ maxNeighbours: 1, maxSeederNeighbours: 2 }, kind)
      const swarm = addSwarm()
      for (let peer = 1; peer <= accepted; peer++) opens(connect(-peer), 0)
      take()
      const session = connect(-9)
      opens(session, 5)
      expect(take()).toEqual({
        out: ["-9 <- Open 0 of 1, none", "-9 <- Close 0 too-many"],
        called: ["-9 is idle"]
      })
      expect(swarm.neighbours).toHaveLength(accepted)
      expect(session.remoteChannel(5)).toMatchObject({ draining: true, have: undefined })
    }
  })

  it("is no swarm when the message breaks the rules of a session", () => {
    const { connect, opens, take } = setUp()
    expect(opens(connect(-1), 99)).toBe("Open of channel 99, beyond the limit")
    expect(take().out).toEqual([])
  })

  it("breaks the protocol with a bitfield of another length", () => {
    const { addSwarm, connect, opens, take, idOf } = setUp()
    addSwarm()
    opens(connect(-1), 3, 1, new Uint8Array(2))
    expect(take().called).toEqual([`-1 breaks: Open with a bitfield that does not fit ${idOf(1)}`])
  })

  it("is asked for once while this host is not in it, and joined on all connections when it is", () => {
    const { addSwarm, connect, opens, take, channels } = setUp()
    const [one, two] = [connect(-1), connect(-2)]
    opens(one, 3, 1, "all")
    expect(take()).toEqual({ out: ["asks for 1"], called: [] })
    opens(two, 4)
    expect([take().out, channels.pendingAsks]).toEqual([[], 1])
    addSwarm()
    expect(take()).toEqual({
      out: ["-1 <- Open 0 of 1, none", "-2 <- Open 0 of 1, none"],
      called: ["-1 joins 1 with 8", "-2 joins 1 with 0"]
    })
    expect(channels.pendingAsks).toBe(0)
  })

  it("is refused on all connections when the driver has no such swarm", () => {
    const { context, channels, connect, opens, take, idOf } = setUp()
    const [one, two] = [connect(-1), connect(-2)]
    opens(one, 3)
    opens(two, 3)
    take()
    channels.swarmUnknown(idOf(1), context.now)
    expect(take()).toEqual({
      out: [
        "-1 <- Open 0 of 1, none",
        "-1 <- Close 0 unknown-swarm",
        "-2 <- Open 0 of 1, none",
        "-2 <- Close 0 unknown-swarm"
      ],
      called: ["-1 is idle", "-2 is idle"]
    })
    expect(channels.pendingAsks).toBe(0)
    channels.swarmUnknown(idOf(1), context.now)
    expect(take().out).toEqual([])
  })

  it("is not refused by a late answer to an ask when it was opened since", () => {
    const { context, channels, addSwarm, connect, opens, take, idOf } = setUp()
    addSwarm()
    opens(connect(-1), 3)
    take()
    channels.swarmUnknown(idOf(1), context.now)
    expect(take().out).toEqual([])
  })

  it("is not answered on a connection that ended, or to a peer that closed it, before the driver answered", () => {
    for (const known of [false, true]) {
      const { context, channels, addSwarm, connect, opens, closes, take, idOf } = setUp()
      const [one, two, three, four] = [connect(-1), connect(-2), connect(-3), connect(-4)]
      for (const session of [one, two, three, four]) opens(session, 3)
      one.state = "closing"
      closes(two, 3)
      channels.endSession(three, 0)
      expect(take()).toEqual({
        out: ["asks for 1", "-2 <- Open 0 of 1, none", "-2 <- Close 0 not-interested"],
        called: ["-2 is idle"]
      })
      opens(two, 1, 2)
      take()
      if (known) addSwarm()
      else channels.swarmUnknown(idOf(1), context.now)
      expect(take().out.map((text) => text.slice(0, 2))).toEqual(known ? ["-4"] : ["-4", "-4"])
    }
  })

  it("is refused on the one channel that is kept for it when all others are in use", () => {
    const { addSwarm, connect, opens, take } = setUp({ maxPendingAsks: 0 })
    addSwarm()
    const session = connect(-1, 1, 2)
    opens(session, 0)
    take()
    opens(session, 1, 2)
    expect(take().out).toEqual(["-1 <- Open 1 of 2, none", "-1 <- Close 1 too-many"])
  })

  it("is still answered on a connection when another one that asked, or did not ask, has ended", () => {
    const { channels, addSwarm, connect, opens, take } = setUp()
    const [one, two, three] = [connect(-1), connect(-2), connect(-3)]
    opens(one, 3)
    opens(two, 3)
    channels.endSession(three, 0)
    channels.endSession(one, 0)
    take()
    addSwarm()
    expect(take().out).toEqual(["-2 <- Open 0 of 1, none"])
  })

  it("is refused while maxPendingAsks swarms are asked for, and by a host that stops", () => {
    const { channels, connect, opens, take } = setUp({ maxPendingAsks: 1 })
    const session = connect(-1)
    opens(session, 0, 1)
    take()
    opens(session, 1, 2)
    expect(take().out).toEqual(["-1 <- Open 0 of 2, none", "-1 <- Close 0 too-many"])
    const stopping = setUp()
    stopping.addSwarm(2)
    stopping.channels.stop()
    const other = stopping.connect(-1)
    stopping.opens(other, 0, 1)
    stopping.opens(other, 1, 2)
    expect(stopping.take().out).toEqual([
      "-1 <- Open 0 of 1, none",
      "-1 <- Close 0 too-many",
      "-1 <- Open 0 of 2, none",
      "-1 <- Close 0 too-many"
    ])
    expect([channels.pendingAsks, stopping.channels.pendingAsks]).toEqual([1, 0])
  })
})

describe("a swarm that this host opens", () => {
  it("waits for the peer's Open, and is closed when it does not come in time", () => {
    const { context, addSwarm, connect, open, take, channels, idOf } = setUp()
    const swarm = addSwarm()
    const session = connect(1)
    open(session)
    expect(take()).toEqual({ out: ["1 <- Open 0 of 1, none"], called: [] })
    expect([swarm.opening, swarm.degree]).toEqual([1, 1])
    open(session)
    expect(take().out).toEqual([])
    context.wakeUntil(499)
    expect(take().out).toEqual([])
    context.wakeUntil(500)
    expect(take()).toEqual({
      out: ["1 <- Close 0 not-interested"],
      called: ["1 takes no uploads, says so", "1 takes no uploads", "1 is idle"]
    })
    expect([swarm.opening, session.unanswered(idOf(1))]).toEqual([0, 1])
    expect(channels.swarm(idOf(1))).toBe(swarm)
  })

  it("is joined when the peer's Open comes", () => {
    const { context, addSwarm, connect, open, opens, take, neighbourOf } = setUp()
    const swarm = addSwarm()
    const session = connect(1)
    open(session)
    take()
    opens(session, 2, 1, "all")
    expect(take()).toEqual({ out: [], called: ["1 joins 1 with 8"] })
    expect([swarm.opening, context.deadlines.next]).toEqual([0, undefined])
    expect(neighbourOf(session).deadline).toBeUndefined()
  })

  it("finds no channel when all are in use but the one for refusals", () => {
    const { addSwarm, connect, open, take } = setUp()
    const session = connect(1, 1, 2)
    for (const number of [1, 2]) addSwarm(number)
    open(session, 1)
    open(session, 2)
    expect(take().out).toEqual(["1 <- Open 0 of 1, none"])
  })

  it("is not opened again and again to a peer that leaves Opens unanswered", () => {
    const { context, channels, addSwarm, connect, open, opens, neighbourOf, take, idOf } = setUp()
    const swarm = addSwarm()
    const session = connect(1)
    for (let attempt = 0; attempt < 4; attempt++) {
      open(session)
      channels.close(neighbourOf(session), "not-interested", context.now)
    }
    take()
    open(session)
    expect([take().out, swarm.opening, session.unanswered(idOf(1))]).toEqual([[], 0, 4])
    // An answer to one of them makes room for another, and is no Open to be answered.
    expect(opens(session, 0)).toBeUndefined()
    expect(take()).toEqual({ out: [], called: [] })
    expect(session.remoteChannel(0)).toMatchObject({ draining: true, have: undefined })
    open(session)
    expect(take().out).toEqual(["1 <- Open 0 of 1, none"])
  })

  it("is closed again when its last place was taken meanwhile", () => {
    const { addSwarm, connect, open, opens, take, find } = setUp({ maxNeighbours: 1 })
    const swarm = addSwarm()
    const session = connect(1)
    open(session)
    opens(connect(-2), 0)
    take()
    opens(session, 3)
    expect(take()).toEqual({
      out: ["1 <- Close 0 too-many"],
      called: ["1 takes no uploads, says so", "1 takes no uploads", "1 is idle"]
    })
    expect([swarm.opening, swarm.neighbours.length, find(1, 3)]).toEqual([0, 1, undefined])
    expect(session.remoteChannel(3)?.draining).toBe(true)
  })
})

describe("a channel that this host closes", () => {
  it("answers what was requested, and passes over what the peer says until its Close", () => {
    const { context, channels, addSwarm, connect, opens, closes, take, find, neighbourOf, idOf } = setUp()
    const swarm = addSwarm()
    swarm.isComplete = true
    const session = connect(-1)
    opens(session, 3)
    take()
    channels.close(neighbourOf(session), "finished", context.now)
    expect(take()).toEqual({
      out: ["-1 <- Close 0 finished"],
      called: ["-1 takes no uploads, says so", "-1 takes no uploads", "-1 leaves 1", "-1 is idle"]
    })
    expect([session.unanswered(idOf(1)), find(-1, 3)]).toEqual([0, undefined])
    expect(session.remoteChannel(3)).toMatchObject({ draining: true, neighbour: undefined })
    expect(closes(session, 3)).toBeUndefined()
    expect(take()).toEqual({ out: [], called: ["-1 is idle"] })
    expect(closes(session, 3)).toBe("Close of channel 3, which is not open")
  })

  it("leaves the connection in use while it has another one", () => {
    const { context, channels, addSwarm, connect, opens, take, neighbourOf } = setUp()
    addSwarm(1)
    addSwarm(2)
    const session = connect(-1)
    opens(session, 0, 1)
    opens(session, 1, 2)
    take()
    channels.close(neighbourOf(session, 1), "finished", context.now)
    expect(take().called).not.toContain("-1 is idle")
  })
})

describe("a channel that the peer closes", () => {
  it("is closed in return, and frees the neighbour's place", () => {
    const { addSwarm, connect, opens, closes, take, find, idOf } = setUp()
    const swarm = addSwarm()
    const session = connect(-1)
    opens(session, 3)
    take()
    closes(session, 3)
    expect(take()).toEqual({
      out: ["-1 <- Close 0 not-interested"],
      called: ["-1 takes no uploads", "-1 leaves 1", "-1 is idle"]
    })
    expect([swarm.neighbours, session.remoteChannel(3), find(-1, 3)]).toEqual([[], undefined, undefined])
    expect(session.neighbourOf(idOf(1))).toBeUndefined()
  })
})

describe("a swarm that this host closes", () => {
  it("is closed on every connection, and is wanted on none that is being made", () => {
    const { context, channels, addSwarm, connect, opens, offer, take, budget, idOf } = setUp()
    const swarm = addSwarm()
    addSwarm(2)
    opens(connect(-1), 3)
    opens(connect(-2), 3, 2)
    offer(7)
    take()
    channels.removeSwarm(idOf(1), context.now)
    expect(take()).toEqual({
      out: ["-1 <- Close 0 not-interested"],
      called: ["-1 takes no uploads, says so", "-1 takes no uploads", "-1 leaves 1", "-1 is idle", "1 closes"]
    })
    expect([swarm.closing, channels.swarm(idOf(1)), budget.session(7)?.intents]).toEqual([
      true,
      undefined,
      []
    ])
    channels.removeSwarm(idOf(1), context.now)
    expect(take().called).toEqual([])
    addSwarm()
    expect(() => addSwarm()).toThrow("is opened twice")
  })
})

it("a swarm that this host closes wakes for no peer that it has left alone", () => {
  const { context, budget, channels, addSwarm, offer, idOf } = setUp()
  addSwarm()
  budget.recordFailure(testPeer(1).peerId, 0)
  offer(1)
  expect(context.deadlines.next).toBe(1000)
  channels.removeSwarm(idOf(1), 0)
  expect(context.deadlines.next).toBeUndefined()
})

describe("a connection that ends", () => {
  it("takes its channels, asks and intents with it", () => {
    const { context, channels, addSwarm, connect, opens, open, take, find, neighbourOf, idOf } = setUp()
    const swarm = addSwarm()
    const second = addSwarm(2)
    const session = connect(-1)
    opens(session, 3)
    open(session, 2)
    opens(session, 4, 3)
    expect(channels.pendingAsks).toBe(1)
    const opened = neighbourOf(session, 2)
    session.addIntent(idOf(2))
    second.dialling = 1
    take()
    channels.endSession(session, context.now)
    expect(take()).toEqual({
      out: [],
      called: ["-1 takes no uploads", "-1 leaves 1", "-1 takes no uploads"]
    })
    expect([opened.state, second.dialling, session.intents]).toEqual(["left", 0, []])
    expect([swarm.neighbours, session.neighbours, find(-1, 3)]).toEqual([[], [], undefined])
    // Nothing wakes up for the swarm that was being opened.
    expect(context.deadlines.next).toBeUndefined()
  })
})
