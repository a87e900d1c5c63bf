// Decides whom a tracker hands out: the peer table of ONE swarm, and the choice from it. The goal is a near-regular
// random graph in which every peer has about targetNeighbours neighbours.
//
//   A peer's degree is estimated: the neighbours that it reported last, and the hand-outs since then that it was part
//   of, on either side. Of a few peers probed at random the one of the lowest degree is taken. Chance makes the graph
//   an expander (taking the lowest of ALL would chain every newcomer to the few before it); the comparison keeps
//   degrees together; peers at maxNeighbours are passed over, for they would refuse.
//
//   A newcomer gets a few neighbours, enough to begin with: of hosts that join together the first know nobody and the
//   last are known to nobody. When it announces again, soon after, everyone is here: then it gets half of what it is
//   short of, since others who are short are given it. In a swarm no larger than a target and one everybody gets
//   everybody.
//
// Invariants: the answer names nobody twice and never the asker; a peer unheard of for announceMisses of its intervals
// is not handed out; at most maxPeersPerSwarm peers are kept, the one nearest to its expiry goes first; a choice costs
// a bounded number of probes, whatever the swarm's size. The same calls with the same chance give the same answers.
// It refuses to know who is connected to whom.

import type { RandomSource } from "../kit/random-source.ts"
import { type RecencyLinks, RecencyList } from "../kit/recency-list.ts"
import type { Micros } from "../kit/time.ts"
import { limits } from "../limits.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

/** The limits of a hand-out; limits.ts says what each means. */
export interface HandOutRules {
  readonly targetNeighbours: number
  readonly newcomerNeighbours: number
  readonly maxNeighbours: number
  readonly maxHandOut: number
}

/** What a peer says of itself in one swarm. */
export interface PeerAnnounce {
  readonly peer: PeerAddress
  readonly complete: boolean
  /** Verified pieces. The choice does not look at it. */
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
  /** Its place in the array that is probed. */
  slot: number
  /** It was given peers before. */
  served: boolean
  /** The last choice that named it, or was for it. */
  namedIn: number
}

/**
 * Peers compared for a place. 5,000 joiners in a row, standard deviation of the degree and hops across, after joining:
 * one 4.6 and 6, two 3.3 and 6, three 2.6 and 7, five 2.0 and 8; a round of announces later: 3.3 and 5, 1.9 and 5,
 * 1.2 and 6, 0.7 and 7.
 */
const comparedPeers = 3
/** Probes for a place, those that meet a peer already named or full included. */
const maxProbes = 12

const timeToLive = (complete: boolean): Micros =>
  limits.announceMisses * (complete ? limits.seedAnnounceInterval : limits.announceInterval)

export class HandOut {
  readonly #byId = new Map<PeerId, Entry>()
  /** All entries, in no meaningful order: removal moves the last into the gap. */
  readonly #entries: Entry[] = []
  /** Within each list the expiries are in order, since its members live equally long. */
  readonly #downloading = new RecencyList<Entry>()
  readonly #complete = new RecencyList<Entry>()
  readonly #rules: HandOutRules
  #choices = 0
  #completeCount = 0

  /** @param rules Limits that an experiment varies; the rest are those of limits.ts. */
  constructor(rules: Partial<HandOutRules> = {}) {
    this.#rules = { ...limits, ...rules }
  }

  /** Peers kept. Those expired are counted until the next call that carries an instant. */
  get size(): number {
    return this.#entries.length
  }

  /** Peers kept that have everything. */
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
   * Peers for `forPeer` to dial, agents first, then `seeds` from a random one on: at most `wanted` agents, at most
   * maxHandOut in all. Empty when nothing is wanted, and for a peer that announced itself complete.
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

  /** Forgets peers that were not heard of in time. Every other call does it first; here for a tracker's own sweep. */
  expire(now: Micros): void {
    for (const list of [this.#downloading, this.#complete]) {
      for (let entry = list.oldest; entry !== undefined && entry.expiresAt <= now; entry = list.oldest) {
        this.#remove(entry)
      }
    }
  }

  /** The seeds but the asker, each once, beginning at a random one so that a dialler that stops early spreads load. */
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

  /** An entry that this choice has not named; undefined when a bounded search found none. */
  #lowestOfFew(choice: number, random: RandomSource): Entry | undefined {
    const entries = this.#entries
    // Where probing could miss the last few, every entry is looked at instead; from a random one on, for the ties.
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
