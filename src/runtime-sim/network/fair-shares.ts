// Max-min fair rates of flows that share links: no flow can have more without taking it from one that has no more
// than it. A pure machine that does not know time and frames.
//
// Every link grants a level, and a flow's rate is the least of its links' levels. The level of a link is the one at
// which it is full, sum over its flows of min(level at their other links, level) = capacity, or its capacity when its
// flows do not fill it. When all levels are correct, the rates are the max-min ones: a flow's link of least level is
// full, and no flow on it has more. A change at one link changes the load of others; those that it puts off their
// level find a new one, and so on, first come, first served. From any levels this ends at the correct ones: the links
// with the least share cannot be wrong for longer than one turn, then those with the next.
//
// With a tolerance, a link accepts to be less than full by `tolerance` of the rate of each flow at its level, so that
// changes stay local. A link of very many flows gives up half of that beforehand, for the next flow.
//
// Invariants after solve: a flow's rate is the least level of its links; a link's load is the sum of its flows' rates
// and at most its capacity (except for rounding, with any tolerance).

import { invariant } from "../../protocol/kit/invariant.ts"

/** Relative error of sums of rates, as a part of a level. */
const roundingError = 1e-12
/** A level that would move by less than this part of itself stays. */
const levelGrain = 1e-14

export class FairLink {
  /** Bytes per microsecond, like all rates here. */
  capacity: number
  /** No flow on this link has a higher rate. */
  level: number
  load = 0
  /** Number of flows that had the level's rate when it was found. */
  limited = 0
  readonly flows: FairFlow[] = []
  isQueued = false
  /** Bytes that the next bulk frame has to pay. */
  debt = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.level = capacity
  }
}

export class FairFlow {
  readonly links: ReadonlyArray<FairLink>
  /** Its places in the flow lists of its links. */
  readonly places: number[]
  rate = 0
  /** The rate before a change that has not been reported yet. */
  rateBefore = 0
  isChanged = false
  isOpen = false

  constructor(links: ReadonlyArray<FairLink>) {
    this.links = links
    this.places = links.map(() => 0)
  }
}

export class FairShares<Flow extends FairFlow> {
  readonly #tolerance: number
  /** Links that may be off their level, in the order of their turns. */
  readonly #queue: FairLink[] = []
  readonly #changed: Flow[] = []
  /** For each flow of the link whose turn it is: the least level at its other links. */
  #elsewhere = new Float64Array(64)

  constructor(tolerance: number) {
    this.#tolerance = tolerance
  }

  /** Puts a flow on its links. It and others have their rates after `solve`. */
  open(flow: Flow): void {
    invariant(!flow.isOpen, "fair shares: the flow is open")
    flow.isOpen = true
    let rate = Number.POSITIVE_INFINITY
    for (const [index, link] of flow.links.entries()) {
      flow.places[index] = link.flows.push(flow) - 1
      if (link.level < rate) rate = link.level
    }
    this.#setRate(flow, rate)
  }

  close(flow: Flow): void {
    invariant(flow.isOpen, "fair shares: the flow is not open")
    this.#setRate(flow, 0)
    flow.isOpen = false
    for (const [index, link] of flow.links.entries()) {
      const place = flow.places[index]!
      const last = link.flows.pop()!
      if (last === flow) continue
      link.flows[place] = last
      last.places[last.links.indexOf(link)] = place
    }
  }

  setCapacity(link: FairLink, capacity: number): void {
    link.capacity = capacity
    this.#fill(link)
  }

  /**
   * Finds the new levels, and calls `tell` for every open flow whose rate has changed, in an order that depends on
   * calls only.
   */
  solve(tell: (flow: Flow) => void): void {
    const queue = this.#queue
    for (let turn = 0; turn < queue.length; turn++) {
      const link = queue[turn]!
      link.isQueued = false
      if (this.#isOff(link)) this.#fill(link)
      invariant(turn < 20_000_000, "fair shares: the levels do not settle")
    }
    queue.length = 0
    for (const flow of this.#changed) {
      flow.isChanged = false
      if (flow.isOpen && flow.rate !== flow.rateBefore) tell(flow)
    }
    this.#changed.length = 0
  }

  /** Whether the link carries too much, or less than the flows at its level could have. */
  #isOff({ capacity, load, level, limited }: FairLink): boolean {
    const spare = capacity - load
    if (spare < -roundingError * level) return true
    if (level === capacity) return false
    return spare > (this.#tolerance * (limited > 0 ? limited : 1) + roundingError) * level
  }

  /** Finds the level at which the link is full, and sets the rates of its flows. */
  #fill(link: FairLink): void {
    const { flows, capacity } = link
    if (flows.length > this.#elsewhere.length) this.#elsewhere = new Float64Array(flows.length * 2)
    const elsewhere = this.#elsewhere
    for (let index = 0; index < flows.length; index++) elsewhere[index] = levelElsewhere(flows[index]!, link)
    const found = this.#fullLevel(link, elsewhere)
    if (found === capacity || Math.abs(found - link.level) > levelGrain * found) link.level = found
    const { level } = link
    let load = 0
    for (let index = 0; index < flows.length; index++) {
      const flow = flows[index]! as Flow
      const rate = elsewhere[index]! < level ? elsewhere[index]! : level
      if (rate !== flow.rate) this.#setRate(flow, rate)
      load += rate
    }
    link.load = load
    invariant(load <= capacity * (1 + 2 * roundingError), "fair shares: a link carries more than it can")
  }

  /**
   * The root of sum of min(elsewhere, level) = capacity. The function is concave and piecewise linear, so Newton's
   * steps rise to the root after the first one, and end at it.
   */
  #fullLevel(link: FairLink, elsewhere: Float64Array): number {
    const { flows, capacity } = link
    const count = flows.length
    let level = link.level
    for (let steps = 0; ; steps++) {
      let restSum = 0
      let limited = 0
      for (let index = 0; index < count; index++) {
        const there = elsewhere[index]!
        if (there < level) restSum += there
        else limited++
      }
      link.limited = limited
      if (limited === 0) {
        if (restSum <= capacity * (1 + roundingError)) return capacity
        level = capacity / count
        continue
      }
      const next = (capacity - restSum) / limited
      if (next === level || (steps > 0 && next < level)) {
        const reserve = this.#tolerance / 2
        return limited * reserve < 1 ? next : next * (1 - reserve)
      }
      level = next
    }
  }

  #setRate(flow: Flow, rate: number): void {
    const more = rate - flow.rate
    if (!flow.isChanged) {
      flow.isChanged = true
      flow.rateBefore = flow.rate
      this.#changed.push(flow)
    }
    flow.rate = rate
    for (const link of flow.links) {
      link.load += more
      if (!link.isQueued && this.#isOff(link)) {
        link.isQueued = true
        this.#queue.push(link)
      }
    }
  }
}

/**
 * The least level at the other links of a flow. If this link does not limit the flow, that level is the flow's rate.
 */
const levelElsewhere = ({ rate, links }: FairFlow, link: FairLink): number => {
  if (rate < link.level) return rate
  if (links.length === 2) return (links[0] === link ? links[1]! : links[0]!).level
  let least = Number.POSITIVE_INFINITY
  for (const other of links) if (other !== link && other.level < least) least = other.level
  return least
}
