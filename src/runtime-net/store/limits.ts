// Limits of a store on disk. Each line states the unit and the trade-off.

const MiB = 1024 * 1024

export const storeLimits = {
  /** Uploads whose running digest is kept in memory; the oldest beyond it is read again at its commit. */
  maxUploadsHashed: 4096,
  /** Unfinished downloads, closed, whose verified pieces a store remembers; the oldest beyond it is hashed again. */
  maxClosedDownloadsKept: 256,
  /** Bytes of an upload that are gathered for the next write before the source waits. */
  maxGatheredWrite: 4 * MiB
}
