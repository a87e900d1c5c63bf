// Decides what one connection is: who is at its other end, and which channels are open on it, in both directions.
//
//   dialling -- Connected --> greeting -- Hello --> open -- Bye, violation, idle, ... --> closing -- Disconnected --> gone
//
// Every Open is answered by one Open, so the first Open of one side pairs with the first of the other, the second with
// the second: an Open that arrives answers this side's oldest unanswered one, even if that was closed meanwhile.
//
// A channel is its sender's own number. A peer's channel ("remote") is: asked (this host is not in the swarm, its
// driver was asked), joined to a neighbour, or draining (this host closed its side, the peer's Close is still to come:
// what it says meanwhile crossed that Close and is passed over).
//
// Invariants: at most maxChannels numbers each way; one channel a swarm each way; a violation of these by the peer is
// a reason given back, never an exception. It refuses to know pieces and what a swarm decides.

import type { Deadline } from "../kit/deadlines.ts"
import { invariant } from "../kit/invariant.ts"
import type { Neighbour, NeighbourSession } from "../swarm/neighbour.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"
import type { Have, SwarmId } from "../wire/message.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"

/** What most sessions have most of the time, for all of them. */
const nothing: readonly never[] = []

export interface RemoteChannel {
  readonly number: number
  readonly swarm: SwarmId
  /** What the peer had when it opened; dropped once joined. */
  have: Have | undefined
  /** Set when this host is in the swarm on this connection. */
  neighbour: Neighbour | undefined
  draining: boolean
}

export class PeerSession implements NeighbourSession {
  readonly connection: ConnectionId
  /** Whether this host dialled it. */
  readonly dialled: boolean
  state: "dialling" | "greeting" | "open" | "closing" = "greeting"
  /** The address dialled, or the one that the peer's Hello named. */
  address: string
  /** Whom the tracker said is there; what Hello says holds. */
  readonly expected: PeerId | undefined
  /** Set by Hello. */
  peerId: PeerId | undefined = undefined
  kind: PeerKind = "agent"
  /** Swarms to open once the handshake is done. */
  intents: readonly SwarmId[] = nothing
  /** This host's side of the channels, one a swarm; few, and looked up only when one opens or closes. */
  neighbours: readonly Neighbour[] = nothing
  /** Own Opens of a swarm that were closed before the peer's Open came; the next ones from the peer answer them. */
  #closedUnanswered: Map<SwarmId, number> | undefined
  // Most sessions have one channel: an array that begins with a place for it stays that small.
  readonly #remote: Array<RemoteChannel | undefined> = [undefined]
  readonly #maxChannels: number
  /** Handshake, then idleness. */
  deadline: Deadline | undefined = undefined

  constructor(
    connection: ConnectionId,
    options: {
      readonly dialled: boolean
      readonly address: string
      readonly expected: PeerId | undefined
      readonly maxChannels: number
    }
  ) {
    this.connection = connection
    this.dialled = options.dialled
    this.address = options.address
    this.expected = options.expected
    this.#maxChannels = options.maxChannels
  }

  /** No channel that is used; one that only waits for the peer's Close does not count. */
  get isIdle(): boolean {
    return this.neighbours.length === 0 && !this.#remote.some((channel) => channel?.draining === false)
  }

  neighbourOf(swarm: SwarmId): Neighbour | undefined {
    return this.neighbours.find((neighbour) => neighbour.swarm.id === swarm)
  }

  addNeighbour(neighbour: Neighbour): void {
    // Not by a spread: that makes room for 16 more.
    this.neighbours = this.neighbours.concat(neighbour)
  }

  removeNeighbour(neighbour: Neighbour): void {
    const others = this.neighbours.filter((other) => other !== neighbour)
    this.neighbours = others.length === 0 ? nothing : others
  }

  /**
   * The lowest number of this host that no neighbour has; undefined when all are in use. One number is kept for
   * refusals, which need it for a moment.
   */
  freeChannel(forRefusal = false): number | undefined {
    if (this.neighbours.length === 0) return 0
    const used = new Set(this.neighbours.map(({ channel }) => channel))
    const end = forRefusal ? this.#maxChannels : this.#maxChannels - 1
    for (let number = 0; number < end; number++) if (!used.has(number)) return number
    return undefined
  }

  /** Once the handshake is done, the swarm is to be opened. */
  addIntent(swarm: SwarmId): void {
    this.intents = this.intents.concat(swarm)
  }

  removeIntent(swarm: SwarmId): void {
    this.intents = this.intents.filter((other) => other !== swarm)
  }

  /** Gives what was to be opened, which is then forgotten. */
  takeIntents(): readonly SwarmId[] {
    const { intents } = this
    this.intents = nothing
    return intents
  }

  /** An own Open was closed before it was answered. */
  closedUnanswered(swarm: SwarmId): void {
    this.#closedUnanswered ??= new Map()
    this.#closedUnanswered.set(swarm, this.unanswered(swarm) + 1)
  }

  /** How many own Opens of a swarm were closed and are still to be answered. */
  unanswered(swarm: SwarmId): number {
    return this.#closedUnanswered?.get(swarm) ?? 0
  }

  /** Whether an Open that just came answers one that was closed meanwhile. */
  answersClosed(swarm: SwarmId): boolean {
    const closed = this.#closedUnanswered
    const count = closed?.get(swarm)
    if (closed === undefined || count === undefined) return false
    if (count === 1) closed.delete(swarm)
    else closed.set(swarm, count - 1)
    return true
  }

  /** The peer opened a channel; a string says how that breaks the protocol. */
  openRemote(number: number, swarm: SwarmId, have: Have): RemoteChannel | string {
    if (!(number >= 0 && number < this.#maxChannels)) return `Open of channel ${number}, beyond the limit`
    if (this.#remote[number] !== undefined) return `Open of channel ${number}, which is open`
    for (const other of this.#remote) {
      if (other !== undefined && other.swarm === swarm && !other.draining)
        return "Open of a swarm that is open"
    }
    const channel: RemoteChannel = { number, swarm, have, neighbour: undefined, draining: false }
    while (this.#remote.length < number) this.#remote.push(undefined)
    this.#remote[number] = channel
    return channel
  }

  remoteChannel(number: number): RemoteChannel | undefined {
    return this.#remote[number]
  }

  closeRemote(channel: RemoteChannel): void {
    invariant(this.#remote[channel.number] === channel, "session: closes a channel that is not open")
    this.#remote[channel.number] = undefined
  }

  /** The peer's channel of a swarm, unless it is draining. */
  remoteOf(swarm: SwarmId): RemoteChannel | undefined {
    for (const channel of this.#remote) {
      if (channel !== undefined && channel.swarm === swarm && !channel.draining) return channel
    }
    return undefined
  }
}

/** The session of a neighbour. A swarm sees less of it than it is; every neighbour's connection is a PeerSession. */
export const sessionOf = ({ session }: Pick<Neighbour, "session">): PeerSession => {
  invariant(session instanceof PeerSession, "session: a neighbour has another kind of connection")
  return session
}
