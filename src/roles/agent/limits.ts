// Limits of an agent: what it remembers, how long it waits, how far it reads ahead, how it keeps within its disk. Each
// line states the unit, the formula or the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"
import { configLimits } from "../config/limits.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const agentLimits = {
  /** What an agent remembers of the build-indexes, the least recently used forgotten first: 200 to 300 bytes each. */
  maxRememberedRepositories: 10_000,
  maxRememberedTags: 10_000,
  maxRememberedManifests: 10_000,
  maxRememberedBlobs: 100_000,
  /** How long a read waits for a build-index when there is a last known value to serve instead. */
  revalidationPatience: seconds(2),
  /** A build-index that did not answer is not asked again for this long, while there is a last known value. */
  staleRetryPause: seconds(2),
  /** When a tag was last confirmed is noted at most this often, so Age after a restart is too high by this at most. */
  confirmationNotePause: seconds(60),
  /** How long an agent believes that a bare name is, or is not, a repository of the cluster. */
  ownershipLifetime: seconds(5),

  /** How long a pull asks for metainfo while trackers or origins are away; clients give up at about a minute. */
  metainfoPatience: seconds(45),
  /** A pull that made no progress for this long fails with a reason. */
  stalledPullTimeout: seconds(120),
  /** A download that no client waits for any more stays in its swarm this long, asking for nothing: readers come back. */
  abandonedDownloadLinger: seconds(2),
  /** Pieces that go first for a client that reads in order. More help one reader, fewer keep the swarm diverse. */
  readAheadPieces: 4,
  /**
   * Pieces that are fetched ahead of the one that a ranged reader takes: one at first, one more for each piece that it
   * has taken, at most this many, and none beyond the range. A reader that hangs up in its k-th piece (from 0) so left
   * at most k + 1 + min(k + 1, this) pieces asked for: little for a short read, enough for a long one.
   */
  rangeAheadPieces: 4,
  /** Bytes of an answer to a write that an agent passes on (`push: forward`): an OCI error document is a few hundred. */
  maxForwardedAnswerBytes: 256 * KiB,

  /** How long a download waits for room within the disk budget; clients give up at about a minute. */
  diskRoomPatience: seconds(30),
  /** Between two measurements of a whole store with a budget, and two notes of a blob's last use: a write for each. */
  diskSurveyInterval: seconds(300),
  /** When the disk is too full and all is in use or cannot be removed, eviction is tried again after this. */
  diskRetryPause: seconds(5),

  /** Bytes of a request to preheat: maxPreheatContents times less than 200. */
  maxPreheatAskBytes: 1 * MiB,
  /** Preheats that an agent works on at once, and blobs that it pulls at once for all of them. */
  maxPreheatsPerAgent: 16,
  maxPreheatPulls: 4
}

export type AgentLimits = Readonly<typeof agentLimits>

/** What an agent reads when it is made: these limits, unless a test sets others. */
export const AgentLimits: Context.Reference<AgentLimits> = Context.Reference(
  "shoal/roles/agent/AgentLimits",
  {
    defaultValue: () => agentLimits
  }
)

invariant(
  agentLimits.stalledPullTimeout < configLimits.httpSilence,
  "limits: a stalled pull would be cut before it fails"
)
invariant(
  200 * askLimits.maxPreheatContents <= agentLimits.maxPreheatAskBytes,
  "limits: the largest preheat does not fit a request"
)
