// Times of the paths to a swarm's neighbours, and what a request counts in the window of requests.
//
//   an answer takes: round trip (the request goes, the first byte comes) + flow (the piece comes, or waits its turn)
//
// The window holds the pieces that come in at once. So a request counts by the part of its life that is flow: on a long
// path more requests are out, and as many pieces come in. (Little's law; TCP Vegas keeps its window the same way.)
//
// The longer the path is against the flow, the more do requests meet at an uploader at random, and a queue of random
// arrivals with n in it is busy for n / (n + 1) of the time only. So such a request counts less still.
//
// A request to a neighbour that is clearly slower than usual counts nothing: its piece takes little of the downlink,
// and a place that it held for its long time would be missing for the pieces of others.
//
// Invariants: a weight is a whole number of thousandths, at most `wholeRequest`, and the same for equal times; a round
// trip never grows. This file does not know requests and limits of their number.

import type { Micros } from "../kit/time.ts"

/** The weight of a request that is all flow. */
export const wholeRequest = 1000

/** The times of one neighbour. */
export interface NeighbourPath {
  /** Smoothed time from a request to its piece; 0 before the first piece. */
  answerTime: number
  readonly session: PathSession
}

interface PathSession {
  /** The shortest answer on this connection: nearly the time of the path alone. Undefined before the first. */
  roundTrip: Micros | undefined
}

/** Limits of weights (limits.ts). */
interface PathRules {
  readonly slowNeighbourFactor: number
  readonly minFlowPart: number
  readonly longPathGain: number
}

/** An answer came this long after its question. */
export const sawRoundTrip = (session: PathSession, took: Micros): void => {
  if (session.roundTrip === undefined || took < session.roundTrip) session.roundTrip = took
}

export class PathTimes {
  readonly #rules: PathRules
  /** Smoothed time of flow of all neighbours; 0 before the first piece. */
  #usualFlow = 0

  constructor(rules: PathRules) {
    this.#rules = rules
  }

  /** A piece came this long after its request. */
  answered(path: NeighbourPath, took: Micros): void {
    const { session } = path
    // Corrects a handshake that took long, but cannot stand for one: the piece itself took a part of it.
    if (session.roundTrip !== undefined) sawRoundTrip(session, took)
    path.answerTime += (took - path.answerTime) / (path.answerTime === 0 ? 1 : 4)
    const flow = took - (session.roundTrip ?? 0)
    this.#usualFlow += (flow - this.#usualFlow) / (this.#usualFlow === 0 ? 1 : 16)
  }

  /** The part of the life of a request to this neighbour in which its piece comes; 1 before it is known. */
  flowPart({ answerTime, session }: NeighbourPath): number {
    if (answerTime === 0) return 1
    return Math.max(this.#rules.minFlowPart, (answerTime - (session.roundTrip ?? 0)) / answerTime)
  }

  /** What a request to this neighbour counts. */
  weight(path: NeighbourPath): number {
    const { slowNeighbourFactor, longPathGain } = this.#rules
    const part = this.flowPart(path)
    const flow = part * path.answerTime
    if (this.#usualFlow > 0 && flow > slowNeighbourFactor * this.#usualFlow) return 0
    const way = 1 - part
    return Math.round((wholeRequest * part) / (1 + longPathGain * way * way * way))
  }
}
