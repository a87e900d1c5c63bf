// Channels: how swarms are opened and closed on connections, and how the driver is asked about swarms that this host is
// not in.
//
//   this side: none -- open --> opening -- the peer's Open --> joined -- close, or the peer's Close --> none
//   a peer's Open of a swarm this host is not in: asked -- SwarmOpened --> joined; -- SwarmUnknown --> refused
//   refused: Open(none), Close(reason), since a Close carries the number of an Open of its sender
//
// A Close ends the channel of its sender and replaces the answers that its sender owes; the other side closes its own
// channel in return. Invariants: a swarm has at most as many neighbours as its kind of host may have; there are at most
// maxPendingAsks pending asks. It does not know what is exchanged on a channel.

import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import { type HostContext, sendMessage } from "../swarm/host-context.ts"
import { Neighbour, type NeighbourSwarm, peerOf } from "../swarm/neighbour.ts"
import { sawRoundTrip } from "../swarm/path-times.ts"
import type { Uploader } from "../swarm/uploader.ts"
import type { CloseReason, Have, SwarmId } from "../wire/message.ts"
import type { PeerAddress } from "../wire/peer-id.ts"
import { type ChannelSwarm, openingHave, parseHave } from "./channel-swarm.ts"
import type { ConnectionBudget } from "./connection-budget.ts"
import { indexNeighbour, type NeighbourIndex, unindexNeighbour } from "./neighbour-index.ts"
import { NeighbourSearch } from "./neighbour-search.ts"
import { type PeerSession, type RemoteChannel, sessionOf } from "./peer-session.ts"

interface Entry<S> {
  readonly swarm: S
  readonly search: NeighbourSearch
}

/** What the channels need from the connections. */
export interface Dialler {
  /** Dials a peer for a swarm; false when there is no room for a connection. */
  readonly dial: (peer: PeerAddress, swarm: SwarmId, now: Micros) => boolean
  /** The session has no channels any more. */
  readonly idled: (session: PeerSession, now: Micros) => void
  readonly violation: (session: PeerSession, reason: string, now: Micros) => void
}

export class Channels<S extends ChannelSwarm> {
  readonly #context: HostContext
  readonly #budget: ConnectionBudget
  readonly #uploader: Pick<Uploader, "channelClosed">
  readonly #dialler: Dialler
  readonly #index: NeighbourIndex
  readonly #entries = new Map<SwarmId, Entry<S>>()
  /** The pending asks: sessions on which peers opened a swarm that the driver was asked about. */
  #asks: Map<SwarmId, PeerSession[]> | undefined
  #stopping = false

  constructor(
    context: HostContext,
    budget: ConnectionBudget,
    uploader: Pick<Uploader, "channelClosed">,
    dialler: Dialler,
    index: NeighbourIndex
  ) {
    this.#context = context
    this.#budget = budget
    this.#uploader = uploader
    this.#dialler = dialler
    this.#index = index
  }

  /** The peer has not answered an Open in time. */
  readonly #unanswered = (now: Micros, neighbour: Neighbour): void =>
    this.close(neighbour, "not-interested", now)

  get pendingAsks(): number {
    return this.#asks?.size ?? 0
  }

  swarm(id: SwarmId): S | undefined {
    return this.#entries.get(id)?.swarm
  }

  addSwarm(swarm: S, now: Micros): void {
    invariant(!this.#entries.has(swarm.id), `swarm ${swarm.id} is opened twice`)
    const search = new NeighbourSearch(this.#context, (due) => this.seek(swarm.id, due))
    this.#entries.set(swarm.id, { swarm, search })
    for (const session of this.#takeAsks(swarm.id)) {
      const remote = session.remoteOf(swarm.id)
      if (session.state === "open" && remote !== undefined) this.#accept(session, remote, now)
    }
  }

  removeSwarm(id: SwarmId, now: Micros): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.swarm.closing = true
    for (const session of [...this.#budget.sessions()]) {
      const neighbour = session.neighbourOf(id)
      if (neighbour !== undefined) this.close(neighbour, "not-interested", now)
      session.removeIntent(id)
    }
    this.#entries.delete(id)
    entry.search.wakeAt(undefined)
    entry.swarm.close()
  }

  swarmUnknown(id: SwarmId, now: Micros): void {
    if (this.#entries.has(id)) return
    for (const session of this.#takeAsks(id)) {
      const remote = session.remoteOf(id)
      if (session.state === "open" && remote !== undefined)
        this.#refuse(session, remote, "unknown-swarm", now)
    }
  }

  offer(id: SwarmId, peers: readonly PeerAddress[], now: Micros): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || !entry.swarm.wantsPieces) return
    entry.search.offer(peers)
    if (entry.swarm.isStarving && entry.swarm.degree >= this.#context.rules.maxNeighbours) {
      this.#dropPoorest(entry.swarm, now)
    }
    this.seek(id, now)
  }

  /** Dials candidates, or opens the swarm on their connections, until it has enough; a starving swarm takes more. */
  seek(id: SwarmId, now: Micros): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || this.#stopping || !entry.swarm.wantsPieces) return
    const { swarm, search } = entry
    const { targetNeighbours, maxNeighbours } = this.#context.rules
    const goal = swarm.isStarving ? maxNeighbours : targetNeighbours
    let again: Micros | undefined
    for (const peer of search.candidates) {
      if (swarm.degree >= goal) break
      if (this.#budget.isBanned(peer.peerId, now)) continue
      const open = this.#budget.openWith(peer.peerId)
      const pending = this.#budget.pendingWith(peer.peerId)
      if (open?.neighbourOf(id) !== undefined || pending?.intents.includes(id)) continue
      let notBefore = search.notBefore(peer.peerId)
      if (open === undefined) notBefore = Math.max(notBefore, this.#budget.dialNotBefore(peer.peerId))
      if (notBefore > now) {
        if (again === undefined || notBefore < again) again = notBefore
      } else if (open !== undefined) {
        this.open(open, id, now)
      } else if (pending !== undefined) {
        pending.addIntent(id)
        swarm.dialling++
      } else if (this.#dialler.dial(peer, id, now)) {
        swarm.dialling++
      } else break
    }
    search.wakeAt(swarm.degree < goal ? again : undefined)
  }

  /** A connection is open or has failed: its swarms open their channels, or look elsewhere. */
  intentsDone(session: PeerSession, succeeded: boolean, now: Micros): void {
    const intents = session.takeIntents()
    for (const id of intents) {
      const swarm = this.swarm(id)
      if (swarm === undefined) continue
      swarm.dialling--
      if (succeeded && swarm.wantsPieces) this.open(session, id, now)
    }
    if (!succeeded) for (const id of intents) this.seek(id, now)
  }

  /** Another connection to the same peer replaces this one, which the swarms do not wait for any more. */
  withdrawIntents(session: PeerSession): void {
    for (const id of session.takeIntents()) {
      const swarm = this.swarm(id)
      if (swarm !== undefined) swarm.dialling--
    }
  }

  /** Opens a swarm of this host, at once or after the handshake. */
  openIfWanted(session: PeerSession, id: SwarmId, now: Micros): void {
    const swarm = this.swarm(id)
    if (swarm === undefined) return
    if (session.state === "open") this.open(session, id, now)
    else if (!session.intents.includes(id)) {
      session.addIntent(id)
      swarm.dialling++
    }
  }

  /** Opens a swarm on a connection, and joins it when the peer has opened it before. */
  open(session: PeerSession, id: SwarmId, now: Micros): void {
    const { swarm } = this.#entry(id)
    if (
      session.neighbourOf(id) !== undefined ||
      session.unanswered(id) >= this.#context.rules.maxUnansweredOpens
    )
      return
    const channel = session.freeChannel()
    if (channel === undefined) return
    const neighbour = new Neighbour(session, swarm, channel, swarm.haves.end)
    session.addNeighbour(neighbour)
    swarm.opening++
    sendMessage(this.#context, session, { tag: "Open", channel, swarm: id, have: openingHave(swarm.have) })
    const remote = session.remoteOf(id)
    if (remote !== undefined) {
      this.#join(neighbour, remote, now)
      return
    }
    neighbour.deadline = this.#context.deadlines.makeFor(neighbour, this.#unanswered)
    this.#context.deadlines.set(neighbour.deadline, now + this.#context.rules.handshakeTimeout)
  }

  onOpen(session: PeerSession, number: number, id: SwarmId, have: Have, now: Micros): string | undefined {
    const remote = session.openRemote(number, id, have)
    if (typeof remote === "string") return remote
    // A dialler opens its channels in answer to Hello.
    if (!session.dialled && session.roundTrip === undefined) sawRoundTrip(session, now - session.greetedAt)
    if (session.answersClosed(id)) {
      remote.draining = true
      remote.have = undefined
      return undefined
    }
    const neighbour = session.neighbourOf(id)
    const asks = this.#asks?.get(id)
    if (neighbour !== undefined) {
      this.#join(neighbour, remote, now)
    } else if (this.#entries.has(id)) {
      this.#accept(session, remote, now)
    } else if (asks !== undefined) {
      asks.push(session)
    } else if (this.pendingAsks >= this.#context.rules.maxPendingAsks || this.#stopping) {
      this.#refuse(session, remote, "too-many", now)
    } else {
      this.#asks ??= new Map()
      this.#asks.set(id, [session])
      this.#context.outputs.push({ tag: "SwarmAsked", swarm: id })
    }
    return undefined
  }

  onClose(session: PeerSession, number: number, reason: CloseReason, now: Micros): string | undefined {
    const remote = session.remoteChannel(number)
    if (remote === undefined) return `Close of channel ${number}, which is not open`
    session.closeRemote(remote)
    const { neighbour } = remote
    if (neighbour === undefined) {
      if (!remote.draining) {
        this.#forgetAsk(session, remote.swarm)
        this.#openAndClose(session, remote.swarm, "not-interested")
      }
      this.#checkIdle(session, now)
      return undefined
    }
    this.#coolDown(remote.swarm, session, reason, now)
    this.#removeNeighbour(neighbour, now)
    sendMessage(this.#context, session, {
      tag: "Close",
      channel: neighbour.channel,
      reason: "not-interested"
    })
    this.seek(remote.swarm, now)
    this.#checkIdle(session, now)
    return undefined
  }

  /** Closes this host's side of a channel. Messages of the peer are ignored from then on, until its Close. */
  close(neighbour: Neighbour, reason: CloseReason, now: Micros): void {
    const session = sessionOf(neighbour)
    this.#uploader.channelClosed(neighbour, true)
    const remote = session.remoteOf(neighbour.swarm.id)
    if (remote?.neighbour === neighbour) {
      remote.neighbour = undefined
      remote.draining = true
    } else session.closedUnanswered(neighbour.swarm.id)
    sendMessage(this.#context, session, { tag: "Close", channel: neighbour.channel, reason })
    if (reason !== "finished") this.#coolDown(neighbour.swarm.id, session, reason, now)
    this.#removeNeighbour(neighbour, now)
    this.seek(neighbour.swarm.id, now)
    this.#checkIdle(session, now)
  }

  /** The connection has ended, and all its channels with it. */
  endSession(session: PeerSession, now: Micros): void {
    const swarms = session.neighbours.map(({ swarm }) => swarm.id)
    for (const neighbour of session.neighbours) this.#removeNeighbour(neighbour, now)
    for (const id of [...(this.#asks?.keys() ?? [])]) this.#forgetAsk(session, id)
    this.intentsDone(session, false, now)
    for (const id of swarms) this.seek(id, now)
  }

  /** The host stops: it looks for no more neighbours and makes no more asks. */
  stop(): void {
    this.#stopping = true
  }

  #accept(session: PeerSession, remote: RemoteChannel, now: Micros): void {
    // Only joined neighbours count. If those being dialled counted too, hosts that dial each other at the same time
    // would all refuse each other.
    if (this.#stopping || this.#isFull(this.#entry(remote.swarm).swarm)) {
      this.#refuse(session, remote, "too-many", now)
    } else {
      this.open(session, remote.swarm, now)
    }
  }

  #isFull(swarm: NeighbourSwarm): boolean {
    const { maxNeighbours, maxSeederNeighbours } = this.#context.rules
    return (
      swarm.neighbours.length >= (this.#context.self.kind === "origin" ? maxSeederNeighbours : maxNeighbours)
    )
  }

  #refuse(session: PeerSession, remote: RemoteChannel, reason: CloseReason, now: Micros): void {
    remote.draining = true
    remote.have = undefined
    this.#openAndClose(session, remote.swarm, reason)
    this.#checkIdle(session, now)
  }

  /** Answers an Open that is refused. */
  #openAndClose(session: PeerSession, swarm: SwarmId, reason: CloseReason): void {
    const channel = session.freeChannel(true)
    invariant(channel !== undefined, "channels: no number is left for a refusal")
    sendMessage(this.#context, session, { tag: "Open", channel, swarm, have: "none" })
    sendMessage(this.#context, session, { tag: "Close", channel, reason })
  }

  #join(neighbour: Neighbour, remote: RemoteChannel, now: Micros): void {
    const { swarm } = neighbour
    invariant(remote.have !== undefined, "channels: a channel is joined twice")
    const theirs = parseHave(remote.have, swarm.pieces)
    if (theirs === undefined) {
      this.#dialler.violation(sessionOf(neighbour), `Open with a bitfield that does not fit ${swarm.id}`, now)
      return
    }
    remote.have = undefined
    remote.neighbour = neighbour
    if (neighbour.deadline !== undefined) this.#context.deadlines.set(neighbour.deadline, undefined)
    neighbour.deadline = undefined
    if (this.#isFull(swarm)) {
      this.close(neighbour, "too-many", now)
      return
    }
    swarm.opening--
    neighbour.theirChannel = remote.number
    indexNeighbour(this.#index, neighbour)
    swarm.join(neighbour, theirs, now)
    if (neighbour.isOrigin) this.seek(swarm.id, now)
  }

  /** A peer whose channel was closed is not tried again for a while; for a short while when it only had no room. */
  #coolDown(id: SwarmId, session: PeerSession, reason: CloseReason, now: Micros): void {
    const { minRedialDelay, maxRedialDelay } = this.#context.rules
    const patience = reason === "too-many" ? 2 * minRedialDelay : maxRedialDelay
    this.#entry(id).search.refused(peerOf(session), now + patience)
  }

  /** Removes the neighbour from its session and its swarm. It sends nothing. */
  #removeNeighbour(neighbour: Neighbour, now: Micros): void {
    const session = sessionOf(neighbour)
    session.removeNeighbour(neighbour)
    this.#uploader.channelClosed(neighbour, false)
    const { swarm } = neighbour
    if (neighbour.state === "opening") {
      swarm.opening--
      neighbour.state = "left"
      if (neighbour.deadline !== undefined) this.#context.deadlines.set(neighbour.deadline, undefined)
    } else {
      unindexNeighbour(this.#index, neighbour)
      swarm.leave(neighbour, now)
    }
  }

  #dropPoorest(swarm: ChannelSwarm, now: Micros): void {
    let poorest: Neighbour | undefined
    for (const neighbour of swarm.neighbours) {
      if (poorest === undefined || piecesOf(neighbour) < piecesOf(poorest)) poorest = neighbour
    }
    if (poorest !== undefined) this.close(poorest, "not-interested", now)
  }

  #takeAsks(id: SwarmId): readonly PeerSession[] {
    const sessions = this.#asks?.get(id) ?? []
    this.#asks?.delete(id)
    return sessions
  }

  #forgetAsk(session: PeerSession, id: SwarmId): void {
    const sessions = this.#asks?.get(id) ?? []
    const index = sessions.indexOf(session)
    if (index >= 0) sessions.splice(index, 1)
  }

  #entry(id: SwarmId): Entry<S> {
    const entry = this.#entries.get(id)
    invariant(entry !== undefined, `channels: swarm ${id} is not open on this host`)
    return entry
  }

  #checkIdle(session: PeerSession, now: Micros): void {
    if (session.isIdle) this.#dialler.idled(session, now)
  }
}

const piecesOf = ({ theirs }: Neighbour): number => theirs?.count ?? 0
