// A swarm with a scripted uploader around it, for its tests. It asks for pieces in order, two of a neighbour at a time,
// and waits 1000 microseconds for each.

import type { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { Neighbour } from "../../src/protocol/swarm/neighbour.ts"
import type { PeerHostOutput, SeedArc } from "../../src/protocol/swarm/peer-host-io.ts"
import { Swarm } from "../../src/protocol/swarm/swarm.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { lowest, piecesOf, TestContext, testNeighbour } from "./test-context.ts"
import { testMetainfo, testSwarm } from "./test-values.ts"

const textOf = (output: PeerHostOutput): string => {
  if (output.tag === "CheckPiece") return `check ${output.piece}`
  if (output.tag === "StorePiece") return `store ${output.piece}`
  if (output.tag === "SwarmCompleted") return "completed"
  if (output.tag === "SwarmFailed") return `failed: ${output.reason}`
  if (output.tag !== "Send") return output.tag
  const { connection, message } = output
  switch (message.tag) {
    case "Request":
      return `${connection}:${message.piece}`
    case "Cancel":
      return `${connection}:!${message.piece}`
    case "Have":
    case "Suggest":
      return `${connection} ${message.tag} ${message.pieces.join(" ")}`
    case "Reject":
      return `${connection} ${message.reason} ${message.piece}, ${message.retryAfter}`
    default:
      return message.tag
  }
}

export interface SwarmSetUp {
  readonly rules?: Partial<PeerHostRules>
  readonly kind?: PeerKind
  /** Pieces of the blob; the last one has 700 bytes, the others 1000. */
  readonly pieces?: number
  readonly have?: readonly number[]
  readonly recorded?: readonly number[]
  readonly onDemand?: boolean
  readonly seedArc?: SeedArc
}

export const setUpSwarm = ({
  rules = {},
  kind = "agent",
  pieces = 8,
  have = [],
  recorded = [],
  onDemand = false,
  seedArc
}: SwarmSetUp = {}) => {
  const context = new TestContext(
    {
      pieceChoice: "in-order",
      orderedTail: 0,
      maxRequestsPerNeighbour: 2,
      maxRequestsPerSwarm: 5,
      maxRequestsPerHost: 100,
      endgamePieces: 0,
      requestTimeoutBase: 1000,
      requestTimeoutPerMiB: 0,
      minRejectBackoff: 100,
      haveBatchDelay: 10,
      haveBatchDelayPerMiB: 0,
      ...rules
    },
    { kind, random: lowest }
  )
  /** What the uploader was called for, in order. */
  const uploads: string[] = []
  const uploader = { isQueued: false, isFull: false, makesRoom: false }
  const swarm = new Swarm(
    context,
    {
      has: () => uploader.isQueued,
      hasRoom: () => !uploader.isFull,
      makeRoomFor: (_swarm, bytes) => {
        uploads.push(`room for ${bytes}`)
        return uploader.makesRoom
      },
      retryAfter: () => 77,
      enqueue: (_swarm, { connection }, piece, bytes) =>
        uploads.push(`${connection}:${piece}, ${bytes} bytes`),
      cancel: ({ connection }, piece) => uploads.push(`${connection}:!${piece}`)
    },
    testSwarm(1),
    testMetainfo(pieces, 1000, 300),
    piecesOf(pieces, ...have),
    seedArc,
    onDemand,
    piecesOf(pieces, ...recorded)
  )
  swarm.recorded?.checkMore()
  /** A neighbour joins, with these pieces. */
  const join = (
    connection: number,
    theirs: readonly number[] | Bitfield = [],
    joins: PeerKind = "agent"
  ): Neighbour => {
    const field = Array.isArray(theirs) ? piecesOf(pieces, ...theirs) : (theirs as Bitfield)
    const neighbour = testNeighbour(connection, field, { kind: joins, swarm })
    neighbour.state = "opening"
    neighbour.theirs = undefined
    swarm.join(neighbour, field, context.now)
    return neighbour
  }
  const out = (): readonly string[] => context.take().map(textOf)
  const piece = (from: Neighbour, number: number, bytes = number === pieces - 1 ? 700 : 1000) =>
    swarm.onPiece(
      from,
      { tag: "Piece", channel: 5, piece: number, proof: new Uint8Array(0), payload: { byteLength: bytes } },
      context.now
    )
  const stored = (number: number): void => swarm.pieceStored(number, context.now)
  const reject = (
    from: Neighbour,
    number: number,
    reason: "busy" | "missing" | "failed" | "cancelled" = "busy",
    retryAfter = 400
  ) => swarm.onReject(from, number, reason, retryAfter, context.now)
  const has = (from: Neighbour, ...numbers: readonly number[]) => swarm.onHave(from, numbers, context.now)
  const checked = (number: number, isThere: boolean): void => swarm.pieceChecked(number, isThere, context.now)
  return { checked, context, swarm, uploader, uploads, join, out, piece, stored, reject, has }
}
