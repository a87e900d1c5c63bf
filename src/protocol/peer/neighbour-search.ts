// Decides whom a swarm should try next as a neighbour: the peers of the latest hand-outs, first offered first, without
// those that refused a short while ago.
//
// Invariants: at most maxCandidates peers and as many refusals are remembered. It refuses to know connections; the
// caller says which candidates can be tried now.

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

  /** `seek` is called when a candidate that was left alone may be tried again. */
  constructor(context: HostContext, seek: (now: Micros) => void) {
    this.#context = context
    this.#deadline = context.deadlines.make(seek)
  }

  get candidates(): readonly PeerAddress[] {
    return this.#candidates
  }

  /** A hand-out came: its peers go before earlier ones. */
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
    // A copy is no larger than what is in it.
    this.#candidates = merged.slice()
  }

  /** A peer closed the channel, or could not be spoken to: not tried again for a while. */
  refused(peerId: PeerId, until: Micros): void {
    this.#refusals ??= new BoundedMap(this.#context.rules.maxCandidates)
    this.#refusals.set(peerId, until)
  }

  /** When a peer may be tried as far as its own refusals go. */
  notBefore(peerId: PeerId): Micros {
    return this.#refusals?.get(peerId) ?? 0
  }

  /** Seeks again at `at`. */
  wakeAt(at: Micros | undefined): void {
    this.#context.deadlines.set(this.#deadline, at)
  }
}
