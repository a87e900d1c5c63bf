// Limits of an agent: what it remembers, how long it waits, how far it reads ahead, and its disk budget. Each line
// states the unit, the formula or the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import { askLimits } from "../client/limits.ts"
import { configLimits } from "../config/limits.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const agentLimits = {
  /**
   * Answers of build-indexes that an agent remembers, at 200 to 300 bytes each. The least recently used is forgotten
   * first.
   */
  maxRememberedRepositories: 10_000,
  maxRememberedTags: 10_000,
  maxRememberedManifests: 10_000,
  maxRememberedBlobs: 100_000,
  /** Time that a read waits for a build-index when it could serve a last known value. */
  revalidationPatience: seconds(2),
  /** A build-index that did not answer is not asked again for this time, while there is a last known value. */
  staleRetryPause: seconds(2),
  /**
   * The last confirmation of a tag is recorded at most this often, so Age after a restart is too high by at most
   * this.
   */
  confirmationNotePause: seconds(60),
  /** Time for which an agent caches whether a bare name is a repository of the cluster. */
  ownershipLifetime: seconds(5),

  /**
   * Time for which a pull asks for metainfo while trackers or origins do not answer. Clients give up after about a
   * minute.
   */
  metainfoPatience: seconds(45),
  /** Wait before it asks again. It doubles from the first to the last: soon after a restart, seldom in an outage. */
  minMetainfoRetryDelay: milliseconds(100),
  maxMetainfoRetryDelay: seconds(2),
  /** A pull without progress for this time fails with a reason. */
  stalledPullTimeout: seconds(120),
  /**
   * Time between two questions whether a blob still arrives at its origin. So long a client waits when it does not; the
   * question is small.
   */
  arrivalCheckPause: seconds(5),
  /**
   * Blobs whose failed pulls were told in the log, and time for which a further failure of the same blob is not: the
   * clients that wait together fail within it.
   */
  maxFailuresTold: 1000,
  failureToldPause: seconds(45),
  /** A download without clients stays in its swarm for this time, without requests, because readers come back. */
  abandonedDownloadLinger: seconds(2),
  /** Pieces that go first for a client that reads in order. More help one reader, fewer keep the swarm diverse. */
  readAheadPieces: 4,
  /**
   * Pieces that are fetched ahead of the piece that a ranged reader takes: one at first, one more for each piece that
   * it has taken, at most this many, and none beyond the range. A reader that hangs up in its k-th piece (from 0) has
   * caused at most k + 1 + min(k + 1, this) requests: few for a short read, enough for a long one.
   */
  rangeAheadPieces: 4,
  /**
   * Bytes of a chunk of a response from which on it has left this process when the next one is asked for: twice what a
   * socket of Node buffers before its writer waits. The memory of a piece whose last chunk was shorter is not used
   * again.
   */
  minDrainedChunk: 128 * KiB,
  /**
   * Bytes of an answer to a write that an agent passes on (`push: forward`). An OCI error document has a few hundred.
   */
  maxForwardedAnswerBytes: 256 * KiB,

  /** Time that a download waits for room within the disk budget. Clients give up after about a minute. */
  diskRoomPatience: seconds(30),
  /**
   * Time between two measurements of a store with a budget, and between two records of a blob's last use: one write
   * each.
   */
  diskSurveyInterval: seconds(300),
  /** When the disk is too full and nothing can be evicted, eviction is tried again after this time. */
  diskRetryPause: seconds(5),

  /** Bytes of a preheat request: maxPreheatContents times less than 200. */
  maxPreheatAskBytes: 1 * MiB,
  /** Preheats that an agent works on at once, and blobs that it pulls at once for all of them. */
  maxPreheatsPerAgent: 16,
  maxPreheatPulls: 4
}

export type AgentLimits = Readonly<typeof agentLimits>

/** The limits that an agent reads when it is made. Tests provide others. */
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
