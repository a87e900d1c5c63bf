// Kraken's tracker. It hands out up to fifty random peers of those that have announced the blob (the caller may be
// among them), and all origins that hold it, sorted by completeness: complete peers, then origins, then the others. A
// peer that announces as complete gets nothing. Metainfo comes from the cache of its nginx. It computes no graph.

import { HandOut, kinds, sizes } from "./kraken-messages.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import type { Stage } from "./rival-crowd.ts"

export class KrakenTracker extends RivalMachine {
  readonly #io: RivalIo
  readonly #stage: Stage
  readonly #handOut: number
  readonly #counts: { announces: number }
  /** Agents by link. */
  readonly #from: Array<number> = []
  /** By blob: the agents that have announced it, in any order. */
  readonly #peers: ReadonlyArray<Array<number>>
  /** By blob and agent: 0 unknown, 1 known, 2 complete. */
  readonly #known: ReadonlyArray<Uint8Array>

  constructor(io: RivalIo, stage: Stage, handOut: number, counts: { announces: number }) {
    super()
    this.#io = io
    this.#stage = stage
    this.#handOut = handOut
    this.#counts = counts
    this.#peers = stage.cast.owners.map(() => [])
    this.#known = stage.cast.owners.map(() => new Uint8Array(stage.cast.agents))
  }

  override accepted(link: LinkNumber, from: number): void {
    this.#from[link] = from
  }

  override said(link: LinkNumber, kind: number, blob: number): void {
    const { image } = this.#stage
    if (kind === kinds.getMetainfo) {
      const pieces = image.first[blob + 1]! - image.first[blob]!
      this.#io.say(link, kinds.metainfo, blob, sizes.metainfo + pieces * sizes.pieceSum)
      return
    }
    this.#counts.announces++
    const isComplete = kind === kinds.announceComplete
    this.#update(blob, this.#from[link]!, isComplete)
    const peers = isComplete ? [] : this.#handOutOf(blob)
    this.#io.tell(link, new HandOut(blob, peers), sizes.emptyHandOut + peers.length * sizes.handedPeer)
  }

  #update(blob: number, peer: number, isComplete: boolean): void {
    const known = this.#known[blob]!
    if (known[peer] === 0) this.#peers[blob]!.push(peer)
    known[peer] = isComplete ? 2 : 1
  }

  #handOutOf(blob: number): ReadonlyArray<number> {
    const peers = this.#peers[blob]!
    const known = this.#known[blob]!
    const count = Math.min(this.#handOut, peers.length)
    const complete: Array<number> = []
    const others: Array<number> = []
    // The first `count` positions of a shuffle.
    for (let place = 0; place < count; place++) {
      const other = place + this.#io.random.nextInt(peers.length - place)
      const peer = peers[other]!
      peers[other] = peers[place]!
      peers[place] = peer
      if (known[peer] === 2) complete.push(peer)
      else others.push(peer)
    }
    return [...complete, ...this.#stage.cast.owners[blob]!, ...others]
  }
}
