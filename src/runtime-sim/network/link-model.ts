// The interface between the network and a model of its links: bulk frames go in, and the model reports when each has
// left. The file names the models and refuses networks that a model cannot represent.
//
//   queue       a host's bulk frames go one after the other (queue-links.ts): O(1) per frame, no shared links
//   fair        max-min fair over all links, re-solved as far as a change is felt (fair-links.ts)
//   fair-exact  the same without a tolerance: the reference that `fair` is checked against
//
// Invariants of a model: the bulk frames of a connection leave in the order in which they were sent; each is reported
// once, as left or as lost.

import { Data } from "effect"
import type { ConnectionEnd, Frame, NetworkHost } from "./connection.ts"
import type { HostUse, LinkRates } from "./links.ts"

export type LinkModel = "queue" | "fair" | "fair-exact"

/** The links that the bulk frames of all hosts share. Frames between two listeners of one host do not use them. */
export interface BulkLinks {
  /** A host was added, or its rates changed. */
  readonly setRates: (host: NetworkHost, rates: LinkRates) => void
  /** A bulk frame is ready to leave. */
  readonly send: (frame: Frame) => void
  /**
   * A control frame of `size` bytes goes from one host to another, past the bulk. Its bytes must cost the links
   * something.
   */
  readonly control: (from: number, to: number, size: number) => void
  /** `size` bytes go again from one host to another at some time: they are charged to the bulk behind. */
  readonly again: (from: number, to: number, size: number) => void
  /** Frames in flight to this end will not be received. The model may give their share to others. */
  readonly ended: (to: ConnectionEnd) => void
  /** How much the access links of a host have been used. It costs a look at every connection of the host. */
  readonly use: (host: NetworkHost) => HostUse
}

/** Receives the model's reports of the frames that it was given. */
export interface BulkCarrier {
  /** The last byte has left. The frame is whole at the other end at `whole`, except when something else delays it. */
  readonly left: (frame: Frame, whole: number) => void
  /** The connection of the frame ended before it had left. */
  readonly lost: (frame: Frame) => void
}

/** A simulated network cannot work with its options. `message` says why, and what to change. */
export class NetworkRefused extends Data.TaggedError("NetworkRefused")<{ readonly message: string }> {}
