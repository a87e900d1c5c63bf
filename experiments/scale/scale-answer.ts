// The answer of scale in words: up to how many hosts, and from which size of a blob on, the slowest host gets a good
// share of its line rate, and what it gets when everyone asks one origin at once. Pure.

import { Schema } from "effect"
import { byteSizeText } from "../engine/option-text.ts"
import { blobTimes, percent } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"
import { labelOf, type ScaleOptions, type ScalePoint, seriesOf } from "./scale-points.ts"

/** Kraken names 80 % of the line rate in theory (README). */
const goodShare = 0.8
const goodText = `${100 * goodShare} %`

const sizeText = Schema.encodeSync(byteSizeText)

type ShareOf = (point: ScalePoint) => number

const hostsAnswer = (points: ReadonlyArray<ScalePoint>, size: number, shareOf: ShareOf): string => {
  const bad = points.findIndex((point) => shareOf(point) < goodShare)
  const most = points[bad === -1 ? points.length - 1 : bad - 1]
  return most === undefined
    ? `With ${sizeText(size)}, even the slowest of ${points[0]?.agents} hosts gets less than ${goodText} of its line rate.`
    : `With ${sizeText(size)}, the slowest host gets at least ${goodText} of its line rate up to ${most.agents} hosts` +
        `${bad === -1 ? ", the most that were tried" : ""}.`
}

const bytesAnswer = (points: ReadonlyArray<ScalePoint>, hosts: number, shareOf: ShareOf): string => {
  const good = points[points.findLastIndex((point) => shareOf(point) < goodShare) + 1]
  return good === undefined
    ? `With ${hosts} hosts, no blob up to ${sizeText(points.at(-1)?.bytes ?? 0)} reaches that share.`
    : `With ${hosts} hosts, blobs from ${sizeText(good.bytes)} on reach that share.`
}

const seederAnswer = (points: ReadonlyArray<ScalePoint>, hosts: number, shareOf: ShareOf): string => {
  const shares = points.map((point) => `${percent(shareOf(point))} with ${sizeText(point.bytes)}`)
  return `From one origin, the slowest of ${hosts} hosts gets ${shares.join(", ")}.`
}

export const answerOf = (options: ScaleOptions, findings: Findings): string => {
  const { overHosts, overBytes, oneSeeder } = seriesOf(options)
  const shareOf: ShareOf = (point) =>
    point.bytes / options.rate / blobTimes(findings, `shoal, ${labelOf(point)}`).max_s
  return [
    hostsAnswer(overHosts, options.size, shareOf),
    bytesAnswer(overBytes, options.hosts, shareOf),
    seederAnswer(oneSeeder, options["seeder-hosts"], shareOf)
  ].join(" ")
}
