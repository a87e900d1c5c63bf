// A request filler with a swarm of numbers around it, for its tests: what is wanted, who has what and how many requests
// may be out is set by hand.

import { Bitfield, makeWords } from "../../src/protocol/kit/bitfield.ts"
import { Demand } from "../../src/protocol/swarm/demand.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { Neighbour } from "../../src/protocol/swarm/neighbour.ts"
import { type RequestedSwarm, RequestFiller } from "../../src/protocol/swarm/request-filler.ts"
import { RequestWindow } from "../../src/protocol/swarm/request-window.ts"
import { lowest, piecesOf, TestContext, testNeighbour } from "./test-context.ts"
import { testMetainfo } from "./test-values.ts"

/** Pieces are asked for in order; a request is given up after 1000 microseconds, a copy is due after 500. */
const plainRules: Partial<PeerHostRules> = {
  pieceChoice: "in-order",
  maxRequestsPerNeighbour: 2,
  requestTimeoutBase: 1000,
  requestTimeoutPerMiB: 0,
  minRejectBackoff: 100,
  maxRejectBackoff: 10_000,
  orderedTail: 0
}

export const setUpFiller = (
  rules: Partial<PeerHostRules> = {},
  { pieces = 8, isWhole = true, random = lowest } = {}
) => {
  const context = new TestContext({ ...plainRules, ...rules }, { random })
  const missing = makeWords(pieces)
  for (let piece = 0; piece < pieces; piece++) missing[piece >>> 5]! |= 1 << (piece & 31)
  const demand = new Demand(context, { count: pieces, missing, isComplete: false }, isWhole, () => {})
  const neighbours: Neighbour[] = []
  const window = new RequestWindow(pieces, context)
  /** Neighbours that were sent Haves along with a message. */
  const piggybacked: number[] = []
  const swarm = {
    metainfo: testMetainfo(pieces, 1000),
    neighbours,
    have: new Bitfield(pieces),
    haves: { piggyback: ({ connection }: Neighbour) => piggybacked.push(connection) },
    demand,
    window,
    availability: new Uint16Array(pieces),
    maxLive: 100,
    isEndgame: false,
    get mayRequestMore() {
      return window.live < swarm.maxLive
    },
    get isAllRequested() {
      return demand.wanted.every((word, index) => (word & ~window.requested[index]!) === 0)
    }
  }
  const filler = new RequestFiller(context, swarm satisfies RequestedSwarm)
  /** A joined neighbour that has these pieces; nothing is asked of it yet. */
  const join = (connection: number, ...theirs: readonly number[]): Neighbour => {
    const neighbour = testNeighbour(connection, piecesOf(pieces, ...theirs))
    neighbour.deadline = context.deadlines.makeFor(neighbour, filler.onDeadline)
    neighbours.push(neighbour)
    return neighbour
  }
  /** The piece is stored: it is not wanted any more. */
  const store = (piece: number): void => {
    swarm.have.set(piece)
    missing[piece >>> 5]! &= ~(1 << (piece & 31))
  }
  /** The neighbour's request for the piece, taken out because its answer came. */
  const answer = (neighbour: Neighbour, piece: number) => neighbour.requests.take(piece)!
  /** The requests and cancels since the last call: "1:4" asks neighbour 1 for piece 4, "1:!4" cancels that. */
  const asked = (): readonly string[] =>
    context.sent().flatMap(([connection, message]) => {
      if (message.tag === "Request") return [`${connection}:${message.piece}`]
      return message.tag === "Cancel" ? [`${connection}:!${message.piece}`] : []
    })
  return { context, swarm, filler, window, demand, piggybacked, join, store, answer, asked }
}
