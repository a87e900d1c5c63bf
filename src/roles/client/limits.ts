// Limits of requests between roles, and of everything that both sides of such a request must agree on. Each line
// states the unit, the formula or the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"

export const askLimits = {
  /** HTTP between roles: the wait for response headers, and for the next bytes of a body. */
  httpTimeout: seconds(30),
  /** A small request between roles (a tag, an announce), whose answer needs no disk. */
  askTimeout: seconds(5),
  /** A health check within a readiness report: short, so that the report arrives while its reader still waits. */
  healthTimeout: seconds(2),
  /** Concurrent requests to other roles for one request (swarms of an announce, members of a cluster). */
  maxParallelAsks: 8,
  /** An origin, tracker or build-index that could not be reached is asked last for this time. */
  upstreamCooldown: seconds(10),
  /** Rounds over all members before a request fails, and the wait before the second round, which doubles. */
  upstreamRounds: 3,
  upstreamRoundDelay: milliseconds(200),
  /** Added to httpTimeout for each MiB of a blob while an origin hashes, syncs and copies it. */
  commitTimeoutPerMiB: seconds(1),
  /** Copies of a blob among origins (Kraken: 3). */
  originReplicas: 3,
  /** Time for which an origin's peer address, or the failure to get one, is cached. */
  originPeerLifetime: seconds(60),
  originPeerFailureLifetime: seconds(5),
  /** A blob that was touched at the origins is linked within this time, or touched again. */
  touchReliance: seconds(10),
  /** Digests in one request whether any repository needs them; about 72 bytes each. */
  maxReferencesAsked: 1000,

  /** Swarms in one announce. */
  maxSwarmsPerAnnounce: 256,
  /**
   * Time between two registrations of an agent at every tracker, shortened at random by up to a quarter. After
   * announceMisses periods of silence the agent is forgotten. 20,000 agents make 670 small requests per second at a
   * tracker; a restarted tracker knows all of them again after one period.
   */
  registrationPeriod: seconds(30),
  /** Wait before a tracker that refused a registration is asked again. It doubles up to the period. */
  minRegistrationBackoff: seconds(1),
  /** Agents that a tracker keeps, about 200 bytes each. Further ones are refused. */
  maxRegisteredAgents: 20_000,

  /** Contents (manifests, configs, layers) of one preheated image, over all its platforms. */
  maxPreheatContents: 4096,
  /** An agent reports the progress of a preheat this often. One that is silent for preheatSilence counts as gone. */
  preheatProgressInterval: seconds(2),
  preheatSilence: seconds(20),
  /** Wait before an agent that failed or is busy is asked a second and last time. */
  preheatRetryDelay: seconds(2),

  /** Wait for an answer about a mirrored repository: slightly longer than the build-index itself may take. */
  mirrorAskTimeout: seconds(11),
  /** Time between two requests for a blob that an origin is fetching from its upstream. */
  upstreamFetchPause: milliseconds(500),
  /** Time that a pull waits for a blob that an origin is fetching: 20 GB at 6 MB/s. */
  upstreamFetchPatience: seconds(3600)
}

export type AskLimits = Readonly<typeof askLimits>

/** The limits that a client of other roles reads when it is made. Tests provide others. */
export const AskLimits: Context.Reference<AskLimits> = Context.Reference("shoal/roles/client/AskLimits", {
  defaultValue: () => askLimits
})

invariant(
  2 * askLimits.preheatProgressInterval <= askLimits.preheatSilence,
  "limits: a working agent would count as gone"
)
invariant(
  askLimits.healthTimeout <= askLimits.askTimeout && askLimits.askTimeout <= askLimits.httpTimeout,
  "limits: a small question may take longer than a large one"
)
