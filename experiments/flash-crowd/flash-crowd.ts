// A flash crowd, for every strategy: hosts that all want the same image at the same instant over given links, and the
// outcome. Both are plain data, so that a flash crowd can run in another thread and its outcome can be kept. It does
// not know what runs it, the shipped roles or a rival (strategies/).

import type { Micros } from "../../src/protocol/kit/time.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import type { CrowdLinkUse } from "./link-use.ts"

/** A blob of an image, without content. */
export interface CrowdBlob {
  readonly name: string
  /** Bytes. */
  readonly length: number
  /** Bytes of each piece except the last. */
  readonly pieceLength: number
}

export interface CrowdLinks {
  readonly model: LinkModel
  /** Bytes per second, each way, of every host. */
  readonly rate: number
  /**
   * Bytes that the token buckets of each host hold. 0: there are no buckets, and the links themselves keep the rate.
   */
  readonly burst: number
  /** Bytes per second of the links below token buckets, each way, instead of a multiple of `rate`. */
  readonly line?: number
  /** Bytes per second of the links of origins, each way. Origins then have no token buckets. */
  readonly originRate?: number
  /** One way, between any two hosts. */
  readonly latency: Micros
  /** The last `agents` of the agents have links of this rate instead. */
  readonly slow?: { readonly agents: number; readonly rate: number }
}

/** How many times faster links are than the token buckets above them, so that a burst can pass. */
const lineOverBuckets = 4

/** Bytes per second, each way, of the links of a host whose rate is `rate`. */
export const lineRate = ({ burst, line }: CrowdLinks, rate: number): number =>
  burst === 0 ? rate : (line ?? lineOverBuckets * rate)

/** Bytes per second, each way, of agent 0, 1, ...; an agent that comes later is not slow. */
export const rateOf = ({ links, agents }: Pick<FlashCrowd, "links" | "agents">, agent: number): number =>
  links.slow !== undefined && agent >= agents - links.slow.agents && agent < agents
    ? links.slow.rate
    : links.rate

export interface FlashCrowd {
  readonly seed: number
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  /** The image: every agent pulls all blobs at once and is done when it has all of them. */
  readonly blobs: readonly [CrowdBlob, ...ReadonlyArray<CrowdBlob>]
  readonly links: CrowdLinks
  /** Agents are asked at random instants within this time; all at once when it is absent. */
  readonly spread?: Micros
  /** Virtual time after which the flash crowd counts as stuck. */
  readonly patience: Micros
}

/** The state at one instant. Bytes are payloads of pieces. */
export interface CrowdSample {
  readonly at: Micros
  readonly storedBytes: number
  readonly fromOrigins: number
  readonly sentByOrigins: number
}

/** Instants are since the first agent was asked; completions of an agent are since that agent was asked. */
export interface CrowdOutcome {
  readonly traceHash: string
  readonly events: number
  /** When each agent had all blobs of the image. */
  readonly completions: ReadonlyArray<Micros>
  /** For each blob, in the order of the spec, when each agent had it. */
  readonly blobCompletions: ReadonlyArray<ReadonlyArray<Micros>>
  /** Evenly spaced, the first at 0, the last when all agents are done; at most a few hundred. */
  readonly samples: ReadonlyArray<CrowdSample>
  /** When each piece was stored by at least one agent, and the piece bytes that origins had sent by then. */
  readonly allOutside: { readonly at: Micros; readonly sentByOrigins: number }
  /** Number of pieces that agents stored. */
  readonly pieceTransfers: number
  /** Piece bytes that agents received from origins. */
  readonly bytesFromOrigins: number
  /** Piece bytes that agents received from agents. */
  readonly bytesFromAgents: number
  /** All bytes on the wire, with frames and control messages. */
  readonly bytesSent: number
  /** How much agents used their links until they were done. */
  readonly linkUse: CrowdLinkUse
  /** When each agent had stored its first piece; absent when the strategy does not record it. */
  readonly firstPieces?: ReadonlyArray<Micros>
  /** When each agent had stored its last piece; absent when the strategy does not record it. */
  readonly lastPieces?: ReadonlyArray<Micros>
  /** Further counts of the strategy by name: requests, rejects, duplicates ... */
  readonly counts: Readonly<Record<string, number>>
}
