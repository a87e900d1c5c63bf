// Limits of a build-index: its requests, its listings, its cache of upstreams, and its collector. Each line states
// the unit and the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"
import { ociLimits } from "../oci/limits.ts"
import { upstreamLimits } from "../upstream/limits.ts"

const MiB = 1024 * 1024

export const buildIndexLimits = {
  /** Bytes of a request: a record repeats the digests and annotations of its manifest, and little more. */
  maxRecordBytes: 5 * MiB,
  /** Changes of a tag that are remembered. */
  tagHistory: 20,
  /** Bytes of a page of referrers. Clients read an index of 4 MiB at most. One referrer may be larger. */
  maxReferrersBytes: 2 * MiB,
  /**
   * A pull of a manifest is recorded at most this often, because it costs a write per read. Retention rules count in
   * days.
   */
  pullNotePause: seconds(3600),
  /** A blob that no manifest names stays in a repository for this time after a client relied on it. */
  linkGrace: seconds(24 * 3600),
  /** A mirrored tag or manifest must be found within this time, including tokens and the copy to an origin. */
  upstreamResolveTimeout: seconds(9),
  /**
   * Mirrored tags whose last confirmation is remembered, about 150 bytes each. A forgotten one is confirmed again.
   */
  maxConfirmedTags: 100_000
}

export type BuildIndexLimits = Readonly<typeof buildIndexLimits>

/** The limits that a build-index reads when it is made. Tests provide others. */
export const BuildIndexLimits: Context.Reference<BuildIndexLimits> = Context.Reference(
  "shoal/roles/build-index/BuildIndexLimits",
  {
    defaultValue: () => buildIndexLimits
  }
)

invariant(
  ociLimits.maxManifestBytes < buildIndexLimits.maxRecordBytes,
  "limits: the record of a manifest may not fit a request"
)
invariant(
  upstreamLimits.upstreamAnswerTimeout < buildIndexLimits.upstreamResolveTimeout &&
    buildIndexLimits.upstreamResolveTimeout < askLimits.mirrorAskTimeout,
  "limits: a question to an upstream outlives the request that it serves"
)
