// Decides what a wave is, for every strategy alike: hosts that all want the same image at one instant, over links that
// are given, and what is told of it afterwards. Plain data both ways, so that a wave can run in another thread and its
// outcome can be kept. Who runs it, shipped roles or a rival, is strategies/.

import type { Micros } from "../../src/protocol/kit/time.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"

/** A blob of an image, without content. */
export interface CrowdBlob {
  readonly name: string
  /** Bytes. */
  readonly length: number
  /** Bytes of every piece but the last. */
  readonly pieceLength: number
}

export interface CrowdLinks {
  readonly model: LinkModel
  /** Bytes a second, each way, of every host. */
  readonly rate: number
  /** Bytes that each host's token buckets hold, if its rate is kept by buckets. 0: the links themselves have the rate. */
  readonly burst: number
  /** One way, between any two hosts. */
  readonly latency: Micros
  /** So many of the agents, the last ones, have links of this rate instead. None when absent. */
  readonly slow?: { readonly agents: number; readonly rate: number }
}

/** Links under token buckets are so many times faster than the buckets, so that a burst can pass. */
const lineOverBuckets = 4

/** Bytes a second, each way, of the links themselves of a host whose rate is `rate`. */
export const lineRate = ({ burst }: CrowdLinks, rate: number): number =>
  burst === 0 ? rate : lineOverBuckets * rate

/** Bytes a second, each way, of agent 0, 1, ... of a wave; one that came later is not among the slow. */
export const rateOf = ({ links, agents }: Pick<FlashCrowd, "links" | "agents">, agent: number): number =>
  links.slow !== undefined && agent >= agents - links.slow.agents && agent < agents
    ? links.slow.rate
    : links.rate

export interface FlashCrowd {
  readonly seed: number
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  /** The image: every agent pulls all of these at once and is done when it has them all. */
  readonly blobs: readonly [CrowdBlob, ...ReadonlyArray<CrowdBlob>]
  readonly links: CrowdLinks
  /** Virtual time after which the wave counts as stuck. */
  readonly patience: Micros
}

/** What the world looked like at one instant. Bytes are piece payloads. */
export interface CrowdSample {
  readonly at: Micros
  readonly storedBytes: number
  readonly fromOrigins: number
  readonly sentByOrigins: number
}

/** All instants are since every agent was asked. */
export interface CrowdOutcome {
  readonly traceHash: string
  readonly events: number
  /** One an agent: when it had every blob of the image. */
  readonly completions: ReadonlyArray<Micros>
  /** One a blob and agent, in the spec's order of blobs. */
  readonly blobCompletions: ReadonlyArray<ReadonlyArray<Micros>>
  /** Evenly spaced, the first at 0, the last when all were done; at most a few hundred. */
  readonly samples: ReadonlyArray<CrowdSample>
  /** When every piece was stored by some agent, and the piece bytes that origins had sent by then. */
  readonly allOutside: { readonly at: Micros; readonly sentByOrigins: number }
  /** Pieces that agents stored. */
  readonly pieceTransfers: number
  /** Piece bytes that agents received, by who sent them. */
  readonly bytesFromOrigins: number
  readonly bytesFromAgents: number
  /** Everything on the wire, frames and control included. */
  readonly bytesSent: number
  /** When each agent had stored the first piece of the image, and the last; of strategies that tell it. */
  readonly firstPieces?: ReadonlyArray<Micros>
  readonly lastPieces?: ReadonlyArray<Micros>
  /** What a strategy counts besides: requests, rejects, duplicates ... by name. */
  readonly counts: Readonly<Record<string, number>>
}
