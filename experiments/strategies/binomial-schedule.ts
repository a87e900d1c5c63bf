// Schedule of a binomial pipeline (Ganesan and Seshadri, ICDCS 2005; RDMC, DSN 2018): who sends which piece to whom, in
// which order. The hosts are the corners of a hypercube of d dimensions, corner 0 is the source, and in step t every
// corner exchanges with its neighbour across dimension t mod d: the source sends piece t, every other corner the newest
// piece that it has. M pieces reach all 2^d - 1 corners in M + d - 1 steps, which is the counting bound.
//
// For any number of hosts, a corner is one host or a pair, and a pair is one corner to the others. In a step, one host
// of the pair sends the piece of the corner and the other receives the incoming one. The receiver's uplink is free, so
// it gives its partner, whose downlink is free, the oldest piece that the partner lacks. A pair lags by a piece or two
// and catches up at the end. With several sources, each has a cube of its own with its share of the hosts.

import { invariant } from "../../src/protocol/kit/invariant.ts"

/**
 * One send per step: position of the receiver in the list of the cube, then the piece; both -1 when nothing is sent.
 */
export type Sends = Array<number>

export interface CubeSchedule {
  /** Sends of the source. */
  readonly source: Sends
  /** Sends by host. */
  readonly hosts: ReadonlyArray<Sends>
  /** Number of steps until all hosts have all pieces, if every step takes the same time. */
  readonly steps: number
}

/** The piece that a corner sends in a step, or -1. */
const sentBy = (corner: number, step: number, dimensions: number, pieces: number): number => {
  const dimension = step % dimensions
  const to = corner ^ (1 << dimension)
  if (to === 0) return -1
  if (corner === 0) return Math.min(step, pieces - 1)
  // The newest piece came across the next dimension, starting with this one, in which the corner differs from the
  // source.
  let ahead = 0
  while ((corner & (1 << ((dimension + ahead) % dimensions))) === 0) ahead++
  return Math.min(step - dimensions + ahead, pieces - 1)
}

/** Two hosts that are one corner. */
class Pair {
  /** By side: the pieces that it has. */
  readonly #has: readonly [Uint8Array, Uint8Array]
  /** By side: the pieces that it lacks and its partner has, the oldest first, from `#from` on. */
  readonly #lacks: readonly [Array<number>, Array<number>] = [[], []]
  readonly #from: [number, number] = [0, 0]

  constructor(pieces: number) {
    this.#has = [new Uint8Array(pieces), new Uint8Array(pieces)]
  }

  lacking(side: 0 | 1): number {
    return this.#lacks[side].length - this.#from[side]
  }

  /** The side that sends `piece`, or -1 for none: side 0 if it has the piece. The other side receives. */
  sender(piece: number): 0 | 1 {
    if (piece >= 0) {
      if (this.#has[0][piece] === 0) return 1
      if (this.#has[1][piece] === 0) return 0
    }
    return 0
  }

  has(side: 0 | 1, piece: number): boolean {
    return this.#has[side][piece] === 1
  }

  /** Gives the side the oldest piece that it lacks; -1 when it lacks none. */
  catchUp(side: 0 | 1): number {
    const lacks = this.#lacks[side]
    if (this.lacking(side) === 0) return -1
    const piece = lacks[this.#from[side]++]!
    this.#has[side][piece] = 1
    return piece
  }

  receive(side: 0 | 1, piece: number): void {
    this.#has[side][piece] = 1
    const other = side === 0 ? 1 : 0
    if (this.#has[other][piece] === 0) this.#lacks[other].push(piece)
  }
}

/** The schedule of `hosts` hosts and one source for `pieces` pieces; both numbers are at least 1. */
export const cubeSchedule = (hosts: number, pieces: number): CubeSchedule => {
  invariant(hosts >= 1 && pieces >= 1, "a binomial pipeline has hosts and pieces")
  let dimensions = 1
  while (2 ** (dimensions + 1) <= hosts + 1) dimensions++
  const corners = 2 ** dimensions
  /** Corner c consists of host c - 1, and of host corners - 1 + c - 1 if there is one. */
  const second = (corner: number): number => (corner + corners - 2 < hosts ? corner + corners - 2 : -1)
  const pairs = Array.from({ length: corners }, (_, corner) =>
    corner > 0 && second(corner) >= 0 ? new Pair(pieces) : undefined
  )
  const sends: Array<Sends> = Array.from({ length: hosts }, () => [])
  const source: Sends = []
  const hostAt = (corner: number, side: 0 | 1): number => (side === 0 ? corner - 1 : second(corner))
  const sendersOf = (corner: number): Sends => (corner === 0 ? source : sends[corner - 1]!)

  const cubeSteps = pieces + dimensions - 1
  const senders = new Uint8Array(corners)
  let steps = 0
  for (let step = 0; step < cubeSteps; step++) {
    const bit = 1 << (step % dimensions)
    for (let corner = 1; corner < corners; corner++) {
      const pair = pairs[corner]
      if (pair !== undefined) senders[corner] = pair.sender(sentBy(corner, step, dimensions, pieces))
    }
    for (let corner = 0; corner < corners; corner++) {
      const piece = sentBy(corner, step, dimensions, pieces)
      if (piece < 0) continue
      const to = corner ^ bit
      const receiver = pairs[to] === undefined || senders[to] === 1 ? 0 : 1
      const list =
        pairs[corner] === undefined ? sendersOf(corner) : sends[hostAt(corner, sideOf(senders, corner))]!
      list.push(hostAt(to, receiver), piece)
    }
    // Partners give each other pieces in the same step, of those that they had before it.
    for (let corner = 1; corner < corners; corner++) {
      const pair = pairs[corner]
      if (pair === undefined) continue
      const sending = sideOf(senders, corner)
      const receiving = sending === 0 ? 1 : 0
      const coming = sentBy(corner ^ bit, step, dimensions, pieces)
      const going = sentBy(corner, step, dimensions, pieces)
      give(pair, corner, receiving, sending)
      if (coming < 0 && going < 0) give(pair, corner, sending, receiving)
      if (coming >= 0) pair.receive(receiving, coming)
    }
    endStep()
  }
  const lagging = pairs.flatMap((pair, corner) => (pair === undefined ? [] : [{ pair, corner }]))
  while (lagging.some(({ pair }) => pair.lacking(0) + pair.lacking(1) > 0)) {
    for (const { pair, corner } of lagging) {
      give(pair, corner, 1, 0)
      give(pair, corner, 0, 1)
    }
    endStep()
  }
  return { source, hosts: sends, steps }

  function endStep(): void {
    steps++
    for (const list of [source, ...sends]) if (list.length < 2 * steps) list.push(-1, -1)
  }

  function give(pair: Pair, corner: number, from: 0 | 1, to: 0 | 1): void {
    const piece = pair.catchUp(to)
    if (piece >= 0) sends[hostAt(corner, from)]!.push(hostAt(corner, to), piece)
  }
}

const sideOf = (senders: Uint8Array, corner: number): 0 | 1 => (senders[corner] === 1 ? 1 : 0)
