// Limits of what a host reads of its platform. Each line states the unit and the trade-off.

import { Context } from "effect"

const KiB = 1024

const platformLimits = {
  /** Bytes of a file with a secret. Passwords and tokens are shorter; a file named by mistake may be endless. */
  maxSecretBytes: 64 * KiB
}

export type PlatformLimits = Readonly<typeof platformLimits>

/** The limits that are read at each use. Tests provide others. */
export const PlatformLimits: Context.Reference<PlatformLimits> = Context.Reference(
  "shoal/runtime-net/platform/PlatformLimits",
  {
    defaultValue: () => platformLimits
  }
)
