// Candidates of a swarm for new neighbours: the peers of the latest hand-outs, in the order of the offers, and when
// those that refused may be tried again.
//
// Invariants: at most maxCandidates peers and as many refusals are remembered. It does not know connections; the caller
// decides which candidates it can try now.

import { BoundedMap } from "../kit/bounded-map.ts"
import type { Deadline } from "../kit/deadlines.ts"
import type { Micros } from "../kit/time.ts"
import type { HostContext } from "../swarm/host-context.ts"
import type { PeerAddress, PeerId } from "../wire/peer-id.ts"

export class NeighbourSearch {
  readonly #context: HostContext
  #candidates: readonly PeerAddress[] = []
  #refusals: BoundedMap<PeerId, Micros> | undefined
  readonly #deadline: Deadline

  /** @param seek Called when a candidate that was backing off may be tried again. */
  constructor(context: HostContext, seek: (now: Micros) => void) {
    this.#context = context
    this.#deadline = context.deadlines.make(seek)
  }

  get candidates(): readonly PeerAddress[] {
    return this.#candidates
  }

  /** Adds the peers of a hand-out before earlier ones. */
  offer(peers: readonly PeerAddress[]): void {
    const seen = new Set<PeerId>([this.#context.self.peerId])
    const merged: PeerAddress[] = []
    for (const list of [peers, this.#candidates]) {
      for (const peer of list) {
        if (merged.length >= this.#context.rules.maxCandidates) break
        if (seen.has(peer.peerId)) continue
        seen.add(peer.peerId)
        merged.push(peer)
      }
    }
    // A copy has no spare capacity.
    this.#candidates = merged.slice()
  }

  /** A peer closed its channel: it is not tried again before `until`. */
  refused(peerId: PeerId, until: Micros): void {
    this.#refusals ??= new BoundedMap(this.#context.rules.maxCandidates)
    this.#refusals.set(peerId, until)
  }

  /** When a peer may be tried, considering only its refusals in this swarm. */
  notBefore(peerId: PeerId): Micros {
    return this.#refusals?.get(peerId) ?? 0
  }

  /** Schedules the next search. */
  wakeAt(at: Micros | undefined): void {
    this.#context.deadlines.set(this.#deadline, at)
  }
}
