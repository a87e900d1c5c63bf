// Limits of HTTP listeners and of the HTTP client. Each line states the unit and the trade-off; relations between limits
// are asserted when the module loads. How long a listener waits for a request is configured: roles/config/limits.ts.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { ociLimits } from "../../roles/oci/limits.ts"

const KiB = 1024

const listenerLimits = {
  /** A host that stops lets running requests end for this long. */
  stopDrain: seconds(10),
  /** A client that moves fewer bytes of a body than this within its listener's patience is cut off. */
  minClientBytes: 64 * KiB,
  /** Looks in that time: how late a slow client may be noticed, against work for each connection. */
  slowClientLooks: 10,
  /** How often connections are checked for headers that are late. */
  connectionCheck: seconds(5),
  /** A refused connection is read on for this long, so that the refusal is not lost in a reset. */
  refusalLinger: seconds(1),
  /** HTTP connections of a listener, and of one client (an IPv4 address, an IPv6 /64): about 20 KiB each. */
  maxHttpConnections: 16_384,
  maxHttpConnectionsPerClient: 4_096,
  /** An HTTP connection without a request is kept this long. */
  httpKeepAlive: seconds(65),
  /** Connections of a host to one other host's HTTP listener. */
  maxHttpConnectionsPerHost: 64,
  /** Bytes of a request's headers: maxRanges ranges of a terabyte blob at 28 bytes each fit beside the others. */
  maxRequestHeaderBytes: 48 * KiB,
  /** Headers of a request; clients send some tens. */
  maxRequestHeaders: 500
}

export type ListenerLimits = Readonly<typeof listenerLimits>

/** What a listener reads when it is bound: these limits, unless a test sets others. */
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
