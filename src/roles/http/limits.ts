// Limits of how roles take requests over HTTP. Each line states the unit and the trade-off.

import { Context } from "effect"

const httpLimits = {
  /** Clients whose rate is remembered, about 200 bytes each. The client that was silent longest is forgotten first. */
  maxClientsRemembered: 10_000,
  /** Lines that the report of a collection lists: about 1 MB of text. */
  maxCollectListed: 10_000
}

export type HttpLimits = Readonly<typeof httpLimits>

/** What an app reads when it is made: these limits, unless a test sets others. */
export const HttpLimits: Context.Reference<HttpLimits> = Context.Reference("shoal/roles/http/HttpLimits", {
  defaultValue: () => httpLimits
})
