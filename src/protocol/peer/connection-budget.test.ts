// The connection budget alone: the limit, sessions by connection and by peer, bans and redials.

import { describe, expect, it } from "vitest"
import { highest } from "../../../testing/protocol/test-context.ts"
import { dialledSession, openSession } from "../../../testing/protocol/test-session.ts"
import { testPeer } from "../../../testing/protocol/test-values.ts"
import { seconds } from "../kit/time.ts"
import { type PeerHostRules, peerHostRules } from "../swarm/host-context.ts"
import { ConnectionBudget } from "./connection-budget.ts"

const idOf = (peer: number) => testPeer(peer).peerId
/** Waits are the shortest that chance allows: half of each step. */
const budgetOf = (rules: Partial<PeerHostRules> = {}) => new ConnectionBudget(peerHostRules(rules), highest)

describe("the connection budget", () => {
  it("is full at maxConnections, whatever their states", () => {
    const budget = budgetOf({ maxConnections: 2 })
    const first = dialledSession(1, 1)
    budget.add(first)
    expect([budget.size, budget.isFull]).toEqual([1, false])
    const second = openSession(-1, 2)
    budget.add(second)
    expect([budget.size, budget.isFull]).toEqual([2, true])
    expect([...budget.sessions()]).toEqual([first, second])
    budget.closing(first)
    expect(budget.isFull).toBe(true)
    budget.gone(first)
    expect([budget.size, budget.isFull]).toEqual([1, false])
    expect([budget.session(1), budget.session(-1)]).toEqual([undefined, second])
  })

  it("takes no connection twice", () => {
    const budget = budgetOf()
    budget.add(dialledSession(1, 1))
    expect(() => budget.add(dialledSession(1, 2))).toThrow("connection 1 is used twice")
  })

  it("knows the connection that is being made to a peer until it is open or ends", () => {
    for (const end of ["opened", "closing", "gone"] as const) {
      const budget = budgetOf()
      const session = dialledSession(1, 1)
      budget.add(session)
      expect([budget.pendingWith(idOf(1)), budget.openWith(idOf(1))]).toEqual([session, undefined])
      session.peerId = idOf(1)
      budget[end](session)
      expect(budget.pendingWith(idOf(1))).toBeUndefined()
      expect(budget.openWith(idOf(1))).toBe(end === "opened" ? session : undefined)
    }
  })

  it("keeps the later one of two connections that are being made to a peer", () => {
    const budget = budgetOf()
    const [older, newer] = [dialledSession(1, 1), dialledSession(2, 1)]
    budget.add(older)
    budget.add(newer)
    budget.gone(older)
    expect(budget.pendingWith(idOf(1))).toBe(newer)
  })

  it("knows the open connection with a peer until that one ends, not another", () => {
    const budget = budgetOf()
    const [older, newer] = [openSession(-1, 1), openSession(-2, 1)]
    budget.opened(older)
    budget.opened(newer)
    budget.closing(older)
    expect(budget.openWith(idOf(1))).toBe(newer)
    budget.closing(newer)
    expect(budget.openWith(idOf(1))).toBeUndefined()
    const unnamed = dialledSession(3, 4)
    budget.add(unnamed)
    budget.gone(unnamed)
    expect(budget.size).toBe(0)
  })

  it("opens only sessions past their handshake", () => {
    expect(() => budgetOf().opened(dialledSession(1, 1))).toThrow("connection 1 is not past its handshake")
  })
})

describe("a ban", () => {
  it("ends after banDuration", () => {
    const budget = budgetOf({ banDuration: 1000 })
    expect(budget.isBanned(idOf(1), 0)).toBe(false)
    budget.ban(idOf(1), "why", 500)
    expect(budget.bans()).toEqual([{ peerId: idOf(1), until: 1500, reason: "why" }])
    expect([budget.isBanned(idOf(1), 1499), budget.isBanned(idOf(2), 1499)]).toEqual([true, false])
    expect(budget.isBanned(idOf(1), 1500)).toBe(false)
    expect(budget.bans()).toEqual([])
  })

  it("displaces the oldest beyond maxBans, which a second ban of a peer is not", () => {
    const budget = budgetOf({ maxBans: 2 })
    expect(budget.bans()).toEqual([])
    for (const peer of [1, 2, 1, 3]) budget.ban(idOf(peer), "", 0)
    expect(budget.bans().map(({ peerId }) => peerId)).toEqual([idOf(1), idOf(3)])
  })
})

describe("a peer that could not be reached", () => {
  it("may be dialled again after a wait that doubles, up to the longest", () => {
    const budget = budgetOf({ minRedialDelay: seconds(1), maxRedialDelay: seconds(5) })
    expect(budget.dialNotBefore(idOf(1))).toBe(0)
    const waits = [1, 2, 3, 4, 5].map(() => {
      budget.recordFailure(idOf(1), seconds(100))
      return budget.dialNotBefore(idOf(1)) - seconds(100)
    })
    expect(waits).toEqual([0.5, 1, 2, 2.5, 2.5].map(seconds))
    expect(budget.dialNotBefore(idOf(2))).toBe(0)
  })

  it("may be dialled at once when it was reached meanwhile", () => {
    const budget = budgetOf({ minRedialDelay: seconds(1), maxRedialDelay: seconds(5) })
    budget.recordFailure(idOf(1), 0)
    budget.recordFailure(idOf(1), 0)
    budget.opened(openSession(-1, 1))
    expect(budget.dialNotBefore(idOf(1))).toBe(0)
    budget.recordFailure(idOf(1), 0)
    expect(budget.dialNotBefore(idOf(1))).toBe(seconds(0.5))
  })

  it("is forgotten when maxRedialsRemembered others failed after it", () => {
    const budget = budgetOf({ maxRedialsRemembered: 2 })
    for (const peer of [1, 2, 1, 3]) budget.recordFailure(idOf(peer), 0)
    expect([1, 2, 3].map((peer) => budget.dialNotBefore(idOf(peer)) > 0)).toEqual([true, false, true])
  })
})
