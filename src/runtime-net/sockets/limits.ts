// Limits of a host's peer sockets. Each line states the unit and the trade-off; relations between limits are asserted
// when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"

const MiB = 1024 * 1024

export const socketLimits = {
  /** Bytes a connection may have in its socket's buffer before the next piece waits: the link never runs dry. */
  maxSocketBuffer: 4 * MiB,
  /** Control messages that a connection queues behind pieces before it counts as stuck and is closed. */
  maxQueuedMessages: 16_384,
  /** Bytes beyond a full buffer and one piece that make a connection count as stuck: the peer does not read. */
  maxStuckBytes: 4 * MiB,
  /** Peer sockets that a listener holds. Those over maxConnections are told so and closed, and count until then. */
  maxSockets: 1024,
  /** A ping after this, and a connection from which no byte came for this long is dead. */
  pingInterval: seconds(15),
  deadConnectionTimeout: seconds(45),
  /** What was sent before a disconnect may take this long to leave. */
  disconnectDrain: seconds(2)
}

export type SocketLimits = Readonly<typeof socketLimits>

/** What a peer listener reads when it is bound: these limits, unless a test sets others. */
export const SocketLimits: Context.Reference<SocketLimits> = Context.Reference(
  "shoal/runtime-net/sockets/SocketLimits",
  {
    defaultValue: () => socketLimits
  }
)

invariant(
  2 * socketLimits.pingInterval <= socketLimits.deadConnectionTimeout,
  "limits: a live peer would count as dead"
)
invariant(
  limits.maxConnections < socketLimits.maxSockets,
  "limits: no socket is left to tell a peer that there are too many"
)
