// An uploader alone, for its tests: two swarms that record what does not go out, and ten neighbours whose requests and
// answers are single calls.

import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { UploadSwarm } from "../../src/protocol/swarm/upload-job.ts"
import { Uploader } from "../../src/protocol/swarm/uploader.ts"
import type { SwarmInfo } from "../../src/protocol/wire/metainfo.ts"
import { TestContext, testNeighbour } from "./test-context.ts"
import { testMetainfo, testSwarm } from "./test-values.ts"

const MiB = 1024 * 1024

export interface Watched extends UploadSwarm {
  readonly aborted: Array<readonly [number, number]>
}

export const watchedSwarm = (number: number, metainfo: SwarmInfo = testMetainfo(40, 1000)): Watched => {
  const aborted: Array<readonly [number, number]> = []
  return {
    id: testSwarm(number),
    metainfo,
    servedAt: 0,
    uploadAborted: ({ connection }, piece) => aborted.push([connection, piece]),
    aborted
  }
}

/** What the store loads: a piece of 1000 bytes, and the proof of one of 2^20 pieces. */
export const loadedBytes = { payload: { byteLength: 1000 }, proof: new Uint8Array(20 * 32) }

/** An uploader, two swarms, and neighbours 1 to 9 of each. One byte takes one microsecond until a
 * send is measured, and the first piece of a neighbour goes out with others. */
export const setUpUploader = (rules: Partial<PeerHostRules> = {}) => {
  const context = new TestContext({ initialUploadTimePerMiB: MiB, firstPiecePatience: 0, ...rules })
  const uploader = new Uploader(context)
  const swarms = [watchedSwarm(1), watchedSwarm(2)] as const
  const neighbours = Array.from({ length: 10 }, (_, connection) => testNeighbour(connection))
  const enqueue = (connection: number, piece: number, { swarm = 0, bytes = 1000 } = {}): void =>
    uploader.enqueue(swarms[swarm]!, neighbours[connection]!, piece, bytes)
  const loaded = (piece: number, swarm = 0): void =>
    uploader.pieceLoaded({ swarm: swarms[swarm]!.id, piece, ...loadedBytes }, context.now)
  const sent = (connection: number, piece: number, swarm = 0): void =>
    uploader.pieceSent(connection, swarms[swarm]!.id, piece, context.now)
  /** What went out since the last call: loads, pieces and refusals, as text. */
  const out = (): readonly string[] =>
    context.take().map((output) => {
      if (output.tag === "LoadPiece") return `load ${swarms[0].id === output.swarm ? "" : "b"}${output.piece}`
      if (output.tag !== "Send") return output.tag
      const { connection, message } = output
      if (message.tag === "Piece") return `${connection} <- piece ${message.piece}`
      if (message.tag !== "Reject") return message.tag
      return `${connection} <- ${message.reason} ${message.piece}`
    })
  return { context, uploader, swarms, neighbours, enqueue, loaded, sent, out }
}

export const counts = ({ queued, stalled, queuedBytes }: Uploader) => [queued, stalled, queuedBytes]
