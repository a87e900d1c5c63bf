// How many bytes flows get over shared links, and which is through next. fair-shares.ts computes the rates; this file
// integrates them over time. Every link has one account, the bytes that each of the flows it limits has got since the
// start; a flow is through when the account reaches its tag, account at its start + its bytes. So a change of a link's
// rate costs one sum, however many flows it limits, and only the first of them has a place in the queue of ends.
//
//   closed --open--> served --through, wait--> waiting --serve--> served
//                      |                          |
//                      +------- close ------------+--> closed
//
// A flow that waits has nothing to send; it keeps its share of the links until it is closed.
//
// Invariant: after solve, `nextEnd` is exact until the next call.

import type { Micros } from "../../protocol/kit/time.ts"
import { FairShares, type SharesFollower } from "./fair-shares.ts"
import { IndexedHeaps } from "./indexed-heaps.ts"

const nothing = Number.POSITIVE_INFINITY

/** The only heap of ends. */
const theEnds = 0

// A link is a row of doubles: its account, the instant of the account, and 1 while it is among the touched.
const rowLength = 4
const accountAt = 0
const instantAt = 1
const touchedAt = 2

export class FairService implements SharesFollower {
  readonly shares: FairShares
  readonly #clock: () => Micros
  #links = new Float64Array(64 * rowLength)
  /** A heap for each link: the flows that it limits and that have bytes, by tag. */
  readonly #served = new IndexedHeaps()
  /** One heap: the links that serve flows, by the instant at which the first of these is through. */
  readonly #ends = new IndexedHeaps()
  /** The first of these are the links whose first end may have changed. It never shrinks, so as not to be made anew. */
  readonly #touched: number[] = []
  #touchedCount = 0

  constructor(tolerance: number, clock: () => Micros) {
    this.shares = new FairShares(tolerance, this)
    this.#clock = clock
    this.#ends.add()
  }

  /** Adds a link and returns its number. */
  addLink(capacity: number): number {
    const link = this.shares.addLink(capacity)
    this.#served.add()
    this.#ends.include(link)
    if ((link + 1) * rowLength > this.#links.length) {
      const longer = new Float64Array(this.#links.length * 2)
      longer.set(this.#links)
      this.#links = longer
    }
    return link
  }

  /** Puts a flow with this many bytes on its links. */
  open(flow: number, route: ReadonlyArray<number>, bytes: number): void {
    this.#served.include(flow)
    this.shares.open(flow, route)
    this.serve(flow, bytes)
  }

  close(flow: number): void {
    // The shares touch the link.
    this.#served.remove(this.shares.limit(flow), flow)
    this.shares.close(flow)
  }

  /** Gives bytes to a flow that waits. */
  serve(flow: number, bytes: number): void {
    const limit = this.shares.limit(flow)
    this.touched(limit)
    this.#served.set(limit, flow, this.#links[limit * rowLength + accountAt]! + bytes)
  }

  /** Gives more bytes to a flow that is served. */
  extend(flow: number, bytes: number): void {
    const limit = this.shares.limit(flow)
    this.touched(limit)
    this.#served.set(limit, flow, this.#served.key(flow) + bytes)
  }

  /** Takes a flow that is through out of service. Returns the bytes that it has got beyond its own. */
  wait(flow: number): number {
    const limit = this.shares.limit(flow)
    this.touched(limit)
    this.#served.remove(limit, flow)
    return this.#links[limit * rowLength + accountAt]! - this.#served.key(flow)
  }

  /** Bytes that a flow has yet to get; 0 when it waits. */
  left(flow: number): number {
    if (!this.#served.has(flow)) return 0
    const limit = this.shares.limit(flow)
    const row = limit * rowLength
    const since = this.#clock() - this.#links[row + instantAt]!
    const account = this.#links[row + accountAt]! + this.shares.level(limit) * since
    return Math.max(0, this.#served.key(flow) - account)
  }

  /** Finds the new rates. */
  solve(): void {
    this.shares.solve()
  }

  /** The instant at which the next flow is through, or infinity. */
  get nextEnd(): number {
    this.#updateEnds()
    const link = this.#ends.first(theEnds)
    return link < 0 ? nothing : this.#ends.key(link)
  }

  /** The flow that is through at the instant that `nextEnd` said last. */
  get nextFlow(): number {
    return this.#served.first(this.#ends.first(theEnds))
  }

  touched(link: number): void {
    const links = this.#links
    const row = link * rowLength
    const now = this.#clock()
    links[row + accountAt]! += this.shares.level(link) * (now - links[row + instantAt]!)
    links[row + instantAt] = now
    if (links[row + touchedAt] !== 0) return
    links[row + touchedAt] = 1
    this.#touched[this.#touchedCount++] = link
  }

  moved(flow: number, from: number, to: number): void {
    if (!this.#served.has(flow)) return
    const bytes = this.#served.key(flow) - this.#links[from * rowLength + accountAt]!
    this.#served.remove(from, flow)
    this.#served.set(to, flow, this.#links[to * rowLength + accountAt]! + bytes)
  }

  #updateEnds(): void {
    const links = this.#links
    for (let index = 0; index < this.#touchedCount; index++) {
      const link = this.#touched[index]!
      const row = link * rowLength
      links[row + touchedAt] = 0
      const first = this.#served.first(link)
      if (first < 0) {
        this.#ends.remove(theEnds, link)
        continue
      }
      const bytes = this.#served.key(first) - links[row + accountAt]!
      this.#ends.set(theEnds, link, links[row + instantAt]! + bytes / this.shares.level(link))
    }
    this.#touchedCount = 0
  }
}
