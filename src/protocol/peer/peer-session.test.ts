// One session alone: the channels of both directions, the Opens that were closed unanswered, and what it is wanted for.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { namedSwarm } from "../../../testing/protocol/test-context.ts"
import { dialledSession, openSession } from "../../../testing/protocol/test-session.ts"
import { testPeer, testSwarm } from "../../../testing/protocol/test-values.ts"
import { Neighbour } from "../swarm/neighbour.ts"
import { PeerSession, type RemoteChannel, sessionOf } from "./peer-session.ts"

const [one, two, three] = [testSwarm(1), testSwarm(2), testSwarm(3)] as const

const opened = (session: PeerSession, number: number, swarm = one): RemoteChannel => {
  const channel = session.openRemote(number, swarm, "none")
  if (typeof channel === "string") throw new Error(channel)
  return channel
}

const neighbourOn = (session: PeerSession, channel: number, swarm = one): Neighbour => {
  const neighbour = new Neighbour(session, namedSwarm(8, swarm), channel, 0)
  session.addNeighbour(neighbour)
  return neighbour
}

describe("a new session", () => {
  it("is greeting a peer of unknown name", () => {
    const options = { dialled: true, address: "host-7:1", expected: undefined, maxChannels: 4 }
    expect(new PeerSession(3, options)).toMatchObject({
      connection: 3,
      dialled: true,
      address: "host-7:1",
      expected: undefined,
      state: "greeting",
      peerId: undefined,
      kind: "agent"
    })
    expect(dialledSession(4, 7).expected).toBe(testPeer(7).peerId)
  })
})

describe("the channels of the peer", () => {
  it("have any free number below the limit", () => {
    const session = openSession(-1, 1)
    expect(session.openRemote(3, one, "all")).toEqual({
      number: 3,
      swarm: one,
      have: "all",
      neighbour: undefined,
      draining: false
    })
    expect(session.openRemote(4, two, "none")).toBe("Open of channel 4, beyond the limit")
    expect(session.openRemote(-1, two, "none")).toBe("Open of channel -1, beyond the limit")
    expect(session.openRemote(3, two, "none")).toBe("Open of channel 3, which is open")
    expect(session.openRemote(1, one, "none")).toBe("Open of a swarm that is open")
    opened(session, 0, two)
    opened(session, 1, three)
    expect([0, 1, 2, 3].map((number) => session.remoteChannel(number)?.swarm)).toEqual([
      two,
      three,
      undefined,
      one
    ])
  })

  it("stay where they are when a higher number is opened", () => {
    const session = openSession(-1, 1)
    const [low, high] = [opened(session, 0, two), opened(session, 3)]
    expect([session.remoteChannel(0), session.remoteChannel(3)]).toEqual([low, high])
    expect([session.remoteChannel(1), session.remoteChannel(2)]).toEqual([undefined, undefined])
  })

  it("are found by their swarm until they drain, and free their number when they close", () => {
    const session = openSession(-1, 1)
    const channel = opened(session, 2)
    expect(session.remoteOf(one)).toBe(channel)
    expect(session.remoteOf(two)).toBeUndefined()
    channel.draining = true
    expect(session.remoteOf(one)).toBeUndefined()
    const again = opened(session, 1)
    expect(session.remoteOf(one)).toBe(again)
    session.closeRemote(channel)
    expect(session.remoteChannel(2)).toBeUndefined()
    expect(() => session.closeRemote(channel)).toThrow("closes a channel that is not open")
    opened(session, 2, two)
  })
})

describe("the channels of this host", () => {
  it("have the lowest number that is free, and leave one for refusals", () => {
    const session = openSession(-1, 1)
    expect([session.freeChannel(), session.freeChannel(true)]).toEqual([0, 0])
    const first = neighbourOn(session, 0)
    neighbourOn(session, 1, two)
    expect(session.freeChannel()).toBe(2)
    neighbourOn(session, 2, three)
    expect([session.freeChannel(), session.freeChannel(true)]).toEqual([undefined, 3])
    session.removeNeighbour(first)
    expect(session.freeChannel()).toBe(0)
    neighbourOn(session, 0)
    neighbourOn(session, 3, testSwarm(4))
    expect(session.freeChannel(true)).toBeUndefined()
  })

  it("belong to one neighbour a swarm", () => {
    const session = openSession(-1, 1)
    const neighbour = neighbourOn(session, 0)
    neighbourOn(session, 1, two)
    expect(session.neighbourOf(one)).toBe(neighbour)
    session.removeNeighbour(neighbour)
    expect(session.neighbourOf(one)).toBeUndefined()
    expect(session.neighbours.map(({ swarm }) => swarm.id)).toEqual([two])
    expect(sessionOf(session.neighbours[0]!)).toBe(session)
  })

  it("belong to sessions and nothing else", () => {
    const other = {
      connection: 1,
      state: "open",
      address: "",
      peerId: undefined,
      kind: "agent",
      roundTrip: undefined
    } as const
    const neighbour = new Neighbour(other, namedSwarm(8), 0, 0)
    expect(() => sessionOf(neighbour)).toThrow("another kind of connection")
  })
})

describe("a session", () => {
  it("is idle without neighbours and without channels of the peer but draining ones", () => {
    const session = openSession(-1, 1)
    expect(session.isIdle).toBe(true)
    const neighbour = neighbourOn(session, 0)
    expect(session.isIdle).toBe(false)
    session.removeNeighbour(neighbour)
    expect(session.isIdle).toBe(true)
    const channel = opened(session, 2)
    expect(session.isIdle).toBe(false)
    channel.draining = true
    expect(session.isIdle).toBe(true)
    opened(session, 1, two)
    expect(session.isIdle).toBe(false)
  })

  it("keeps the swarms that it is wanted for until they are taken", () => {
    const session = dialledSession(1, 1)
    for (const swarm of [one, two, three]) session.addIntent(swarm)
    session.removeIntent(two)
    expect(session.intents).toEqual([one, three])
    expect(session.takeIntents()).toEqual([one, three])
    expect([session.intents, session.takeIntents()]).toEqual([[], []])
  })
})

describe("Opens of this host that were closed before the peer's Open came", () => {
  it("are answered by as many Opens of that swarm, each once", () => {
    const session = openSession(-1, 1)
    expect([session.unanswered(one), session.answersClosed(one)]).toEqual([0, false])
    session.closedUnanswered(one)
    session.closedUnanswered(one)
    session.closedUnanswered(two)
    expect([session.unanswered(one), session.unanswered(two)]).toEqual([2, 1])
    expect(session.answersClosed(three)).toBe(false)
    expect([session.answersClosed(one), session.unanswered(one)]).toEqual([true, 1])
    expect([session.answersClosed(one), session.unanswered(one)]).toEqual([true, 0])
    expect(session.answersClosed(one)).toBe(false)
    expect(session.answersClosed(two)).toBe(true)
  })

  it("are counted whatever the order", () => {
    const calls = fc.array(fc.record({ closes: fc.boolean(), swarm: fc.constantFrom(one, two) }))
    fc.assert(
      fc.property(calls, (list) => {
        const session = openSession(-1, 1)
        const counts = new Map([
          [one, 0],
          [two, 0]
        ])
        for (const { closes, swarm } of list) {
          const count = counts.get(swarm)!
          if (closes) session.closedUnanswered(swarm)
          else expect(session.answersClosed(swarm)).toBe(count > 0)
          counts.set(swarm, closes ? count + 1 : Math.max(0, count - 1))
          for (const [id, expected] of counts) expect(session.unanswered(id)).toBe(expected)
        }
      })
    )
  })
})
