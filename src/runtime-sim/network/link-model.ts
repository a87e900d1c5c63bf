// Decides what a model of the links is to the network: bulk frames go in, and the network is told when each has left.
// Names the models, and refuses networks that a model cannot be.
//
//   queue       a host's bulk frames go one after the other (queue-links.ts): O(1) a frame, no shared links
//   fair        max-min fair over all links, re-solved as far as a change is felt (fair-links.ts)
//   fair-exact  the same without a tolerance: what `fair` is checked against
//
// Invariants of a model: the bulk frames of a connection leave in the order they were sent; each is told of once, as
// left or as lost.

import { Data } from "effect"
import type { ConnectionEnd, Frame, NetworkHost } from "./connection.ts"
import type { LinkRates } from "./links.ts"

export type LinkModel = "queue" | "fair" | "fair-exact"

/** How the bulk frames of all hosts share links. Frames between two listeners of one host are not its business. */
export interface BulkLinks {
  /** A host was added, or its rates changed. */
  readonly setRates: (host: NetworkHost, rates: LinkRates) => void
  /** A bulk frame is to go. */
  readonly send: (frame: Frame) => void
  /** A control frame of `size` bytes goes from one host to another, past the bulk: links are not to carry it for free. */
  readonly control: (from: number, to: number, size: number) => void
  /** So many bytes go again from one host to another some time: they are taken from the bulk behind. */
  readonly again: (from: number, to: number, size: number) => void
  /** What is under way to this end will not be received: the model may give its share to others. */
  readonly ended: (to: ConnectionEnd) => void
}

/** What a model tells of the frames it was given. */
export interface BulkCarrier {
  /** The last byte has left; unless something else keeps it, the frame is whole at the other end at `whole`. */
  readonly left: (frame: Frame, whole: number) => void
  /** Its connection ended before it had left. */
  readonly lost: (frame: Frame) => void
}

/** A simulated network cannot be as its options say. `message` says why, and what to change. */
export class NetworkRefused extends Data.TaggedError("NetworkRefused")<{ readonly message: string }> {}
