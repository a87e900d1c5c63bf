// Limits of a build-index: what it is told, what it lists, what it remembers of upstreams, what its collector may take.
// Each line states the unit and the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"
import { ociLimits } from "../oci/limits.ts"
import { upstreamLimits } from "../upstream/limits.ts"

const MiB = 1024 * 1024

export const buildIndexLimits = {
  /** Bytes of a request: a record repeats digests and annotations of its manifest, and little more. */
  maxRecordBytes: 5 * MiB,
  /** Changes of a tag that are remembered. */
  tagHistory: 20,
  /** Bytes of a page of referrers: clients read an index of 4 MiB at most. One referrer may be larger. */
  maxReferrersBytes: 2 * MiB,
  /** A pull of a manifest is noted at most this often: a write for a read. Retention rules count in days. */
  pullNotePause: seconds(3600),
  /** A blob that no manifest names stays in a repository for this long after a client relied on it. */
  linkGrace: seconds(24 * 3600),
  /** A mirrored tag or manifest must be found within this, tokens and the copy to an origin included. */
  upstreamResolveTimeout: seconds(9),
  /** Mirrored tags whose last confirmation is remembered, about 150 bytes each. A forgotten one is asked for anew. */
  maxConfirmedTags: 100_000
}

export type BuildIndexLimits = Readonly<typeof buildIndexLimits>

/** What a build-index reads when it is made: these limits, unless a test sets others. */
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
