// Peer table of one swarm at a tracker, and how peers are chosen from it. The goal is a near-regular random graph in
// which every peer has about targetNeighbours neighbours.
//
//   The degree of a peer is estimated: the neighbours that it reported last, plus the hand-outs since then in which it
//   took part, on either side. Of a few peers that are probed at random, the one with the lowest degree is chosen. The
//   randomness makes the graph an expander (choosing the lowest of ALL would chain every newcomer to the few before
//   it), and the comparison keeps degrees close together. Peers at maxNeighbours are skipped, because they would refuse.
//
//   A newcomer receives a few neighbours, enough to begin with: when hosts join together, the first know nobody and the
//   last are known to nobody. When it announces again, soon after, the others are known. Then it receives half of the
//   neighbours that it lacks, since others that lack some receive it. In a swarm of at most the target and one more,
//   every peer receives all others.
//
// Invariants: an answer names no peer twice and never the peer that asks; a peer that was silent for announceMisses of
// its intervals is not handed out; at most maxPeersPerSwarm peers are kept, and the one nearest to its expiry is
// dropped first; a choice costs a bounded number of probes, whatever the size of the swarm. The same calls with the
// same random numbers give the same answers. It does not know who is connected to whom.

import type { RandomSource } from "../kit/random-source.ts"
import { type RecencyLinks, RecencyList } from "../kit/recency-list.ts"
import type { Micros } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

/** The limits of a hand-out; limits.ts explains each. */
export interface HandOutRules {
  readonly targetNeighbours: number
  readonly newcomerNeighbours: number
  readonly maxNeighbours: number
  readonly maxHandOut: number
}

/** The announce of a peer in one swarm. */
export interface PeerAnnounce {
  readonly peer: PeerAddress
  readonly complete: boolean
  /** Number of verified pieces. The choice ignores it. */
  readonly have?: number
  readonly neighbours: number
  /** The peer leaves the swarm. */
  readonly stopped: boolean
}

interface Entry extends RecencyLinks<Entry> {
  peer: PeerAddress
  complete: boolean
  degree: number
  expiresAt: Micros
  /** Index in the array that is probed. */
  slot: number
  /** Whether it has received peers before. */
  served: boolean
  /** Number of the last choice that named it, or was made for it. */
  namedIn: number
}

/**
 * Peers that are compared for one place. With 5,000 peers that join one after the other, the standard deviation of the
 * degree and the diameter in hops are: one 4.6 and 6, two 3.3 and 6, three 2.6 and 7, five 2.0 and 8. A round of
 * announces later: 3.3 and 5, 1.9 and 5, 1.2 and 6, 0.7 and 7.
 */
const comparedPeers = 3
/** Probes for one place, including those that meet a peer that is already named or full. */
const maxProbes = 12

const timeToLive = (complete: boolean): Micros =>
  limits.announceMisses * (complete ? limits.seedAnnounceInterval : limits.announceInterval)

export class HandOut {
  readonly #byId = new Map<PeerId, Entry>()
  /** All entries, in no meaningful order: a removal moves the last entry into the gap. */
  readonly #entries: Entry[] = []
  /** Each list is in the order of expiry, since its members live equally long. */
  readonly #downloading = new RecencyList<Entry>()
  readonly #complete = new RecencyList<Entry>()
  readonly #rules: HandOutRules
  #choices = 0
  #completeCount = 0

  /** @param rules Limits that an experiment varies; limits.ts has the others. */
  constructor(rules: Partial<HandOutRules> = {}) {
    this.#rules = { ...limits, ...rules }
  }

  /** Number of peers. Expired ones count until the next call that carries an instant. */
  get size(): number {
    return this.#entries.length
  }

  /** Number of complete peers. */
  get completeCount(): number {
    return this.#completeCount
  }

  announce(announced: PeerAnnounce, now: Micros): void {
    this.expire(now)
    const { peer, complete } = announced
    const known = this.#byId.get(peer.peerId)
    if (announced.stopped) {
      if (known !== undefined) this.#remove(known)
      return
    }
    const entry = known ?? this.#make(peer)
    if (known !== undefined) this.#unlist(known)
    entry.peer = peer
    entry.complete = complete
    entry.degree = announced.neighbours
    entry.expiresAt = now + timeToLive(complete)
    this.#list(entry)
  }

  /**
   * Peers that `forPeer` should dial: agents first, then `seeds` from a random one on; at most `wanted` agents and at
   * most maxHandOut in all. Empty when none is wanted, and for a peer that announced itself complete.
   */
  choose(
    forPeer: PeerId,
    wanted: number,
    seeds: readonly PeerAddress[],
    random: RandomSource,
    now: Micros
  ): readonly PeerAddress[] {
    this.expire(now)
    const asker = this.#byId.get(forPeer)
    if (wanted <= 0 || asker?.complete === true) return []
    const choice = ++this.#choices
    if (asker !== undefined) asker.namedIn = choice
    const answer: PeerAddress[] = []
    const chosenSeeds = this.#seedsFor(forPeer, seeds, choice, random)
    const room = Math.min(wanted, this.#rules.maxHandOut - chosenSeeds.length)
    const small = this.#entries.length <= this.#rules.targetNeighbours + 1
    const share = asker?.served === true ? Math.ceil(wanted / 2) : this.#rules.newcomerNeighbours
    if (asker !== undefined) asker.served = true
    for (let places = small ? room : Math.min(room, share); places > 0; places--) {
      const entry = this.#lowestOfFew(choice, random)
      if (entry === undefined) break
      entry.namedIn = choice
      entry.degree++
      if (asker !== undefined) asker.degree++
      answer.push(entry.peer)
    }
    answer.push(...chosenSeeds)
    return answer
  }

  /** Drops expired peers. Every other call does this first; a tracker calls it for its own sweep. */
  expire(now: Micros): void {
    for (const list of [this.#downloading, this.#complete]) {
      for (let entry = list.oldest; entry !== undefined && entry.expiresAt <= now; entry = list.oldest) {
        this.#remove(entry)
      }
    }
  }

  /**
   * The seeds except the asking peer, each once, from a random one on, so that a dialler that stops early spreads load.
   */
  #seedsFor(
    forPeer: PeerId,
    seeds: readonly PeerAddress[],
    choice: number,
    random: RandomSource
  ): readonly PeerAddress[] {
    const chosen: PeerAddress[] = []
    const first = seeds.length > 1 ? random.nextInt(seeds.length) : 0
    for (let offset = 0; offset < seeds.length && chosen.length < this.#rules.maxHandOut; offset++) {
      const seed = seeds[(first + offset) % seeds.length]!
      if (seed.peerId === forPeer || chosen.some(({ peerId }) => peerId === seed.peerId)) continue
      const entry = this.#byId.get(seed.peerId)
      if (entry !== undefined) entry.namedIn = choice
      chosen.push(seed)
    }
    return chosen
  }

  /** An entry that this choice has not named yet; undefined when a bounded search finds none. */
  #lowestOfFew(choice: number, random: RandomSource): Entry | undefined {
    const entries = this.#entries
    // When probing could miss the last few entries, every entry is examined instead, from a random one on because of
    // ties.
    if (entries.length <= maxProbes) {
      let lowest: Entry | undefined
      const first = entries.length > 1 ? random.nextInt(entries.length) : 0
      for (let offset = 0; offset < entries.length; offset++) {
        const entry = entries[(first + offset) % entries.length]!
        if (entry.namedIn !== choice && (lowest === undefined || entry.degree < lowest.degree)) lowest = entry
      }
      return lowest
    }
    let lowest: Entry | undefined
    let compared = 0
    for (let probe = 0; probe < maxProbes && compared < comparedPeers; probe++) {
      const entry = entries[random.nextInt(entries.length)]!
      if (entry.namedIn === choice) continue
      if (entry.degree < this.#rules.maxNeighbours) compared++
      if (lowest === undefined || entry.degree < lowest.degree) lowest = entry
    }
    return lowest
  }

  #make(peer: PeerAddress): Entry {
    const displaced = this.#entries.length >= limits.maxPeersPerSwarm ? this.#nextToExpire() : undefined
    if (displaced !== undefined) this.#remove(displaced)
    const entry: Entry = {
      peer,
      complete: false,
      degree: 0,
      served: false,
      expiresAt: 0,
      slot: this.#entries.length,
      namedIn: 0,
      older: undefined,
      newer: undefined
    }
    this.#entries.push(entry)
    this.#byId.set(peer.peerId, entry)
    return entry
  }

  #nextToExpire(): Entry | undefined {
    const downloading = this.#downloading.oldest
    const complete = this.#complete.oldest
    if (downloading === undefined) return complete
    return complete !== undefined && complete.expiresAt < downloading.expiresAt ? complete : downloading
  }

  #remove(entry: Entry): void {
    this.#unlist(entry)
    this.#byId.delete(entry.peer.peerId)
    const last = this.#entries.pop()!
    if (last === entry) return
    this.#entries[entry.slot] = last
    last.slot = entry.slot
  }

  #list(entry: Entry): void {
    if (entry.complete) this.#completeCount++
    const list = entry.complete ? this.#complete : this.#downloading
    list.add(entry)
  }

  #unlist(entry: Entry): void {
    if (entry.complete) this.#completeCount--
    const list = entry.complete ? this.#complete : this.#downloading
    list.remove(entry)
  }
}
