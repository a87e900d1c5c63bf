// Life of connections: dialling and accepting, the handshake, and the end.
//
//   Dial -> dialling -- Connected --> greeting -- Hello --> open -- end --> closing -- Disconnected --> gone
//   accepted ------- Connected -----> greeting
//
// The dialler sends Hello when it is connected; the acceptor answers with its own Hello, or with a Bye that has the
// reason (rules: handshake.ts). Invariants: only Hello or Bye is accepted in greeting, and no second Hello; a peer that
// breaks the protocol gets Bye protocol-error, and is banned if its id is known; a connection counts against the budget
// until the transport reports its end. It does not know what happens on channels.

import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import { type HostContext, sendMessage } from "../swarm/host-context.ts"
import { sawRoundTrip } from "../swarm/path-times.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"
import type { Uploader } from "../swarm/uploader.ts"
import type { ByeReason, Message, SwarmId } from "../wire/message.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"
import type { ConnectionBudget } from "./connection-budget.ts"
import { keptOfTwo, makeHello, refuseHello } from "./handshake.ts"
import { PeerSession } from "./peer-session.ts"

type Hello = Extract<Message, { tag: "Hello" }>

/** What the connections need from the channels. */
export interface ConnectionChannels {
  /** A connection is open or has failed: its swarms open their channels, or look elsewhere. */
  readonly intentsDone: (session: PeerSession, succeeded: boolean, now: Micros) => void
  /** Another connection to the same peer replaces this one, which the swarms do not wait for any more. */
  readonly withdrawIntents: (session: PeerSession) => void
  readonly openIfWanted: (session: PeerSession, swarm: SwarmId, now: Micros) => void
  /** The connection has ended, and its channels with it. */
  readonly endSession: (session: PeerSession, now: Micros) => void
}

export class ConnectionManager {
  readonly #context: HostContext
  readonly #budget: ConnectionBudget
  readonly #uploader: Pick<Uploader, "disconnected">
  readonly #channels: () => ConnectionChannels
  /** Connections that were refused when they were accepted. What they send is ignored. */
  #refused: Set<ConnectionId> | undefined
  #lastDialled: ConnectionId = 0
  #stopping = false

  /** @param channels A function, because channels and connections refer to each other. */
  constructor(
    context: HostContext,
    budget: ConnectionBudget,
    uploader: Pick<Uploader, "disconnected">,
    channels: () => ConnectionChannels
  ) {
    this.#context = context
    this.#budget = budget
    this.#uploader = uploader
    this.#channels = channels
  }

  /** The session of a connection; undefined when what it sends is ignored. */
  receiving(connection: ConnectionId): PeerSession | undefined {
    const session = this.#budget.session(connection)
    if (session === undefined) {
      invariant(this.#refused?.has(connection) === true, `connection ${connection} is not known`)
      return undefined
    }
    return session.state === "closing" ? undefined : session
  }

  dial(peer: PeerAddress, swarm: SwarmId, now: Micros): boolean {
    if (this.#stopping) return false
    if (this.#budget.isFull) {
      this.#endOneIdle(now)
      return false
    }
    const connection = ++this.#lastDialled
    const session = this.#newSession(connection, peer.address, peer.peerId)
    session.state = "dialling"
    session.addIntent(swarm)
    this.#context.outputs.push({ tag: "Dial", connection, address: peer.address })
    return true
  }

  connected(connection: ConnectionId, now: Micros): void {
    if (connection < 0) {
      this.#accepted(connection, now)
      return
    }
    const session = this.#budget.session(connection)
    invariant(session !== undefined, `connection ${connection} was never dialled`)
    if (session.state === "closing") {
      this.#context.outputs.push({ tag: "Disconnect", connection, reason: "not wanted any more" })
      return
    }
    invariant(session.state === "dialling", `connection ${connection} is connected twice`)
    this.#context.counters.connectionsDialled++
    session.state = "greeting"
    const { expected } = session
    const other = expected === undefined ? undefined : this.#budget.openWith(expected)
    if (other !== undefined) {
      this.#replace(session, other, now)
      return
    }
    sendMessage(this.#context, session, makeHello(this.#context.self))
    session.greetedAt = now
    this.#wakeAt(session, now + this.#context.rules.handshakeTimeout)
  }

  dialFailed(connection: ConnectionId, now: Micros): void {
    const session = this.#budget.session(connection)
    invariant(session !== undefined, `connection ${connection} was never dialled`)
    this.#context.counters.dialsFailed++
    this.#budget.gone(session)
    this.#recordFailure(session, now)
    this.#channels().endSession(session, now)
  }

  disconnected(connection: ConnectionId, now: Micros): void {
    if (this.#refused?.delete(connection)) return
    const session = this.#budget.session(connection)
    invariant(session !== undefined, `connection ${connection} is not known`)
    const wasClosing = session.state === "closing"
    session.state = "closing"
    this.#wakeAt(session, undefined)
    this.#budget.gone(session)
    if (!wasClosing) {
      this.#recordFailure(session, now)
      this.#channels().endSession(session, now)
    }
    this.#uploader.disconnected(session)
  }

  onHello(session: PeerSession, hello: Hello, now: Micros): void {
    const { self } = this.#context
    if (session.peerId !== undefined) {
      this.violation(session, "Hello said twice", now)
      return
    }
    const refusal = refuseHello(self, hello, (peerId) => this.#budget.isBanned(peerId, now))
    if (refusal !== undefined) {
      this.#recordFailure(session, now)
      this.end(session, refusal, `refused: ${refusal}`, now)
      return
    }
    session.peerId = hello.peerId
    session.kind = hello.kind
    if (!session.dialled) {
      session.address = hello.address
      sendMessage(this.#context, session, makeHello(self))
      session.greetedAt = now
    } else sawRoundTrip(session, now - session.greetedAt)
    session.state = "open"
    this.#wakeAt(session, undefined)
    if (session.expected !== undefined && session.expected !== hello.peerId) {
      this.#budget.recordFailure(session.expected, now)
    }
    const older = this.#budget.openWith(hello.peerId)
    if (older !== undefined) {
      const kept = keptOfTwo(self.peerId, hello.peerId, older, session)
      this.#replace(kept === older ? session : older, kept, now)
    } else {
      this.#budget.opened(session)
    }
    if (session.state !== "open") return
    const pending = this.#budget.pendingWith(hello.peerId)
    if (pending !== undefined && keptOfTwo(self.peerId, hello.peerId, pending, session) === session) {
      this.#replace(pending, session, now)
    }
    this.#channels().intentsDone(session, true, now)
    if (session.isIdle) this.idled(session, now)
  }

  onBye(session: PeerSession, reason: ByeReason, now: Micros): void {
    if (reason !== "duplicate" && reason !== "idle") this.#recordFailure(session, now)
    this.end(session, undefined, `the peer said Bye: ${reason}`, now)
  }

  /** The peer broke the protocol: it gets a Bye, is counted, and is banned if its id is known. */
  violation(session: PeerSession, reason: string, now: Micros): void {
    if (session.state === "closing") return
    this.#context.counters.protocolErrors++
    this.#recordFailure(session, now)
    if (session.peerId !== undefined) this.#ban(session.peerId, session.address, reason, now)
    this.end(session, "protocol-error", `protocol error: ${reason}`, now)
  }

  /** The transport could not read a frame. That is a violation, unless the frame is of another version. */
  broken(session: PeerSession, bye: ByeReason, reason: string, now: Micros): void {
    if (bye !== "version") {
      this.violation(session, reason, now)
      return
    }
    if (session.state === "closing") return
    this.#recordFailure(session, now)
    this.end(session, bye, reason, now)
  }

  banPeer(peerId: PeerId, address: string, reason: string, now: Micros): void {
    this.#ban(peerId, address, reason, now)
    const session = this.#budget.openWith(peerId)
    if (session !== undefined) this.end(session, "banned", `banned: ${reason}`, now)
  }

  /** Ends a connection that makes no progress. */
  drop(session: PeerSession, reason: string, now: Micros): void {
    // Its end has been recorded already, if it is to be.
    if (session.state === "closing") return
    this.#recordFailure(session, now)
    this.end(session, undefined, reason, now)
  }

  idled(session: PeerSession, now: Micros): void {
    if (session.state !== "open") return
    this.#wakeAt(session, now + this.#context.rules.idleConnectionTimeout)
  }

  /** Sends Bye to all peers. Nothing is dialled or accepted any more. */
  stop(now: Micros): void {
    this.#stopping = true
    for (const session of [...this.#budget.sessions()]) this.end(session, "shutdown", "shutting down", now)
  }

  end(session: PeerSession, bye: ByeReason | undefined, reason: string, now: Micros): void {
    if (session.state === "closing") return
    // A dial cannot be cancelled; the connection is ended once the transport has answered.
    if (session.state !== "dialling") {
      if (bye !== undefined) sendMessage(this.#context, session, { tag: "Bye", reason: bye })
      this.#context.outputs.push({ tag: "Disconnect", connection: session.connection, reason })
    }
    session.state = "closing"
    this.#wakeAt(session, undefined)
    this.#budget.closing(session)
    this.#channels().endSession(session, now)
  }

  #accepted(connection: ConnectionId, now: Micros): void {
    const full = this.#budget.isFull
    if (full || this.#stopping) {
      if (full) this.#endOneIdle(now)
      this.#refused ??= new Set()
      this.#refused.add(connection)
      const reason = this.#stopping ? "shutdown" : "full"
      this.#context.outputs.push({ tag: "Send", connection, message: { tag: "Bye", reason } })
      this.#context.outputs.push({ tag: "Disconnect", connection, reason })
      return
    }
    this.#context.counters.connectionsAccepted++
    const session = this.#newSession(connection, "", undefined)
    this.#wakeAt(session, now + this.#context.rules.handshakeTimeout)
  }

  #newSession(connection: ConnectionId, address: string, expected: PeerId | undefined): PeerSession {
    const session = new PeerSession(connection, {
      dialled: connection > 0,
      address,
      expected,
      maxChannels: this.#context.rules.maxChannels
    })
    session.deadline = this.#context.deadlines.makeFor(session, this.#due)
    this.#budget.add(session)
    return session
  }

  /** Ends `loser`, one of two connections to a peer, whose swarms continue on `kept`. */
  #replace(loser: PeerSession, kept: PeerSession, now: Micros): void {
    const swarms = [...loser.neighbours.map(({ swarm }) => swarm.id), ...loser.intents]
    this.#channels().withdrawIntents(loser)
    this.#budget.closing(loser)
    if (kept.state === "open") this.#budget.opened(kept)
    this.end(loser, "duplicate", "another connection with the same peer is kept", now)
    for (const swarm of swarms) this.#channels().openIfWanted(kept, swarm, now)
  }

  readonly #due = (now: Micros, session: PeerSession): void => {
    if (session.state === "greeting") {
      this.#recordFailure(session, now)
      this.end(session, undefined, "no Hello in time", now)
    } else if (session.isIdle) {
      this.end(session, "idle", "no swarm in common for long", now)
    }
  }

  #endOneIdle(now: Micros): void {
    for (const session of this.#budget.sessions()) {
      if (session.state !== "open" || !session.isIdle) continue
      this.end(session, "idle", "room for another connection", now)
      return
    }
  }

  /** The peer is not dialled for a while, longer after each failure in a row. */
  #recordFailure(session: PeerSession, now: Micros): void {
    const peerId = session.peerId ?? session.expected
    if (peerId !== undefined) this.#budget.recordFailure(peerId, now)
  }

  #ban(peerId: PeerId, address: string, reason: string, now: Micros): void {
    this.#budget.ban(peerId, reason, now)
    this.#context.counters.peersBanned++
    this.#context.outputs.push({ tag: "PeerBanned", peerId, reason, address })
  }

  #wakeAt(session: PeerSession, at: Micros | undefined): void {
    if (session.deadline !== undefined) this.#context.deadlines.set(session.deadline, at)
  }
}
