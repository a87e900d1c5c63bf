// Contenders of Kraken's published test and their terms: strategy, parameters, pieces and links. All pull the same
// image at the same rate and latency; the differences are written here and shown in the report.

import { Schema } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import { byteRateText, durationText } from "../engine/option-text.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { binomial } from "../strategies/binomial.ts"
import { clientServer } from "../strategies/client-server.ts"
import { kraken } from "../strategies/kraken.ts"
import { shoal } from "../strategies/shoal.ts"
import type { Strategy } from "../strategies/strategy.ts"
import { supernode } from "../strategies/supernode.ts"
import { tree } from "../strategies/tree.ts"

export interface KrakenTestOptions {
  /** By name. */
  readonly strategies: ReadonlyArray<string>
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  readonly blobs: number
  readonly size: number
  readonly piece: number
  readonly rate: number
  readonly latency: Micros
  readonly links: LinkModel
  readonly burst: Micros
  readonly "origin-rate": number
  readonly spread: Micros
  readonly degree: number
  readonly have: Micros
}

export interface Contender {
  /** As charts and tables call it. */
  readonly name: string
  /** The particulars of the contender, in a line. */
  readonly terms: string
  readonly strategy: Strategy
  readonly parameters: Readonly<Record<string, string>>
  /** Bytes of a piece. */
  readonly pieceLength: number
  /** What keeps the rates: the links; token buckets with a burst of all hosts; or such buckets of the agents alone. */
  readonly caps: "links" | "buckets" | "buckets of agents"
  /** How its links are shared; absent when as for all others. */
  readonly links?: LinkModel
  /** Agents begin at random instants within this time. */
  readonly spread?: Micros
}

/** The contenders that the answer names. */
export const named = {
  shipped: "shoal",
  shippedOnQueues: "shoal, links as queues",
  aim: "shoal, as the aim states",
  ownPieces: "shoal, own pieces",
  krakenBuckets: "kraken, with buckets",
  krakenFree: "kraken, only agents capped",
  krakenFreeSpread: "kraken, only agents capped, spread start",
  krakenFreeRandom: "kraken, only agents capped, random pieces",
  kraken: "kraken",
  krakenRandom: "kraken, random pieces",
  krakenTuned: "kraken, tuned"
} as const

/** Those with Kraken's policies, as shipped or with the other order of pieces. */
export const krakenRuns: ReadonlyArray<string> = [
  named.krakenBuckets,
  named.krakenFree,
  named.krakenFreeSpread,
  named.krakenFreeRandom,
  named.kraken,
  named.krakenRandom
]

const durationOf = Schema.encodeSync(durationText)
const rateOf = Schema.encodeSync(byteRateText)

/** Number of neighbours that a peer looks for: it leaves room for those that come later. */
const targetOf = (degree: number): number => Math.max(1, Math.floor((degree * 4) / 5))

/** Contenders of the strategies that take part, in the order in which the report shows them. */
export const contendersOf = (options: KrakenTestOptions): ReadonlyArray<Contender> =>
  allContenders(options).filter(({ strategy }) => options.strategies.includes(strategy.name))

const allContenders = (options: KrakenTestOptions): ReadonlyArray<Contender> => {
  const { degree, have, piece, burst, size, spread } = options
  const originRate = options["origin-rate"]
  const base = { parameters: {}, pieceLength: piece, caps: "links" } as const
  return [
    { ...base, name: named.shipped, strategy: shoal, terms: "everything as it ships except the pieces" },
    {
      ...base,
      name: named.shippedOnQueues,
      strategy: shoal,
      terms: "the same, and frames leave one after the other at full rate",
      links: "queue"
    },
    {
      ...base,
      name: named.ownPieces,
      strategy: shoal,
      terms: "everything as it ships, also the length of pieces",
      pieceLength: choosePieceLength(size)
    },
    {
      ...base,
      name: named.aim,
      strategy: shoal,
      terms: `at most ${degree} agents as neighbours, Have messages wait ${durationOf(have)}`,
      parameters: {
        targetNeighbours: String(targetOf(degree)),
        maxNeighbours: String(degree),
        haveBatchDelay: durationOf(have),
        haveBatchDelayPerMiB: "0us"
      }
    },
    {
      ...base,
      name: named.krakenBuckets,
      strategy: kraken,
      terms: `its policies, rates kept by token buckets that hold ${durationOf(burst)} of rate`,
      caps: "buckets"
    },
    {
      ...base,
      name: named.krakenFree,
      strategy: kraken,
      terms: `the same, only agents capped: origins have links of ${rateOf(originRate)}`,
      caps: "buckets of agents"
    },
    {
      ...base,
      name: named.krakenFreeSpread,
      strategy: kraken,
      terms: `the same, and hosts begin within ${durationOf(spread)}; times of a host are since it began`,
      caps: "buckets of agents",
      spread
    },
    {
      ...base,
      name: named.krakenFreeRandom,
      strategy: kraken,
      terms: "only agents capped, all at once, pieces chosen at random instead of rarest first",
      parameters: { choice: "random" },
      caps: "buckets of agents"
    },
    {
      ...base,
      name: named.kraken,
      strategy: kraken,
      terms: "its policies, rates kept by the links as for all others"
    },
    {
      ...base,
      name: named.krakenRandom,
      strategy: kraken,
      terms: "pieces chosen at random instead of rarest first",
      parameters: { choice: "random" }
    },
    { ...tunedOf(kraken), ...base, name: named.krakenTuned, parameters: kraken.tuned ?? {} },
    { ...base, name: "client-server", strategy: clientServer, terms: "everybody downloads from the origins" },
    { ...base, name: "supernode", strategy: supernode, terms: "one supernode decides every piece" },
    { ...base, name: "tree", strategy: tree, terms: "a static tree of arity two under each origin" },
    { ...base, name: "binomial", strategy: binomial, terms: "the binomial pipeline as published" },
    { ...tunedOf(binomial), ...base, name: "binomial, tuned", parameters: binomial.tuned ?? {} }
  ]
}

const tunedOf = (strategy: Strategy) => ({
  strategy,
  terms: Object.entries(strategy.tuned ?? {})
    .map(([key, value]) => `${key} ${value}`)
    .join(", ")
})

const layer = (index: number): string => `layer ${index + 1}`

/** Additional virtual time for connections that time out. */
const patienceBeside: Micros = 120_000_000

/** The flash crowd of a contender. It counts as stuck when one origin alone could have served everyone three times. */
export const crowdOf = (contender: Contender, options: KrakenTestOptions, seed: number): FlashCrowd => {
  const { agents, origins, trackers, blobs, size, rate, latency, burst } = options
  const { pieceLength, caps, spread } = contender
  const blob = (index: number) => ({ name: layer(index), length: size, pieceLength })
  const spec: FlashCrowd = {
    seed,
    agents,
    origins,
    trackers,
    blobs: [blob(0), ...Array.from({ length: blobs - 1 }, (_, index) => blob(index + 1))],
    links: {
      model: contender.links ?? options.links,
      rate,
      burst: caps === "links" ? 0 : Math.round((rate * burst) / 1e6),
      latency,
      ...(caps === "buckets of agents" ? { originRate: options["origin-rate"] } : {})
    },
    ...(spread === undefined ? {} : { spread }),
    patience: 0
  }
  const everyoneFromOne = (agents * blobs * size) / rate
  return {
    ...spec,
    patience: Math.ceil(3e6 * Math.max(everyoneFromOne, boundOf(spec).seconds)) + patienceBeside
  }
}

/** Whether these are the options of the test in Kraken's README. */
export const isPublishedTest = ({ agents, origins, trackers, blobs, size, rate }: KrakenTestOptions) =>
  agents === 2600 && origins === 5 && trackers === 5 && blobs === 2 && size === 1.5e9 && rate === 3e8

/**
 * Seconds from that README. Its chart is a histogram of 5,200 downloads of layers in steps of two seconds: 65 % at 10
 * and below, 75 % at 12, 84 % at 14, 96 % at 16, 99.5 % at 18. So these are labels of its bars.
 */
export const published = { p50_s: 10, p99_s: 18, p999_s: 22 } as const
