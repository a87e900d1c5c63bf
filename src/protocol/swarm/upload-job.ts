// A piece on its way through the upload queue (uploader.ts), and what its state and its neighbour say of it.

import { invariant } from "../kit/invariant.ts"
import type { Micros } from "../kit/time.ts"
import { hashBytes, unclesMissing } from "../wire/hash-tree.ts"
import type { SwarmId } from "../wire/message.ts"
import { isArrival, type SwarmInfo } from "../wire/metainfo.ts"
import type { HashProof } from "../wire/payload.ts"
import type { Neighbour } from "./neighbour.ts"

/** A swarm, as the uploader sees it. */
export interface UploadSwarm {
  readonly id: SwarmId
  readonly metainfo: SwarmInfo
  /** Turn of the uploader at which this swarm was last served. */
  servedAt: number
  /** Called when a piece that was queued is not sent after all. */
  readonly uploadAborted: (neighbour: Neighbour, piece: number) => void
}

/** A piece that was requested and is not answered yet. */
export interface UploadJob {
  readonly swarm: UploadSwarm
  readonly neighbour: Neighbour
  readonly piece: number
  readonly bytes: number
  state: "waiting" | "loading" | "sending" | "stalled"
  /** When the transport got it. */
  sentAt: Micros
  /** Number of pieces that the transport had got by then. */
  order: number
  /** Number of pieces that the transport got later and that have left. */
  passedBy: number
}

/** The neighbour has every uncle that the pieces that it announced vouch for. A signature is sent whole. */
export const proofFor = ({ swarm, neighbour, piece }: UploadJob, whole: HashProof): HashProof => {
  if (isArrival(swarm.metainfo)) return whole
  const { theirs } = neighbour
  invariant(theirs !== undefined, "uploader: a neighbour that is not joined is served")
  return whole.subarray(0, hashBytes * unclesMissing(theirs, piece))
}

/** Number of pieces that a neighbour has announced. */
export const announced = ({ theirs }: Neighbour): number => theirs?.count ?? 0

/** Whether the transport has it: it arrives, or the connection ends. */
export const isOut = (job: UploadJob): boolean => job.state === "sending" || job.state === "stalled"
