// Limits that a configuration may change, with the shipped values. Each line states the unit and the trade-off.

import { seconds } from "../../protocol/kit/time.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const configLimits = {
  /** Bytes: the burst of a rate limit that names none. */
  defaultBurstBytes: 1 * MiB,
  /**
   * Requests per second of one client of a registry, and requests at once after a pause. A runtime sends tens, a lazy
   * snapshotter hundreds; one process answers about 20,000.
   */
  clientRequestsPerSecond: 1000,
  clientRequestBurst: 5000,
  /** Unfinished uploads that a registry keeps. */
  maxUploadSessions: 10_000,
  /** Unfinished uploads of one client, so that no client takes all places. A build machine has some tens. */
  maxUploadSessionsPerClient: 1000,
  /** A client must send the headers of its request within this time. A body may take any time. */
  requestHeadersTimeout: seconds(30),
  /**
   * A client that keeps a body waiting for this long is cut off. It is longer than any stall of a pull, so that a
   * failed pull says why. A modem with 56 kbit/s moves 2 MB in it.
   */
  httpSilence: seconds(300)
}
