// Decides what the report of Kraken's test says in words: whether each aim is met, by what measured part of the time it
// is missed, and what Kraken's own policies reach beside its published figures. Pure.

import { isPublishedTest, type KrakenTestOptions, named, published } from "./kraken-benchmark-contenders.ts"
import type { ContenderOutcome, TimeParts } from "./kraken-benchmark-figures.ts"

/** Ratios of the image to the bound that the issue asks of shoal. */
export const aims = { p50: 1.02, p999: 1.05, max: 1.06 } as const

const quantiles = [
  { key: "p50", label: "p50", who: "half of the hosts" },
  { key: "p999", label: "p99.9", who: "all hosts but one in a thousand" },
  { key: "max", label: "the slowest host", who: "all hosts" }
] as const
type AimKey = keyof typeof aims

const ratio = (value: number): string => value.toFixed(3)
const time = (seconds: number): string => `${seconds.toFixed(seconds < 100 ? 2 : 0)} s`

/** The aims that are missed, each with its figure. */
const missedBy = ({ image }: ContenderOutcome): ReadonlyArray<AimKey> =>
  quantiles.filter(({ key }) => image.ratio[key] > aims[key]).map(({ key }) => key)

/** Each aim with its figure, met or not. */
const verdictOf = (name: string, outcome: ContenderOutcome): string => {
  const parts = quantiles.map(({ key, label }) => {
    const found = outcome.image.ratio[key]
    return `${label} ${ratio(found)} (aim ${aims[key]}, ${found > aims[key] ? "missed" : "met"})`
  })
  return `${name}: ${parts.join(", ")} of the bound of ${time(outcome.image.bound_s)}.`
}

/** Share of its downlink that the median host used between its first piece and its last. */
const linkUseOf = (options: KrakenTestOptions, parts: TimeParts): number =>
  (options.blobs * options.size - options.piece) / options.rate / (parts.lastPieceP50 - parts.firstPieceP50)

/** By what the aims were missed, from the measured parts; empty when none was. */
export const whyMissed = (options: KrakenTestOptions, outcome: ContenderOutcome): string => {
  const missed = missedBy(outcome)
  const { parts } = outcome
  if (missed.length === 0 || parts === undefined) return ""
  const reasons = [
    `the median host had its first piece after ${time(parts.firstPieceP50)}, used ` +
      `${(100 * linkUseOf(options, parts)).toFixed(1)} % of its downlink from there to its last piece, and took ` +
      `${time(parts.afterLastP50)} more for the rest of the whole digest`
  ]
  if (missed.some((key) => key !== "p50")) {
    reasons.push(
      `the last piece of the slowest host came ${time(parts.lastPieceMax - parts.lastPieceP50)} after that of the ` +
        `median, and the rest of the digest took up to ${time(parts.afterLastMax)}`
    )
  }
  return `Where the time went: ${reasons.join("; ")}.`
}

/** What a contender reached; undefined when it did not take part. */
export type Find = (name: string) => ContenderOutcome | undefined

const shoalText = (options: KrakenTestOptions, find: Find): ReadonlyArray<string> => {
  const [aim, shipped, own] = [find(named.aim), find(named.shipped), find(named.ownPieces)]
  if (aim === undefined || shipped === undefined || own === undefined) return []
  const { p50, p999, max } = own.image.ratio
  return [
    verdictOf(`Shoal with at most ${options.degree} neighbours among agents and batched Have`, aim),
    whyMissed(options, aim),
    verdictOf("As it ships", shipped),
    `With its own length of pieces the ratios are ${ratio(p50)}, ${ratio(p999)} and ${ratio(max)}.`
  ]
}

const krakenText = (options: KrakenTestOptions, find: Find): ReadonlyArray<string> => {
  const [buckets, links] = [find(named.krakenBuckets), find(named.kraken)]
  const [random, tuned] = [find(named.krakenRandom), find(named.krakenTuned)]
  if (buckets === undefined || links === undefined || random === undefined || tuned === undefined) return []
  const of = ({ image: { p50_s, p999_s, ratio: over } }: ContenderOutcome): string =>
    `p50 ${time(p50_s)}, p99.9 ${time(p999_s)} (${over.p50.toFixed(2)} and ${over.p999.toFixed(2)} of the bound)`
  const measured =
    `Kraken's policies as its source has them reach ${of(links)}: its rarest-first order breaks ties alike on every ` +
    `host, so that all ask for the same pieces and the origins stay the bottleneck. With pieces chosen at random they ` +
    `reach ${of(random)}, tuned ${of(tuned)}.`
  if (!isPublishedTest(options)) return [measured]
  const { p50_s, p99_s, p999_s } = buckets.image
  const best = Math.min(p50_s, links.image.p50_s)
  return [
    measured,
    `Published are p50 ${published.p50_s} s, p99 ${published.p99_s} s and p99.9 ${published.p999_s} s; with token ` +
      `buckets as in that test the simulated ones are ${time(p50_s)}, ${time(p99_s)} and ${time(p999_s)}.`,
    best > 1.1 * published.p50_s
      ? "The published median cannot be reproduced with the policies of its source under this model."
      : "The published median is within reach of the policies of its source."
  ]
}

/** One line a strategy that the others' words do not cover. */
const restText = (shown: ReadonlyArray<string>, find: Find): string => {
  const told = shown.map((name) => `${name} ${find(name)!.image.ratio.p50.toFixed(2)}`)
  return told.length === 0 ? "" : `Medians of the others over the bound: ${told.join(", ")}.`
}

/** The whole answer. `names`: all contenders that took part. */
export const answerOf = (options: KrakenTestOptions, names: ReadonlyArray<string>, find: Find): string => {
  const spoken: ReadonlyArray<string> = Object.values(named)
  return [
    ...shoalText(options, find),
    ...krakenText(options, find),
    restText(
      names.filter((name) => !spoken.includes(name)),
      find
    )
  ]
    .filter((sentence) => sentence !== "")
    .join(" ")
}
