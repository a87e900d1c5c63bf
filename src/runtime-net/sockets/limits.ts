// Limits of a host's peer sockets. Each line states the unit and the trade-off; relations between limits are asserted
// when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"

const MiB = 1024 * 1024

export const socketLimits = {
  /**
   * Bytes that a connection may have in its socket's buffer before the next piece waits, so that the link never runs
   * dry.
   */
  maxSocketBuffer: 4 * MiB,
  /** Control messages that a connection queues behind pieces before it counts as stuck and is closed. */
  maxQueuedMessages: 16_384,
  /**
   * Bytes of messages in the buffer of a socket at which a connection counts as stuck, because the peer does not read.
   * Where pieces share the socket, a full buffer and one piece are added.
   */
  maxStuckBytes: 4 * MiB,
  /**
   * Peer sockets of a listener, two for each connection. Those beyond maxConnections get a Bye and are closed, and
   * count until then.
   */
  maxSockets: 2048,
  /** Interval of pings. The second limit is the silence after which a connection is dead. */
  pingInterval: seconds(15),
  deadConnectionTimeout: seconds(45),
  /** Time that sent messages have to leave before a disconnect. */
  disconnectDrain: seconds(2)
}

export type SocketLimits = Readonly<typeof socketLimits>

/** The limits that a peer listener reads when it is bound. Tests provide others. */
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
  2 * limits.maxConnections + 2 <= socketLimits.maxSockets,
  "limits: no socket is left to tell a peer that there are too many"
)
