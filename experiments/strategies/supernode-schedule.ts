// Decisions of a Dragonfly supernode (supernode/daemon/mgr/scheduler of dragonflyoss/Dragonfly 1.0): the pieces that a
// host fetches next, and their servers. Among the pieces that the host lacks it takes the one that the fewest hosts
// have, then the one nearest to the middle of those under way, from the next host by turns that has it and a free
// upload slot. If no host has one, the piece comes from an origin, whatever its load (as in the source), or the host
// waits, since origins have slots too.
//
// It knows its own hosts only, no messages and no time.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Image } from "./image.ts"

export interface SupernodeRules {
  /** Pieces of a blob that a host fetches at the same time. */
  readonly downLimit: number
  /** Pieces of a blob that a host serves at the same time. */
  readonly upLimit: number
  readonly whenBusy: "origin" | "wait"
}

// State of a piece at a host; while it is fetched, the number of the server plus one.
const lacks = 0
const has = -1

export class SupernodeSchedule {
  readonly #image: Image
  readonly #rules: SupernodeRules
  /** Its hosts are those whose number is `share` modulo `shares`. */
  readonly #shares: number
  readonly #agents: number
  readonly #owners: ReadonlyArray<ReadonlyArray<number>>
  /** By own host and piece. */
  readonly #state: Int32Array
  /** By piece: own hosts that have it. */
  readonly #holders: ReadonlyArray<Array<number>>
  /** By piece: the holder that served it last. */
  readonly #turns: Int32Array
  /** By host and blob: pieces that the host serves. */
  readonly #load: Int32Array
  /** By own host and blob: pieces that the host fetches. */
  readonly #fetching: Int32Array
  /** By own host and blob: sum of the numbers of the pieces that the host fetches. */
  readonly #sums: Float64Array
  /** By own host and blob: pieces that the host neither has nor fetches. */
  readonly #wanted: Int32Array
  /** By piece: holders with a free upload slot. */
  readonly #free: Int32Array

  constructor(
    image: Image,
    hosts: { readonly all: number; readonly agents: number; readonly shares: number },
    owners: ReadonlyArray<ReadonlyArray<number>>,
    rules: SupernodeRules
  ) {
    const own = Math.ceil(hosts.agents / hosts.shares)
    this.#image = image
    this.#rules = rules
    this.#shares = hosts.shares
    this.#agents = hosts.agents
    this.#owners = owners
    this.#state = new Int32Array(own * image.pieces)
    this.#holders = Array.from({ length: image.pieces }, () => [])
    this.#turns = new Int32Array(image.pieces)
    this.#load = new Int32Array(hosts.all * image.blobs)
    this.#fetching = new Int32Array(own * image.blobs)
    this.#sums = new Float64Array(own * image.blobs)
    this.#wanted = new Int32Array(own * image.blobs)
    for (let task = 0; task < this.#wanted.length; task++) {
      const blob = task % image.blobs
      this.#wanted[task] = image.first[blob + 1]! - image.first[blob]!
    }
    this.#free = new Int32Array(image.pieces)
  }

  /** The host has fetched and stored a piece. */
  fetched(host: number, piece: number): void {
    const { pieces, blobs, blobOf } = this.#image
    const own = Math.floor(host / this.#shares)
    const server = this.#state[own * pieces + piece]! - 1
    invariant(server >= 0, "supernode: a host fetches only the pieces that it is told to fetch")
    const blob = blobOf[piece]!
    this.#state[own * pieces + piece] = has
    this.#holders[piece]!.push(host)
    if (this.#load[host * blobs + blob]! < this.#rules.upLimit) this.#free[piece]!++
    if (--this.#load[server * blobs + blob]! === this.#rules.upLimit - 1) this.#countFree(server, blob, 1)
    this.#fetching[own * blobs + blob]!--
    this.#sums[own * blobs + blob]! -= piece
  }

  /** What the host fetches next in addition: pieces and servers in turn. Empty when the host has to wait. */
  next(host: number, blob: number, random: RandomSource): Array<number> {
    const { blobs, pieces } = this.#image
    const own = Math.floor(host / this.#shares)
    const task = own * blobs + blob
    const fetching = this.#fetching[task]!
    const middle = fetching === 0 ? this.#image.first[blob]! : Math.floor(this.#sums[task]! / fetching)
    const chosen: Array<number> = []
    while (this.#fetching[task]! < this.#rules.downLimit) {
      const origin = this.#originFor(blob)
      const piece = this.#rarest(own, blob, middle, origin >= 0, random)
      if (piece < 0) break
      const server = this.#free[piece]! > 0 ? this.#holderOf(piece, blob) : origin
      this.#state[own * pieces + piece] = server + 1
      this.#wanted[task]!--
      this.#fetching[task]!++
      this.#sums[task]! += piece
      if (++this.#load[server * blobs + blob]! === this.#rules.upLimit) this.#countFree(server, blob, -1)
      chosen.push(piece, server)
    }
    return chosen
  }

  /** Whether the host may fetch more of the blob. */
  isHungry(host: number, blob: number): boolean {
    const task = Math.floor(host / this.#shares) * this.#image.blobs + blob
    return this.#fetching[task]! < this.#rules.downLimit && this.#wanted[task]! > 0
  }

  #rarest(own: number, blob: number, middle: number, anywhere: boolean, random: RandomSource): number {
    const { first, pieces } = this.#image
    const row = own * pieces
    let best = -1
    let fewest = 0
    let nearest = 0
    for (let piece = first[blob]!; piece < first[blob + 1]!; piece++) {
      if (this.#state[row + piece] !== lacks || !(anywhere || this.#free[piece]! > 0)) continue
      const count = this.#holders[piece]!.length
      const distance = Math.abs(piece - middle)
      const isBetter =
        best < 0 ||
        count < fewest ||
        (count === fewest && (distance < nearest || (distance === nearest && random.nextInt(2) === 0)))
      if (!isBetter) continue
      best = piece
      fewest = count
      nearest = distance
    }
    return best
  }

  /** The next holder by turns with a free slot; there must be one. */
  #holderOf(piece: number, blob: number): number {
    const { blobs } = this.#image
    const holders = this.#holders[piece]!
    let turn = this.#turns[piece]!
    do turn = turn + 1 < holders.length ? turn + 1 : 0
    while (this.#load[holders[turn]! * blobs + blob]! >= this.#rules.upLimit)
    this.#turns[piece] = turn
    return holders[turn]!
  }

  /** The origin of the blob with the least load, or -1 when it has no free slot either. */
  #originFor(blob: number): number {
    const { blobs } = this.#image
    let idlest = -1
    for (const origin of this.#owners[blob]!) {
      if (idlest < 0 || this.#load[origin * blobs + blob]! < this.#load[idlest * blobs + blob]!)
        idlest = origin
    }
    const { whenBusy, upLimit } = this.#rules
    return whenBusy === "origin" || this.#load[idlest * blobs + blob]! < upLimit ? idlest : -1
  }

  /** A host lost its last free slot, or has one again. */
  #countFree(host: number, blob: number, step: number): void {
    if (host >= this.#agents) return
    const { first, pieces } = this.#image
    const row = Math.floor(host / this.#shares) * pieces
    for (let piece = first[blob]!; piece < first[blob + 1]!; piece++) {
      if (this.#state[row + piece] === has) this.#free[piece]! += step
    }
  }
}
