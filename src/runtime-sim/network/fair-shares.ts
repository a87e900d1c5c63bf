// Max-min fair rates of flows that share links: no flow can have more without taking it from one that has no more
// than it. A pure machine that does not know time and frames. Links and flows are numbers, and what is known of them
// lies in typed arrays, one cache line each, because waiting for memory is most of the cost of a change.
//
// Every link makes an offer, and a flow is limited by its link of least offer. The flows that a link limits divide,
// equally, what its other flows leave: level = (capacity - sum of the offers that limit the others) / number. A link
// that limits nobody offers its capacity. When every level is equal to its offer, the rates are the max-min ones: the
// link that limits a flow is full, and no flow on it has more. A change at one link changes what is left at others;
// those whose level leaves its offer find a new offer, and so on, first come, first served. From any offers this ends
// at the correct ones: the links with the least share cannot be wrong for longer than one turn, then those with the
// next.
//
// With a tolerance, a level may be below its offer by that part. So changes stay local, and the flows that come and go
// on a link of hundreds cost no look at the others: until the level leaves that band, a change is a sum and a
// division. A link of many flows offers a little more than its level, so that the level has room to either side.
//
// Invariants after solve: the offer of the link that limits a flow is the least of its links; a level is at most its
// offer, and below by at most the tolerance; no link carries more than its capacity (except for rounding).

import { invariant } from "../../protocol/kit/invariant.ts"
import { IntegerLists } from "./integer-lists.ts"

/** Relative error of sums of rates, as a part of a level. */
const roundingError = 1e-12
/** An offer that would move by less than this part of itself stays. */
const offerGrain = 1e-13
/** Number of limited flows from which on a link offers more than its level. */
const manyFlows = 16

/** Links of a route at most: of two hosts, two racks and two zones. */
const longestRoute = 6

// A link is a row of doubles. Rates are in bytes per microsecond.
const linkLength = 8
const capacityAt = 0
const offerAt = 1
const levelAt = 2
/** Sum of the offers that limit its other flows. */
const restAt = 3
/** Number of flows that it limits. */
const limitedAt = 4
/** 1 while it waits for its turn. */
const queuedAt = 5

// A flow is a row of integers: the number of its links, the one that limits it, its links, and its places among the
// flows of each.
const flowLength = 16
const countAt = 0
const limitAt = 1
const linksAt = 2
const placesAt = linksAt + longestRoute

/** Follows the changes of a solution, to account for what flows have got until now. */
export interface SharesFollower {
  /** The level of a link is about to change, or a flow to join or leave those that it limits. */
  readonly touched: (link: number) => void
  /** From now on another link limits the flow. Both have been touched. */
  readonly moved: (flow: number, from: number, to: number) => void
}

export class FairShares {
  readonly #tolerance: number
  readonly #follower: SharesFollower
  #links = new Float64Array(64 * linkLength)
  #flows = new Int32Array(64 * flowLength)
  /** The flows on each link. */
  readonly #on = new IntegerLists()
  /**
   * The first of these are the links whose level may have changed, in the order of their turns. It never shrinks, so as
   * not to be made anew at every change.
   */
  readonly #queue: number[] = []
  #queueLength = 0
  /** For each flow of the link whose turn it is: the least offer of its other links. */
  #elsewhere = new Float64Array(64)

  constructor(tolerance: number, follower: SharesFollower) {
    this.#tolerance = tolerance
    this.#follower = follower
  }

  /** Adds a link and returns its number: 0, 1, ... */
  addLink(capacity: number): number {
    const link = this.#on.add()
    if ((link + 1) * linkLength > this.#links.length) {
      const longer = new Float64Array(this.#links.length * 2)
      longer.set(this.#links)
      this.#links = longer
    }
    const row = link * linkLength
    this.#links[row + capacityAt] = capacity
    this.#links[row + offerAt] = capacity
    this.#links[row + levelAt] = capacity
    return link
  }

  /** The rates follow after `solve`. */
  setCapacity(link: number, capacity: number): void {
    this.#links[link * linkLength + capacityAt] = capacity
    this.#enqueue(link)
  }

  capacity(link: number): number {
    return this.#links[link * linkLength + capacityAt]!
  }

  /** The rate of each flow that the link limits. */
  level(link: number): number {
    return this.#links[link * linkLength + levelAt]!
  }

  offer(link: number): number {
    return this.#links[link * linkLength + offerAt]!
  }

  /** Number of flows on the link. */
  flowsOn(link: number): number {
    return this.#on.length(link)
  }

  /** The link that limits an open flow. */
  limit(flow: number): number {
    return this.#flows[flow * flowLength + limitAt]!
  }

  rate(flow: number): number {
    return this.level(this.limit(flow))
  }

  /**
   * Puts a flow on its links, in the order of `route`. Returns the one that limits it for now. It and others have
   * their rates after `solve`.
   */
  open(flow: number, route: ReadonlyArray<number>): number {
    while ((flow + 1) * flowLength > this.#flows.length) {
      const longer = new Int32Array(this.#flows.length * 2)
      longer.set(this.#flows)
      this.#flows = longer
    }
    const flows = this.#flows
    const row = flow * flowLength
    invariant(flows[row + countAt] === 0, "fair shares: the flow is open")
    invariant(route.length <= longestRoute, "fair shares: the route is too long")
    flows[row + countAt] = route.length
    for (let index = 0; index < route.length; index++) {
      const link = route[index]!
      flows[row + linksAt + index] = link
      flows[row + placesAt + index] = this.#on.push(link, flow)
    }
    const limit = this.#leastElsewhere(flow, -1)
    this.#follower.touched(limit)
    flows[row + limitAt] = limit
    this.#links[limit * linkLength + limitedAt]! += 1
    this.#enqueue(limit)
    this.#addRest(flow, limit, limit, this.offer(limit))
    return limit
  }

  close(flow: number): void {
    const flows = this.#flows
    const row = flow * flowLength
    const count = flows[row + countAt]!
    invariant(count > 0, "fair shares: the flow is not open")
    const limit = flows[row + limitAt]!
    this.#follower.touched(limit)
    this.#links[limit * linkLength + limitedAt]! -= 1
    this.#enqueue(limit)
    this.#addRest(flow, limit, limit, -this.offer(limit))
    flows[row + countAt] = 0
    for (let index = 0; index < count; index++) {
      const link = flows[row + linksAt + index]!
      const place = flows[row + placesAt + index]!
      const on = this.#on
      const last = on.pop(link)
      if (on.length(link) === 0) this.#links[link * linkLength + restAt] = 0
      if (last === flow) continue
      on.items[on.start(link) + place] = last
      const other = last * flowLength
      let at = linksAt
      while (flows[other + at] !== link) at++
      flows[other + at + longestRoute] = place
    }
  }

  /** Finds the new levels. */
  solve(): void {
    const queue = this.#queue
    for (let turn = 0; turn < this.#queueLength; turn++) {
      const link = queue[turn]!
      this.#links[link * linkLength + queuedAt] = 0
      this.#turn(link)
      invariant(turn < 20_000_000, "fair shares: the levels do not settle")
    }
    this.#queueLength = 0
  }

  /** Gives a link its level. If that is off the offer, finds a new offer. */
  #turn(link: number): void {
    const links = this.#links
    const row = link * linkLength
    const capacity = links[row + capacityAt]!
    const rest = links[row + restAt]!
    const limited = links[row + limitedAt]!
    if (limited === 0) {
      if (rest > capacity * (1 + roundingError)) this.#findOffer(link)
      else links[row + offerAt] = capacity
      return
    }
    const level = (capacity - rest) / limited
    const offer = links[row + offerAt]!
    const isOff = level > offer * (1 + roundingError) || level < offer * (1 - this.#tolerance - roundingError)
    if (isOff) this.#findOffer(link)
    else this.#setLevel(link, level)
  }

  #setLevel(link: number, level: number): void {
    const at = link * linkLength + levelAt
    if (this.#links[at] === level) return
    this.#follower.touched(link)
    this.#links[at] = level
  }

  /** Finds the offer at which the link is full, and with it the flows that it limits. */
  #findOffer(link: number): void {
    const links = this.#links
    const flows = this.#flows
    const { items } = this.#on
    const start = this.#on.start(link)
    const count = this.#on.length(link)
    const row = link * linkLength
    if (count > this.#elsewhere.length) this.#elsewhere = new Float64Array(count * 2)
    const elsewhere = this.#elsewhere
    for (let index = 0; index < count; index++) {
      const flow = items[start + index]!
      const limit = flows[flow * flowLength + limitAt]!
      elsewhere[index] = this.offer(limit === link ? this.#leastElsewhere(flow, link) : limit)
    }
    const before = links[row + offerAt]!
    const offer = this.#fullOffer(link, elsewhere, count)
    links[row + offerAt] = offer
    let rest = 0
    let limited = 0
    for (let index = 0; index < count; index++) {
      const flow = items[start + index]!
      const there = elsewhere[index]!
      const limit = flows[flow * flowLength + limitAt]!
      if (limit === link) {
        if (there >= offer) {
          limited++
          if (offer !== before) this.#addRest(flow, link, link, offer - before)
          continue
        }
        rest += there
        this.#move(flow, link, this.#leastElsewhere(flow, link), before)
      } else if (there > offer) {
        limited++
        this.#move(flow, limit, link, there)
      } else {
        rest += there
      }
    }
    links[row + restAt] = rest
    links[row + limitedAt] = limited
    if (limited > 0) this.#setLevel(link, (links[row + capacityAt]! - rest) / limited)
  }

  /**
   * The offer of a full link. The level is the root of sum of min(elsewhere, level) = capacity. The function is
   * concave and piecewise linear, so Newton's steps rise to the root after the first one, and end at it.
   */
  #fullOffer(link: number, elsewhere: Float64Array, count: number): number {
    const capacity = this.capacity(link)
    const before = this.offer(link)
    let level = before
    for (let steps = 0; ; steps++) {
      let rest = 0
      let limited = 0
      let nextAbove = Number.POSITIVE_INFINITY
      for (let index = 0; index < count; index++) {
        const there = elsewhere[index]!
        if (there < level) {
          rest += there
        } else {
          limited++
          if (there < nextAbove) nextAbove = there
        }
      }
      if (limited === 0) {
        if (rest <= capacity * (1 + roundingError)) return capacity
        level = capacity / count
        continue
      }
      const next = (capacity - rest) / limited
      if (next !== level && (steps === 0 || next > level)) {
        level = next
        continue
      }
      if (Math.abs(level - before) <= offerGrain * before) return before
      if (limited < manyFlows) return level
      return Math.min(level * (1 + this.#tolerance / 2), (level + nextAbove) / 2)
    }
  }

  /** Another link limits the flow from now on. `offer` is what limited it until now. */
  #move(flow: number, from: number, to: number, offer: number): void {
    const links = this.#links
    this.#follower.touched(from)
    this.#follower.touched(to)
    this.#flows[flow * flowLength + limitAt] = to
    const more = this.offer(to) - offer
    links[from * linkLength + limitedAt]! -= 1
    links[from * linkLength + restAt]! += this.offer(to)
    links[to * linkLength + limitedAt]! += 1
    links[to * linkLength + restAt]! -= offer
    this.#enqueue(from)
    this.#enqueue(to)
    this.#addRest(flow, from, to, more)
    this.#follower.moved(flow, from, to)
  }

  /** The flow takes more from all its links but these two. */
  #addRest(flow: number, one: number, other: number, more: number): void {
    if (more === 0) return
    const flows = this.#flows
    const row = flow * flowLength
    const end = row + linksAt + flows[row + countAt]!
    for (let at = row + linksAt; at < end; at++) {
      const link = flows[at]!
      if (link === one || link === other) continue
      this.#links[link * linkLength + restAt]! += more
      this.#enqueue(link)
    }
  }

  /** The link of least offer among those of a flow without one of them. */
  #leastElsewhere(flow: number, without: number): number {
    const flows = this.#flows
    const row = flow * flowLength
    const end = row + linksAt + flows[row + countAt]!
    let least = -1
    let leastOffer = Number.POSITIVE_INFINITY
    for (let at = row + linksAt; at < end; at++) {
      const link = flows[at]!
      const offer = this.#links[link * linkLength + offerAt]!
      if (link === without || offer >= leastOffer) continue
      least = link
      leastOffer = offer
    }
    return least
  }

  #enqueue(link: number): void {
    const at = link * linkLength + queuedAt
    if (this.#links[at] !== 0) return
    this.#links[at] = 1
    this.#queue[this.#queueLength++] = link
  }
}
