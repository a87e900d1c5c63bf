// Channels with a scripted swarm, dialler and uploader around them, for their tests. Redials wait 1000 to 8000
// microseconds, an Open is waited for 500.

import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import type { ChannelSwarm } from "../../src/protocol/peer/channel-swarm.ts"
import { Channels, type Dialler } from "../../src/protocol/peer/channels.ts"
import { ConnectionBudget } from "../../src/protocol/peer/connection-budget.ts"
import { findNeighbour, makeNeighbourIndex } from "../../src/protocol/peer/neighbour-index.ts"
import type { PeerSession } from "../../src/protocol/peer/peer-session.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { Neighbour } from "../../src/protocol/swarm/neighbour.ts"
import type { PeerHostOutput } from "../../src/protocol/swarm/peer-host-io.ts"
import type { Have, SwarmId } from "../../src/protocol/wire/message.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { lowest, namedSwarm, piecesOf, TestContext } from "./test-context.ts"
import { dialledSession, openSession } from "./test-session.ts"
import { testPeer, testSwarm } from "./test-values.ts"

const pieces = 8
const numberOf = (id: string): number => Number.parseInt(id, 16)
const haveText = (have: Have): string => (typeof have === "string" ? have : `[${have.join(" ")}]`)

const textOf = (output: PeerHostOutput): string => {
  if (output.tag === "SwarmAsked") return `asks for ${numberOf(output.swarm)}`
  if (output.tag !== "Send") return output.tag
  const { connection, message } = output
  if (message.tag === "Open") {
    return `${connection} <- Open ${message.channel} of ${numberOf(message.swarm)}, ${haveText(message.have)}`
  }
  return message.tag === "Close" ? `${connection} <- Close ${message.channel} ${message.reason}` : message.tag
}

export interface ScriptedSwarm extends ChannelSwarm {
  readonly neighbours: Neighbour[]
  have: Bitfield
  readonly haves: { end: number }
  isComplete: boolean
  isStarving: boolean
}

export const setUpChannels = (rules: Partial<PeerHostRules> = {}, kind: PeerKind = "agent") => {
  const context = new TestContext(
    { targetNeighbours: 2, minRedialDelay: 1000, maxRedialDelay: 8000, handshakeTimeout: 500, ...rules },
    { kind, random: lowest }
  )
  const budget = new ConnectionBudget(context.rules, lowest)
  /** What swarms, uploader and dialler were called for, in order. */
  const calls: string[] = []
  /** Connections that the dialler still has room for. */
  const room = { left: 99 }
  const dialler: Dialler = {
    dial: ({ peerId, address }, swarm) => {
      if (room.left === 0) return false
      room.left--
      calls.push(`dials ${address} for ${numberOf(swarm)}`)
      const session = dialledSession(numberOf(peerId), numberOf(peerId))
      session.addIntent(swarm)
      budget.add(session)
      return true
    },
    idled: ({ connection }) => calls.push(`${connection} is idle`),
    violation: ({ connection }, reason) => calls.push(`${connection} breaks: ${reason}`)
  }
  const uploader = {
    channelClosed: ({ connection }: Neighbour, answer: boolean) =>
      calls.push(`${connection} takes no uploads${answer ? ", says so" : ""}`)
  }
  const index = makeNeighbourIndex()
  const channels = new Channels<ScriptedSwarm>(context, budget, uploader, dialler, index)

  const makeSwarm = (number: number): ScriptedSwarm => {
    const swarm: ScriptedSwarm = {
      ...namedSwarm(pieces, testSwarm(number)),
      neighbours: [],
      have: new Bitfield(pieces),
      haves: { end: 0 },
      closing: false,
      isComplete: false,
      isStarving: false,
      opening: 0,
      dialling: 0,
      get wantsPieces() {
        return !swarm.isComplete && !swarm.closing
      },
      get degree() {
        return swarm.neighbours.length + swarm.opening + swarm.dialling
      },
      join: (neighbour, theirs) => {
        neighbour.state = "joined"
        neighbour.theirs = theirs
        swarm.neighbours.push(neighbour)
        calls.push(`${neighbour.connection} joins ${number} with ${theirs.count}`)
      },
      leave: (neighbour) => {
        neighbour.state = "left"
        swarm.neighbours.splice(swarm.neighbours.indexOf(neighbour), 1)
        calls.push(`${neighbour.connection} leaves ${number}`)
      },
      close: () => calls.push(`${number} closes`)
    }
    return swarm
  }
  const addSwarm = (number = 1): ScriptedSwarm => {
    const swarm = makeSwarm(number)
    channels.addSwarm(swarm, context.now)
    return swarm
  }
  /** An open connection with a peer; its number is negative when the peer dialled. */
  const connect = (connection: number, peer = Math.abs(connection), maxChannels = 8): PeerSession => {
    const session = openSession(connection, peer, { kind: peer > 100 ? "origin" : "agent", maxChannels })
    budget.add(session)
    budget.opened(session)
    return session
  }
  const opens = (session: PeerSession, number: number, swarm = 1, have: Have = "none"): string | undefined =>
    channels.onOpen(session, number, testSwarm(swarm), have, context.now)
  const closes = (session: PeerSession, number: number, reason: "finished" | "too-many" = "finished") =>
    channels.onClose(session, number, reason, context.now)
  const offer = (...peers: readonly number[]): void =>
    channels.offer(
      testSwarm(1),
      peers.map((peer) => testPeer(peer)),
      context.now
    )
  const open = (session: PeerSession, swarm = 1): void =>
    channels.open(session, testSwarm(swarm), context.now)
  const take = (): { readonly out: readonly string[]; readonly called: readonly string[] } => ({
    out: context.take().map(textOf),
    called: calls.splice(0)
  })
  const find = (connection: number, channel: number): Neighbour | undefined =>
    findNeighbour(index, connection, channel)
  const neighbourOf = (session: PeerSession, swarm = 1): Neighbour => {
    const neighbour = session.neighbourOf(testSwarm(swarm))
    if (neighbour === undefined) throw new Error(`connection ${session.connection} has no such neighbour`)
    return neighbour
  }
  return {
    context,
    budget,
    channels,
    room,
    addSwarm,
    connect,
    opens,
    closes,
    offer,
    open,
    take,
    find,
    neighbourOf,
    idOf: (swarm: number): SwarmId => testSwarm(swarm),
    bits: (...set: readonly number[]) => piecesOf(pieces, ...set).toBytes()
  }
}
