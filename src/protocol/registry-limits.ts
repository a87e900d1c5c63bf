// Decides the bounds of what build-indexes and origins keep: how it is listed, asked about and taken away. Part of
// limits.ts, by which everybody reads them.

import { seconds } from "./kit/time.ts"

const MiB = 1024 * 1024

export const registryLimits = {
  /** Digests in one question whether anybody needs them; about 72 bytes each. */
  maxReferencesAsked: 1000,
  /** Bytes of a page of referrers: clients read an index of 4 MiB at most. One referrer may be larger. */
  maxReferrersBytes: 2 * MiB,
  /** Rows that a build-index reads of a table at once. */
  indexScanPage: 1000,
  /** That a manifest was pulled is noted at most this often: a write for a read. Rules count in days. */
  pullNotePause: seconds(3600),
  /** Lines of what a collection takes away that are told. */
  maxCollectListed: 10_000,
  /** A blob that no manifest names stays in a repository for this long after someone relied on it. */
  linkGrace: seconds(24 * 3600),
  /** An origin keeps a blob that no repository needs for this long after someone relied on it: as long as its link. */
  blobGrace: seconds(24 * 3600),
  /**
   * What someone touched at the origins is linked within the first, or touched again; no grace may be less than the
   * second, so that in between a blob cannot be collected whatever clocks and processes do.
   */
  touchReliance: seconds(10),
  minBlobGrace: seconds(20),
  /** Blobs whose last touch an origin remembers, about 150 bytes each; when there are more, all others count as touched. */
  maxTouchesRemembered: 1_000_000
} as const
