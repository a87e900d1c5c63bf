// Limits of the services that every role uses. Each line states the unit and the trade-off.

import { seconds } from "../../protocol/kit/time.ts"

export const serviceLimits = {
  /** Rows that one scan of a table reads at once: some 100 KB in memory, against a query for each page. */
  tableScanPage: 1000,
  /** An upload that no request touches for this long is dropped: a client resumes within hours, or never. */
  uploadSessionTimeout: seconds(24 * 3600)
}
