// Limits of the requests that roles accept over HTTP. Each line states the unit and the trade-off.

import { Context } from "effect"

const httpLimits = {
  /**
   * Clients whose rate is remembered, about 200 bytes each. The client that was silent longest is forgotten first.
   */
  maxClientsRemembered: 10_000,
  /** Lines in the report of a collection: about 1 MB of text. */
  maxCollectListed: 10_000
}

export type HttpLimits = Readonly<typeof httpLimits>

/** The limits that an app reads when it is made. Tests provide others. */
export const HttpLimits: Context.Reference<HttpLimits> = Context.Reference("shoal/roles/http/HttpLimits", {
  defaultValue: () => httpLimits
})
