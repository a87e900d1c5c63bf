// Decides the bounds of preheats (roles/preheat): how many hosts, images and jobs are remembered, and how long anyone waits
// for whom. Part of limits.ts, by which everybody reads them.

import { milliseconds, seconds } from "./kit/time.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const preheatLimits = {
  /**
   * Between two registrations of an agent at every tracker, shortened by up to a quarter by chance; unheard of for
   * announceMisses of them it is forgotten. 20,000 agents are 670 small requests a second to a tracker; a tracker that
   * restarted knows all again after one period.
   */
  registrationPeriod: seconds(30),
  /** Wait before a tracker that did not take a registration is asked again: doubles up to the period. */
  minRegistrationBackoff: seconds(1),
  /** Agents that a tracker keeps, about 200 bytes each; further ones are refused. */
  maxRegisteredAgents: 20_000,
  maxRegistrationBytes: 1 * KiB,
  /** Contents (manifests, configs, layers) of one preheated image, all its platforms together. */
  maxPreheatContents: 4096,
  /** Indexes within indexes that are followed. */
  maxPreheatDepth: 4,
  /** Bytes of what an agent is asked: maxPreheatContents times less than 200. */
  maxPreheatAskBytes: 1 * MiB,
  /** Bytes of a request to preheat, and of a notification; events in one. */
  maxPreheatRequestBytes: 64 * KiB,
  maxNotificationBytes: 1 * MiB,
  maxNotificationEvents: 256,
  /** Jobs that a proxy remembers, and agents in all of them together (about 200 bytes each); ended jobs give way. */
  maxPreheatJobs: 256,
  maxPreheatRecords: 200_000,
  /** An ended job's status can be asked for this long. */
  preheatJobLifetime: seconds(3600),
  /** Agents that a proxy asks at once, over all jobs: a connection each, and the more at once the better they swarm. */
  maxPreheatAsks: 512,
  /** Preheats that an agent works on at once, and blobs that it pulls at once for all of them. */
  maxPreheatsPerAgent: 16,
  maxPreheatPulls: 4,
  /** An agent tells how far it is this often; silent for longer than the second it counts as gone. */
  preheatProgressInterval: seconds(2),
  preheatSilence: seconds(20),
  /** An agent that is not done after this has failed. Its pulls fail by themselves when nothing moves. */
  preheatPatience: seconds(3600),
  /** Wait before an agent that failed is asked a second and last time. */
  preheatRetryDelay: seconds(2),
  /** Times that an image of a notification is looked up, and the wait before the second; it doubles. */
  notifiedLookups: 5,
  notifiedLookupDelay: milliseconds(200),
  /** Bytes of a line of progress. */
  maxPreheatLineBytes: 4 * KiB
} as const
