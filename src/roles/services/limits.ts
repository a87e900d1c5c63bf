// Limits of the services that every role uses. Each line states the unit and the trade-off.

import { Context } from "effect"
import { seconds } from "../../protocol/kit/time.ts"

export const serviceLimits = {
  /** Rows that one scan of a table reads at once: some 100 KB in memory, against one query per page. */
  tableScanPage: 1000,
  /** An upload without a request for this time is dropped. A client resumes within hours, or never. */
  uploadSessionTimeout: seconds(24 * 3600)
}

export type ServiceLimits = Readonly<typeof serviceLimits>

/** The limits that a role reads when it is made. Tests provide others. */
export const ServiceLimits: Context.Reference<ServiceLimits> = Context.Reference(
  "shoal/roles/services/ServiceLimits",
  {
    defaultValue: () => serviceLimits
  }
)
