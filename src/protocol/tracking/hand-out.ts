// Peer table of one swarm on a tracker, and how peers are chosen from it. The goal is a near-regular random graph in
// which every peer has about targetNeighbours neighbours.
//
//   The degree of a peer is estimated: the neighbours in its last announce, and the hand-outs since then in which it
//   took part, on either side. A few peers are probed at random, and the one with the lowest degree is chosen.
//   Random probes make the graph an expander (choosing the lowest of ALL would chain every newcomer to the few before
//   it); the comparison keeps degrees similar; peers at maxNeighbours are skipped, since they would refuse.
//
//   A newcomer gets a few neighbours to begin with: when hosts join together, the first ones get nobody and
//   the last ones are handed out to nobody. When it announces again, soon after, all of them are here: then it gets
//   half of what it lacks, since it is handed out to others that lack neighbours as well. In a swarm of at most
//   targetNeighbours + 1 peers, every peer gets all others.
//
// Invariants: the answer has no peer twice, and never the requester; a peer that has not announced for announceMisses
// of its intervals is not handed out; at most maxPeersPerSwarm peers are kept, and the one that expires first makes
// room; a choice takes a bounded number of probes, whatever the size of the swarm. The same calls with the same random
// numbers give the same answers. It does not know which peers are connected.

import type { RandomSource } from "../kit/random-source.ts"
import { type RecencyLinks, RecencyList } from "../kit/recency-list.ts"
import type { Micros } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

/** The limits of a hand-out; limits.ts explains each of them. */
export interface HandOutRules {
  readonly targetNeighbours: number
  readonly newcomerNeighbours: number
  readonly maxNeighbours: number
  readonly maxHandOut: number
  readonly comparedPeers: number
  readonly maxPeerProbes: number
}

/** Announce of a peer in one swarm. */
export interface PeerAnnounce {
  readonly peer: PeerAddress
  readonly complete: boolean
  /** Number of verified pieces. The choice does not use it. */
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
  /** Its index in the array that is probed. */
  slot: number
  /** It has got a hand-out before. */
  served: boolean
  /** The last choice that included it or was made for it. */
  namedIn: number
}

const timeToLive = (complete: boolean): Micros =>
  limits.announceMisses * (complete ? limits.seedAnnounceInterval : limits.announceInterval)

export class HandOut {
  readonly #byId = new Map<PeerId, Entry>()
  /** All entries, unordered: removal moves the last entry into the gap. */
  readonly #entries: Entry[] = []
  /** Each list is in the order of expiry, since its entries live equally long. */
  readonly #downloading = new RecencyList<Entry>()
  readonly #complete = new RecencyList<Entry>()
  readonly #rules: HandOutRules
  #choices = 0
  #completeCount = 0

  /** @param rules Limits that an experiment varies; all others are those of limits.ts. */
  constructor(rules: Partial<HandOutRules> = {}) {
    this.#rules = { ...limits, ...rules }
  }

  /** Number of peers. Expired ones count until the next call with an instant. */
  get size(): number {
    return this.#entries.length
  }

  /** Number of peers that are complete. */
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
   * Peers for `forPeer` to dial: agents first, then `seeds` from a random one on; at most `wanted` agents, and at most
   * maxHandOut peers in all. Empty when nothing is wanted, and for a peer that has announced itself complete.
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

  /** Removes expired peers. Every other call does this first; the tracker calls it for swarms without announces. */
  expire(now: Micros): void {
    for (const list of [this.#downloading, this.#complete]) {
      for (let entry = list.oldest; entry !== undefined && entry.expiresAt <= now; entry = list.oldest) {
        this.#remove(entry)
      }
    }
  }

  /** The seeds except the requester, each once, from a random one on: diallers that stop early spread the load. */
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

  /** An entry that is not in this choice; undefined when a bounded search finds none. */
  #lowestOfFew(choice: number, random: RandomSource): Entry | undefined {
    const entries = this.#entries
    const { comparedPeers, maxPeerProbes, maxNeighbours } = this.#rules
    // In a small table probes could miss the last few, so all entries are read, from a random one on because of ties.
    if (entries.length <= maxPeerProbes) {
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
    for (let probe = 0; probe < maxPeerProbes && compared < comparedPeers; probe++) {
      const entry = entries[random.nextInt(entries.length)]!
      if (entry.namedIn === choice) continue
      if (entry.degree < maxNeighbours) compared++
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
