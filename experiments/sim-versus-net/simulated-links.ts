// The simulated twin of processes in network namespaces: one origin and agents on links that are shared as TCP shares
// them, all asked for one blob at the same instant. A link has the rate that a shaped link leaves for pieces
// (wire-share.ts). Blobs have no bytes here, and agents are asked without a client.

import { Effect } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import { silentProgress } from "../engine/progress.ts"
import { makespanBound } from "../flash-crowd/bounds.ts"
import { runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { goodputOf } from "./wire-share.ts"

export interface ShapedLinks {
  readonly agents: number
  /** Bytes of the blob, and of each of its pieces except the last. */
  readonly size: number
  readonly pieceLength: number
  /** Bytes per second, each way, that the kernel lets pass at every host, headers included. */
  readonly rate: number
  /** The product's own limit, as a share of what the link leaves for pieces; absent when it is off. */
  readonly limiter?: number
}

/** Bytes of an Ethernet frame's content. */
export const mtu = 1500
/** Bytes that the product's own buckets hold: their default. */
export const limiterBurst = 1024 * 1024
/** One way between two processes on an idle link: switch, scheduling, decoding. */
const latency = 500
/** Virtual time after which a run counts as stuck, as a multiple of the bound. */
const patience = 20

/** Bytes per second of pieces that a link can carry. */
export const goodputOfLinks = ({ rate, pieceLength }: ShapedLinks): number =>
  goodputOf(rate, mtu, pieceLength)

/** Bytes per second of the product's own limit. */
export const limitOf = (links: ShapedLinks): number | undefined =>
  links.limiter === undefined ? undefined : Math.round(links.limiter * goodputOfLinks(links))

const crowdOf = (links: ShapedLinks, model: LinkModel, seed: number): FlashCrowd => {
  const { agents, size, pieceLength } = links
  const line = goodputOfLinks(links)
  const limit = limitOf(links)
  return {
    seed,
    agents,
    origins: 1,
    trackers: 1,
    blobs: [{ name: "namespaces", length: size, pieceLength }],
    links: {
      model,
      latency,
      ...(limit === undefined ? { rate: line, burst: 0 } : { rate: limit, burst: limiterBurst, line })
    },
    patience: Math.ceil(patience * boundOfLinks(links) * 1e6)
  }
}

/**
 * The counting bound in seconds, of the links or of the product's own limit where that is lower. The burst of the limit
 * is not taken off: its bytes are 1.6 % of a blob of 64 MiB.
 */
export const boundOfLinks = (links: ShapedLinks): number =>
  makespanBound({
    bytes: links.size,
    pieceLength: links.pieceLength,
    receivers: links.agents,
    sources: 1,
    rate: limitOf(links) ?? goodputOfLinks(links),
    latency: latency / 1e6
  })

export interface SimulatedCrowd {
  /** One per agent. */
  readonly completions: ReadonlyArray<Micros>
  readonly rejects: number
  readonly traceHash: string
  readonly events: number
}

/** Runs one flash crowd of the twin. */
export const simulateLinks = (
  links: ShapedLinks,
  model: LinkModel,
  seed: number
): Effect.Effect<SimulatedCrowd, { readonly message: string }> =>
  Effect.map(
    runFlashCrowd(crowdOf(links, model, seed), {}, silentProgress),
    ({ completions, counts, traceHash, events }): SimulatedCrowd => ({
      completions,
      rejects: counts.rejects_received ?? 0,
      traceHash,
      events
    })
  )
