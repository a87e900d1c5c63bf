// Surroundings of one machine of a swarm, for tests that build the machine alone: a HostContext that records what the
// machine asks of its host, and neighbours whose connection and swarm are only names.

import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import { DeadlineQueue } from "../../src/protocol/kit/deadlines.ts"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import {
  type HostContext,
  newCounters,
  newPieceTimes,
  type PeerHostRules,
  peerHostRules
} from "../../src/protocol/swarm/host-context.ts"
import { Neighbour, type NeighbourSession, type NeighbourSwarm } from "../../src/protocol/swarm/neighbour.ts"
import type { PeerHostOutput } from "../../src/protocol/swarm/peer-host-io.ts"
import type { Message, SwarmId } from "../../src/protocol/wire/message.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { seededRandom, testPeer, testSwarm } from "./test-values.ts"

/** The lowest and the highest number that a source may draw. */
export const lowest: RandomSource = { nextInt: () => 0 }
export const highest: RandomSource = { nextInt: (bound) => bound - 1 }

export class TestContext implements HostContext {
  readonly self
  readonly rules: PeerHostRules
  readonly random: RandomSource
  readonly counters = newCounters()
  readonly pieceTimes = newPieceTimes()
  readonly deadlines = new DeadlineQueue()
  readonly outputs: PeerHostOutput[] = []
  fetching = 0
  load = 0
  /** Calls of closeChannel, dropSession and banPeer, as text. */
  readonly asked: string[] = []
  now: Micros = 0

  constructor(
    rules: Partial<PeerHostRules> = {},
    { kind = "agent", random = seededRandom(1) }: { kind?: PeerKind; random?: RandomSource } = {}
  ) {
    this.self = { ...testPeer(50), kind }
    this.rules = peerHostRules({ requestsAtFirst: 100, ...rules })
    this.random = random
  }

  readonly closeChannel: HostContext["closeChannel"] = ({ connection }, reason) => {
    this.asked.push(`close ${connection} ${reason}`)
  }

  readonly dropSession: HostContext["dropSession"] = (session, reason) => {
    this.asked.push(`drop ${session.connection} ${reason}`)
    Object.assign(session, { state: "closing" })
  }

  readonly banPeer: HostContext["banPeer"] = (peerId, address, reason) => {
    this.asked.push(`ban ${Number.parseInt(peerId, 16)} ${address} ${reason}`)
  }

  /** The outputs since the last call. */
  take(): readonly PeerHostOutput[] {
    return this.outputs.splice(0)
  }

  /** The messages since the last call, each with its connection; other outputs are dropped. */
  sent(): ReadonlyArray<readonly [number, Message]> {
    return this.take().flatMap((output) =>
      output.tag === "Send" ? [[output.connection, output.message] as const] : []
    )
  }

  /** Lets time pass; what comes due fires at its own instant. */
  wakeUntil(until: Micros): void {
    let wakes = 0
    for (let next = this.deadlines.next; next !== undefined && next <= until; next = this.deadlines.next) {
      if (++wakes > 1000) throw new Error(`a deadline is always due again, at ${next}`)
      this.now = Math.max(this.now, next)
      this.deadlines.fireDue(this.now)
    }
    this.now = until
  }
}

/** A connection that is open, with the peer of that number. */
const testSession = (
  connection: number,
  kind: PeerKind = "agent"
): NeighbourSession & { state: NeighbourSession["state"] } => {
  const { peerId, address } = testPeer(connection)
  return { connection, state: "open", address, peerId, kind, roundTrip: undefined }
}

const unexpected = (): never => {
  throw new Error("a test's swarm is only a name")
}

/** A swarm that takes no messages. */
export const namedSwarm = (pieces: number, id: SwarmId = testSwarm(1)): NeighbourSwarm => ({
  id,
  pieces,
  neighbours: [],
  opening: 0,
  join: unexpected,
  leave: unexpected,
  onHave: unexpected,
  onRequest: unexpected,
  onPiece: unexpected,
  onReject: unexpected,
  onCancel: unexpected,
  onSuggest: unexpected
})

/** A joined neighbour on the connection of that number, its channel the number and 100. It has `theirs`. */
export const testNeighbour = (
  connection: number,
  theirs: Bitfield = new Bitfield(8),
  { kind = "agent", swarm = namedSwarm(theirs.length) }: { kind?: PeerKind; swarm?: NeighbourSwarm } = {}
): Neighbour => {
  const neighbour = new Neighbour(testSession(connection, kind), swarm, 100 + connection, 0)
  neighbour.state = "joined"
  neighbour.theirs = theirs
  return neighbour
}

/** The set of these pieces. */
export const piecesOf = (length: number, ...pieces: readonly number[]): Bitfield => {
  const field = new Bitfield(length)
  for (const piece of pieces) field.set(piece)
  return field
}
