// Connections of a host: their limit, one connection per peer, bans that expire, and the backoff of peers that failed.
//
// Invariants: connections of all states together never exceed maxConnections; a peer has at most one open session; bans
// and redial records are bounded, and the oldest one makes room. It does not know swarms and messages.

import { backoffDelay } from "../kit/backoff.ts"
import { BoundedMap } from "../kit/bounded-map.ts"
import { invariant } from "../kit/invariant.ts"
import type { RandomSource } from "../kit/random-source.ts"
import type { Micros } from "../kit/time.ts"
import type { PeerHostRules } from "../swarm/host-context.ts"
import { peerOf } from "../swarm/neighbour.ts"
import type { ConnectionId } from "../swarm/peer-host-io.ts"
import type { PeerId } from "../wire/peer-id.ts"
import type { PeerSession } from "./peer-session.ts"

interface Redial {
  attempts: number
  notBefore: Micros
}

export class ConnectionBudget {
  readonly #rules: PeerHostRules
  readonly #random: RandomSource
  readonly #sessions = new Map<ConnectionId, PeerSession>()
  readonly #open = new Map<PeerId, PeerSession>()
  /** Sessions before the end of their handshake, by the peer that the tracker named. */
  readonly #pending = new Map<PeerId, PeerSession>()
  // Created with their first entry: most hosts never have one.
  #bans: BoundedMap<PeerId, { readonly until: Micros; readonly reason: string }> | undefined
  #redials: BoundedMap<PeerId, Redial> | undefined

  constructor(rules: PeerHostRules, random: RandomSource) {
    this.#rules = rules
    this.#random = random
  }

  get size(): number {
    return this.#sessions.size
  }

  get isFull(): boolean {
    return this.#sessions.size >= this.#rules.maxConnections
  }

  sessions(): IterableIterator<PeerSession> {
    return this.#sessions.values()
  }

  session(connection: ConnectionId): PeerSession | undefined {
    return this.#sessions.get(connection)
  }

  /** The open connection to a peer. */
  openWith(peerId: PeerId): PeerSession | undefined {
    return this.#open.get(peerId)
  }

  /** The connection that is being made to a peer. */
  pendingWith(peerId: PeerId): PeerSession | undefined {
    return this.#pending.get(peerId)
  }

  add(session: PeerSession): void {
    invariant(!this.#sessions.has(session.connection), `connection ${session.connection} is used twice`)
    this.#sessions.set(session.connection, session)
    if (session.expected !== undefined) this.#pending.set(session.expected, session)
  }

  /** The handshake is done: the session is the one of its peer. */
  opened(session: PeerSession): void {
    this.#forgetPending(session)
    const peerId = peerOf(session)
    this.#open.set(peerId, session)
    this.#redials?.delete(peerId)
  }

  /** This host ends the session. Its connection counts until it is gone. */
  closing(session: PeerSession): void {
    this.#forgetPending(session)
    if (session.peerId !== undefined && this.#open.get(session.peerId) === session) {
      this.#open.delete(session.peerId)
    }
  }

  gone(session: PeerSession): void {
    this.closing(session)
    this.#sessions.delete(session.connection)
  }

  ban(peerId: PeerId, reason: string, now: Micros): void {
    this.#bans ??= new BoundedMap(this.#rules.maxBans)
    this.#bans.set(peerId, { until: now + this.#rules.banDuration, reason })
  }

  isBanned(peerId: PeerId, now: Micros): boolean {
    const ban = this.#bans?.get(peerId)
    if (ban === undefined) return false
    if (ban.until > now) return true
    this.#bans?.delete(peerId)
    return false
  }

  bans(): ReadonlyArray<{ readonly peerId: PeerId; readonly until: Micros; readonly reason: string }> {
    return [...(this.#bans ?? [])].map(([peerId, ban]) => ({ peerId, ...ban }))
  }

  /** A connection to the peer failed or was refused: the peer is not dialled for a while, longer each time. */
  recordFailure(peerId: PeerId, now: Micros): void {
    this.#redials ??= new BoundedMap(this.#rules.maxRedialsRemembered)
    const attempts = this.#redials.get(peerId)?.attempts ?? 0
    const { minRedialDelay, maxRedialDelay } = this.#rules
    const delay = backoffDelay(attempts, { min: minRedialDelay, max: maxRedialDelay }, this.#random)
    this.#redials.set(peerId, { attempts: attempts + 1, notBefore: now + delay })
  }

  /** When the peer may be dialled; 0 when it has no failures. */
  dialNotBefore(peerId: PeerId): Micros {
    return this.#redials?.get(peerId)?.notBefore ?? 0
  }

  #forgetPending(session: PeerSession): void {
    if (session.expected !== undefined && this.#pending.get(session.expected) === session) {
      this.#pending.delete(session.expected)
    }
  }
}
