// Limits that a configuration may change, with the values that ship. Each line states the unit and the trade-off.

import { seconds } from "../../protocol/kit/time.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const configLimits = {
  /** Bytes: the burst of a rate limit that names none. */
  defaultBurstBytes: 1 * MiB,
  /**
   * Requests a second of one client of a registry, and requests at once after a rest. A runtime sends tens, a lazy
   * snapshotter hundreds; one process answers about 20,000.
   */
  clientRequestsPerSecond: 1000,
  clientRequestBurst: 5000,
  /** Unfinished uploads that a registry keeps. */
  maxUploadSessions: 10_000,
  /** Unfinished uploads of one client, so that no client takes all places: a build machine has some tens. */
  maxUploadSessionsPerClient: 1000,
  /** A client must send its request's headers within this time; a body may take as long as it needs. */
  requestHeadersTimeout: seconds(30),
  /**
   * A client that keeps a body waiting for this long is cut off. Longer than any stall of a pull, so that a pull that
   * fails says why. A modem's 56 kbit/s moves 2 MB in it.
   */
  httpSilence: seconds(300)
}
