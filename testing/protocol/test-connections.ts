// A connection manager whose channels and uploader only record their calls, for its tests. Redials wait 1000
// microseconds after the first failure, so dialNotBefore tells who has one.

import { ConnectionBudget } from "../../src/protocol/peer/connection-budget.ts"
import { type ConnectionChannels, ConnectionManager } from "../../src/protocol/peer/connection-manager.ts"
import { makeHello } from "../../src/protocol/peer/handshake.ts"
import type { PeerSession } from "../../src/protocol/peer/peer-session.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { PeerHostOutput } from "../../src/protocol/swarm/peer-host-io.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { lowest, TestContext } from "./test-context.ts"
import { testPeer, testSwarm } from "./test-values.ts"

const swarmNumber = (id: string): number => Number.parseInt(id, 16)

const textOf = (output: PeerHostOutput): string => {
  switch (output.tag) {
    case "Dial":
      return `dial ${output.connection} ${output.address}`
    case "Disconnect":
      return `${output.connection} ends: ${output.reason}`
    case "PeerBanned":
      return `bans ${swarmNumber(output.peerId)} at ${output.address}: ${output.reason}`
    case "Send": {
      const { connection, message } = output
      return `${connection} <- ${message.tag}${message.tag === "Bye" ? ` ${message.reason}` : ""}`
    }
    default:
      return output.tag
  }
}

export const setUpConnections = (rules: Partial<PeerHostRules> = {}) => {
  const context = new TestContext(
    {
      minRedialDelay: 1000,
      maxRedialDelay: 8000,
      handshakeTimeout: 500,
      idleConnectionTimeout: 2000,
      banDuration: 10_000,
      ...rules
    },
    { random: lowest }
  )
  const budget = new ConnectionBudget(context.rules, lowest)
  /** What channels and uploader were called for, in order. */
  const calls: string[] = []
  const channels: ConnectionChannels = {
    intentsDone: (session, succeeded) => {
      calls.push(`${session.connection} is ${succeeded ? "ready" : "failed"}`)
      session.takeIntents()
    },
    withdrawIntents: (session) => {
      calls.push(`${session.connection} is not waited for`)
      session.takeIntents()
    },
    openIfWanted: (session, swarm) => calls.push(`${session.connection} opens ${swarmNumber(swarm)}`),
    endSession: (session) => calls.push(`${session.connection} has ended`)
  }
  const uploader = {
    disconnected: ({ connection }: { readonly connection: number }) =>
      calls.push(`${connection} takes no uploads`)
  }
  const manager = new ConnectionManager(context, budget, uploader, () => channels)
  const session = (connection: number): PeerSession => {
    const found = budget.session(connection)
    if (found === undefined) throw new Error(`there is no connection ${connection}`)
    return found
  }
  const dial = (peer: number, swarm = 1): boolean =>
    manager.dial(testPeer(peer), testSwarm(swarm), context.now)
  const connected = (connection: number): void => manager.connected(connection, context.now)
  const hello = (connection: number, peer: number, kind: PeerKind = "agent"): void =>
    manager.onHello(session(connection), makeHello(testPeer(peer, kind)), context.now)
  /** An open connection that the peer has dialled. */
  const accept = (connection: number, peer: number): PeerSession => {
    connected(connection)
    hello(connection, peer)
    return session(connection)
  }
  const take = (): { readonly out: readonly string[]; readonly called: readonly string[] } => ({
    out: context.take().map(textOf),
    called: calls.splice(0)
  })
  /** When the peer may be dialled, from now on; 0 when nothing is held against it. */
  const heldAgainst = (peer: number): number =>
    Math.max(0, budget.dialNotBefore(testPeer(peer).peerId) - context.now)
  return { context, budget, channels, manager, session, dial, connected, hello, accept, take, heldAgainst }
}
