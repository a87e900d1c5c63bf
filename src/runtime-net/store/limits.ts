// Limits of a store on disk. Each line states the unit and the trade-off.

import { Context } from "effect"
import { seconds } from "../../protocol/kit/time.ts"

const MiB = 1024 * 1024

export const storeLimits = {
  /** Uploads whose running digest is kept in memory. The oldest beyond it is read again at its commit. */
  maxUploadsHashed: 4096,
  /**
   * Hash trees of uploads that wait for their metainfo, at 128 KiB per GiB. The blob of the oldest beyond it is read
   * again.
   */
  maxUploadTreesKept: 64,
  /** Closed, unfinished downloads whose verified pieces a store remembers. The oldest beyond it is checked again. */
  maxClosedDownloadsKept: 256,
  /** Bytes of an upload that are gathered for the next write before the source waits. */
  maxGatheredWrite: 4 * MiB,
  /** Bytes of a read of a file that is streamed. Two are in memory per reader; smaller ones cost more system calls. */
  readChunkBytes: 1 * MiB,
  /**
   * Bytes of pieces that came or were read last and are kept in memory for those who want them next. Half of what
   * neighbours ask for is among them.
   */
  maxRecentBytes: 8 * MiB,
  /** Time without a piece after which they are forgotten, at most twice as long. */
  recentPiecesKept: seconds(5),
  /** Files whose size is read at once while a store is listed or measured. */
  maxParallelLooks: 8
}

export type StoreLimits = Readonly<typeof storeLimits>

/** The limits that a store reads when it is opened. Tests provide others. */
export const StoreLimits: Context.Reference<StoreLimits> = Context.Reference(
  "shoal/runtime-net/store/StoreLimits",
  {
    defaultValue: () => storeLimits
  }
)
