// Session: one connection, the peer at its other end, and the channels that are open on it in both directions.
//
//   dialling -- Connected --> greeting -- Hello --> open -- Bye, violation, idle --> closing -- Disconnected --> gone
//
// Every Open is answered by one Open, so the first Open of one side pairs with the first of the other, the second with
// the second, and so on: an Open that arrives answers the oldest unanswered Open of this side, even if that was closed
// meanwhile.
//
// Each side numbers its own channels. A channel of the peer ("remote") is asked (this host is not in the swarm, and its
// driver was asked), joined to a neighbour, or draining (this host has closed its side, and the peer's Close is still
// to come: messages until then have crossed the Close of this host and are ignored).
//
// Invariants: there are at most maxChannels numbers, and one channel per swarm, in each direction; a violation of these
// by the peer is a reason that is returned, never an exception. It does not know pieces or the decisions of a swarm.

import type { Deadline } from "../kit/deadlines.ts"
import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import type { Neighbour, NeighbourSession } from "../swarm/neighbour.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"
import type { Have, SwarmId } from "../wire/message.ts"
import type { PeerId, PeerKind } from "../wire/peer-id.ts"

/** An empty list that all sessions share: most have no neighbours or intents most of the time. */
const nothing: readonly never[] = []

export interface RemoteChannel {
  readonly number: number
  readonly swarm: SwarmId
  /** The pieces that the peer stated in its Open; dropped once joined. */
  have: Have | undefined
  /** Set when this host is in the swarm on this connection. */
  neighbour: Neighbour | undefined
  draining: boolean
}

export class PeerSession implements NeighbourSession {
  readonly connection: ConnectionId
  /** Whether this host dialled. */
  readonly dialled: boolean
  state: "dialling" | "greeting" | "open" | "closing" = "greeting"
  /** The address that was dialled, or the one in the peer's Hello. */
  address: string
  /** The peer that the tracker named. The Hello decides who it is. */
  readonly expected: PeerId | undefined
  /** Set by Hello. */
  peerId: PeerId | undefined = undefined
  kind: PeerKind = "agent"
  /** When this host said Hello. */
  greetedAt: Micros = 0
  roundTrip: Micros | undefined = undefined
  /** Swarms to open once the handshake is done. */
  intents: readonly SwarmId[] = nothing
  /** This host's side of the channels, one per swarm. They are few, and searched only when one opens or closes. */
  neighbours: readonly Neighbour[] = nothing
  /** Number of Opens of this host, by swarm, that were closed unanswered; the peer's next Opens answer them. */
  #closedUnanswered: Map<SwarmId, number> | undefined
  // Most sessions have one channel, and an array that begins with one slot stays that small.
  readonly #remote: Array<RemoteChannel | undefined> = [undefined]
  readonly #maxChannels: number
  /** Timeout of the handshake, then of idleness. */
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

  /** Whether no channel is used. One that only waits for the peer's Close is not used. */
  get isIdle(): boolean {
    return this.neighbours.length === 0 && !this.#remote.some((channel) => channel?.draining === false)
  }

  neighbourOf(swarm: SwarmId): Neighbour | undefined {
    return this.neighbours.find((neighbour) => neighbour.swarm.id === swarm)
  }

  addNeighbour(neighbour: Neighbour): void {
    // A spread would reserve room for 16 more.
    this.neighbours = this.neighbours.concat(neighbour)
  }

  removeNeighbour(neighbour: Neighbour): void {
    const others = this.neighbours.filter((other) => other !== neighbour)
    this.neighbours = others.length === 0 ? nothing : others
  }

  /**
   * The lowest channel number that is not in use; undefined when all are. One number is reserved for refusals, which
   * use it only for a moment.
   */
  freeChannel(forRefusal = false): number | undefined {
    if (this.neighbours.length === 0) return 0
    const used = new Set(this.neighbours.map(({ channel }) => channel))
    const end = forRefusal ? this.#maxChannels : this.#maxChannels - 1
    for (let number = 0; number < end; number++) if (!used.has(number)) return number
    return undefined
  }

  /** The swarm is to be opened once the handshake is done. */
  addIntent(swarm: SwarmId): void {
    this.intents = this.intents.concat(swarm)
  }

  removeIntent(swarm: SwarmId): void {
    this.intents = this.intents.filter((other) => other !== swarm)
  }

  /** Removes and returns the swarms that are to be opened. */
  takeIntents(): readonly SwarmId[] {
    const { intents } = this
    this.intents = nothing
    return intents
  }

  /** This host has closed a channel before the peer answered its Open. */
  closedUnanswered(swarm: SwarmId): void {
    this.#closedUnanswered ??= new Map()
    this.#closedUnanswered.set(swarm, this.unanswered(swarm) + 1)
  }

  /** Number of closed Opens of a swarm that the peer has not answered yet. */
  unanswered(swarm: SwarmId): number {
    return this.#closedUnanswered?.get(swarm) ?? 0
  }

  /** Whether an Open that has just come answers a closed one, which is then answered. */
  answersClosed(swarm: SwarmId): boolean {
    const closed = this.#closedUnanswered
    const count = closed?.get(swarm)
    if (closed === undefined || count === undefined) return false
    if (count === 1) closed.delete(swarm)
    else closed.set(swarm, count - 1)
    return true
  }

  /** The peer opens a channel. A string tells how that breaks the protocol. */
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

/** The session of a neighbour, which a swarm sees only in part. The connection of every neighbour is a PeerSession. */
export const sessionOf = ({ session }: Pick<Neighbour, "session">): PeerSession => {
  invariant(session instanceof PeerSession, "session: a neighbour has another kind of connection")
  return session
}
