// Limits of what a host reads of its platform. Each line states the unit and the trade-off.

import { Context } from "effect"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"

const KiB = 1024

const platformLimits = {
  /** Bytes of a file with a secret. Passwords and tokens are shorter; a file named by mistake may be endless. */
  maxSecretBytes: 64 * KiB,
  /** Time between two wakes by which the delay of the event loop is measured: finer costs more wakes of the process. */
  loopDelayStep: milliseconds(20),
  /** Time for which a measured delay is shown before the next one: scrapers of one process see the same. */
  loopDelayWindow: seconds(10)
}

export type PlatformLimits = Readonly<typeof platformLimits>

/** The limits that are read at each use. Tests provide others. */
export const PlatformLimits: Context.Reference<PlatformLimits> = Context.Reference(
  "shoal/runtime-net/platform/PlatformLimits",
  {
    defaultValue: () => platformLimits
  }
)
