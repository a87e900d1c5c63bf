// Limits of the services that every role uses. Each line states the unit and the trade-off.

import { Context } from "effect"
import { seconds } from "../../protocol/kit/time.ts"

export const serviceLimits = {
  /** Rows that one scan of a table reads at once: some 100 KB in memory, against a query for each page. */
  tableScanPage: 1000,
  /** An upload that no request touches for this long is dropped: a client resumes within hours, or never. */
  uploadSessionTimeout: seconds(24 * 3600)
}

export type ServiceLimits = Readonly<typeof serviceLimits>

/** What a role reads when it is made: these limits, unless a test sets others. */
export const ServiceLimits: Context.Reference<ServiceLimits> = Context.Reference(
  "shoal/roles/services/ServiceLimits",
  {
    defaultValue: () => serviceLimits
  }
)
