// Limits of HTTP listeners and of the HTTP client. Each line states the unit and the trade-off; relations between
// limits are asserted when the module loads. roles/config/limits.ts has the time that a listener waits for a request.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { ociLimits } from "../../roles/oci/limits.ts"

const KiB = 1024

const listenerLimits = {
  /** Time that a stopping host gives running requests to end. */
  stopDrain: seconds(10),
  /** A client that moves fewer bytes of a body within its listener's patience is cut off. */
  minClientBytes: 64 * KiB,
  /** Looks within that time: an earlier notice of a slow client, against work per connection. */
  slowClientLooks: 10,
  /** Interval of the checks for late headers. */
  connectionCheck: seconds(5),
  /** A refused connection is read for this time, so that the refusal is not lost in a reset. */
  refusalLinger: seconds(1),
  /** HTTP connections of a listener, and of one client (an IPv4 address, an IPv6 /64): about 20 KiB each. */
  maxHttpConnections: 16_384,
  maxHttpConnectionsPerClient: 4_096,
  /** An HTTP connection without a request is kept for this time. */
  httpKeepAlive: seconds(65),
  /** Connections of a host to one other host's HTTP listener. */
  maxHttpConnectionsPerHost: 64,
  /**
   * Bytes of a request's headers: maxRanges ranges of a terabyte blob at 28 bytes each fit in addition to the others.
   */
  maxRequestHeaderBytes: 48 * KiB,
  /** Headers of a request. Clients send a few dozen. */
  maxRequestHeaders: 500
}

export type ListenerLimits = Readonly<typeof listenerLimits>

/** The limits that a listener reads when it is bound. Tests provide others. */
export const ListenerLimits: Context.Reference<ListenerLimits> = Context.Reference(
  "shoal/runtime-net/http/ListenerLimits",
  {
    defaultValue: () => listenerLimits
  }
)

invariant(
  28 * ociLimits.maxRanges < listenerLimits.maxRequestHeaderBytes,
  "limits: the ranges that a request may name do not fit its headers"
)
invariant(
  listenerLimits.maxHttpConnectionsPerClient <= listenerLimits.maxHttpConnections,
  "limits: one client may have more connections than a listener"
)
