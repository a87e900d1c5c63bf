// The answer of Kraken's test in words: which aims shoal meets, what Kraken's own policies reach beside its published
// figures, and which of the other strategies is the fastest. Pure.

import type { Findings, Times } from "../report/result.ts"
import {
  isPublishedTest,
  type KrakenTestOptions,
  krakenRuns,
  named,
  published
} from "./kraken-benchmark-contenders.ts"

/** Times of the image over its bound that are aimed at. */
export const aims = { p50: 1.02, p999: 1.05, max: 1.06 } as const

const labels = { p50: "p50", p999: "p99.9", max: "the slowest" } as const
type AimKey = keyof typeof aims
const aimKeys = Object.keys(aims) as ReadonlyArray<AimKey>

/** Times of a contender; undefined when it did not take part. */
type Find = (contender: string) => Times | undefined

const shoalAnswer = (find: Find): ReadonlyArray<string> => {
  const ratio = find(named.aim)?.ratio
  if (ratio === undefined) return []
  const missed = aimKeys.filter((key) => ratio[key] > aims[key]).map((key) => labels[key])
  return [
    `As the aim states, shoal takes ${ratio.p50.toFixed(3)} times the bound at the median and ${ratio.max.toFixed(3)} at the ` +
      `slowest host; ${missed.length === 0 ? "every aim is met" : `it misses its aim for ${missed.join(", ")}`}.`
  ]
}

/** A run is near the published test when its p50 and p99 differ from the published ones by no more, as a share. */
const nearWithin = 0.15

/** The larger difference of p50 and p99 from the published ones, as a share of those. */
const offBy = ({ p50_s, p99_s }: Times): number =>
  Math.max(Math.abs(p50_s / published.p50_s - 1), Math.abs(p99_s / published.p99_s - 1))

/** The run of Kraken's policies that is nearest to the published test, in words. */
const nearest = (find: Find): string => {
  const runs = krakenRuns.flatMap((name) => {
    const times = find(name)
    return times === undefined ? [] : [{ name, off: offBy(times) }]
  })
  const { name, off } = runs.reduce((left, right) => (right.off < left.off ? right : left))
  const which = off > nearWithin ? "no run of it" : `"${name}"`
  return `; ${which} has the published p50 and p99 within ${100 * nearWithin} %`
}

const krakenAnswer = (options: KrakenTestOptions, find: Find): ReadonlyArray<string> => {
  const [links, random] = [find(named.kraken), find(named.krakenRandom)]
  if (links === undefined || random === undefined) return []
  return [
    `Kraken's policies take ${links.ratio.p50.toFixed(2)} times the bound at the median, ` +
      `${random.ratio.p50.toFixed(2)} with random pieces${isPublishedTest(options) ? nearest(find) : ""}.`
  ]
}

/** The fastest of the strategies that the other sentences do not speak of. */
const restAnswer = (findings: Findings): ReadonlyArray<string> => {
  const spoken: ReadonlyArray<string> = Object.values(named)
  const medians = Object.entries(findings.strategies).flatMap(([name, { image }]) =>
    image === undefined || spoken.includes(name) ? [] : [{ name, ratio: image.ratio.p50 }]
  )
  if (medians.length === 0) return []
  const { name, ratio } = medians.reduce((left, right) => (right.ratio < left.ratio ? right : left))
  return [
    `The fastest of the other strategies is "${name}", with a median of ${ratio.toFixed(2)} times the bound.`
  ]
}

export const answerOf = (options: KrakenTestOptions, findings: Findings): string => {
  const find: Find = (contender) => findings.strategies[contender]?.image
  return [...shoalAnswer(find), ...krakenAnswer(options, find), ...restAnswer(findings)].join(" ")
}
