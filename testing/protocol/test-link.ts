// Connection of a test world, which checks every message on it: it throws when a host opens with or announces an
// unverified piece, announces a piece twice, serves a piece that it does not have, sends too many requests, or answers
// a Request twice or one that was not sent.

import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { limits } from "../../src/protocol/limits.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { ConnectionId } from "../../src/protocol/swarm/peer-host-io.ts"
import type { Message, SwarmId } from "../../src/protocol/wire/message.ts"
import type { Metainfo } from "../../src/protocol/wire/metainfo.ts"

/** A host, as a link sees it. */
export interface LinkedHost {
  readonly faults: { readonly liesAboutHave: boolean }
  readonly stores: ReadonlyMap<SwarmId, { readonly metainfo: Metainfo; readonly verified: Bitfield }>
  readonly world: { readonly rules: Partial<PeerHostRules> }
}

/** A connection between two hosts of a world. */
export interface Link<Host extends LinkedHost = LinkedHost> {
  readonly ends: readonly [LinkEnd<Host>, LinkEnd<Host>]
  up: boolean
}

export interface LinkEnd<Host extends LinkedHost = LinkedHost> {
  readonly host: Host
  readonly connection: ConnectionId
  /** Nothing that is sent from here arrives before this instant. */
  lastArrival: Micros
  /** This end has got Disconnected. */
  told: boolean
  /** Channels that this end opened, by its numbers; `opening` numbers the Opens. */
  readonly channels: Map<
    number,
    { readonly swarm: SwarmId; readonly opening: number; readonly told: Set<number> }
  >
  openings: number
  /** Unanswered requests of this end, as "swarm piece opening". */
  readonly owed: Set<string>
  /** Those that have arrived at the other end, from "swarm piece" to the name in `owed`. */
  readonly arrived: Map<string, string>
}

/** One side of a new connection. */
export const newEnd = <Host extends LinkedHost>(host: Host, connection: ConnectionId): LinkEnd<Host> => ({
  host,
  connection,
  lastArrival: 0,
  told: false,
  channels: new Map(),
  openings: 0,
  owed: new Set(),
  arrived: new Map()
})

/** Throws when a message breaks an invariant of its sender. Returns the name of the request that it is about. */
export const watchSend = (end: LinkEnd, other: LinkEnd, message: Message): string => {
  const { host } = end
  if (message.tag === "Open") {
    invariant(!end.channels.has(message.channel), "test world: channel opened twice")
    end.channels.set(message.channel, { swarm: message.swarm, opening: ++end.openings, told: new Set() })
    if (message.have !== "none" && !host.faults.liesAboutHave) {
      const { verified } = host.stores.get(message.swarm)!
      const { length } = verified
      const told = message.have === "all" ? Bitfield.full(length) : Bitfield.fromBytes(message.have, length)!
      for (let piece = 0; piece < length; piece++) {
        invariant(!told.has(piece) || verified.has(piece), "test world: opens with an unverified piece")
      }
    }
    return ""
  }
  if (message.tag === "Hello" || message.tag === "Bye") return ""
  const channel = end.channels.get(message.channel)
  invariant(channel !== undefined, `test world: ${message.tag} on a channel that is not open`)
  const { swarm, opening } = channel
  const store = host.stores.get(swarm)
  switch (message.tag) {
    case "Close":
      end.channels.delete(message.channel)
      for (const name of end.owed) if (name.startsWith(swarm)) end.owed.delete(name)
      for (const key of other.arrived.keys()) if (key.startsWith(swarm)) other.arrived.delete(key)
      return swarm
    case "Have":
      for (const piece of message.pieces) {
        invariant(!channel.told.has(piece), "test world: says Have of a piece twice")
        channel.told.add(piece)
        invariant(
          host.faults.liesAboutHave || store!.verified.has(piece),
          "test world: has an unverified piece"
        )
      }
      return ""
    case "Request": {
      const name = `${swarm} ${message.piece} ${opening}`
      invariant(!end.owed.has(name), "test world: requested twice without an answer")
      end.owed.add(name)
      const atOnce = host.world.rules.maxRequestsPerNeighbour ?? limits.maxRequestsPerNeighbour
      const most = Math.ceil((2 * atOnce) / (host.world.rules.minFlowPart ?? limits.minFlowPart))
      let count = 0
      for (const one of end.owed) if (one.startsWith(swarm)) count++
      invariant(count <= most, "test world: too many requests to one neighbour")
      return name
    }
    case "Piece":
    case "Reject": {
      const key = `${swarm} ${message.piece}`
      const name = other.arrived.get(key)
      invariant(name !== undefined, `test world: ${message.tag} answers no request`)
      other.arrived.delete(key)
      if (message.tag === "Piece" && !host.faults.liesAboutHave) {
        invariant(store!.verified.has(message.piece), "test world: serves an unverified piece")
      }
      return name
    }
    default:
      return ""
  }
}

/** Records a message that has arrived; `name` is the result of watchSend. */
export const watchArrival = (from: LinkEnd, to: LinkEnd, message: Message, name: string): void => {
  if (message.tag === "Request") {
    from.arrived.set(name.slice(0, name.lastIndexOf(" ")), name)
  } else if (message.tag === "Piece" || message.tag === "Reject") {
    to.owed.delete(name)
  } else if (message.tag === "Close") {
    for (const key of from.arrived.keys()) if (key.startsWith(name)) from.arrived.delete(key)
    for (const owed of to.owed) if (owed.startsWith(name)) to.owed.delete(owed)
  }
}
