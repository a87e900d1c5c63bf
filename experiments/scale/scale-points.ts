// Points of the experiment scale: the sizes of cluster and of blob that it measures, and the kept part of each run. A
// point may belong to several series and is measured once. Points are plain data.

import { Schema } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import type { CellOutcome } from "../engine/experiment.ts"
import { byteSizeText } from "../engine/option-text.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import type { Times } from "../report/result.ts"

export interface ScaleOptions {
  readonly size: number
  readonly "most-hosts": number
  readonly hosts: number
  readonly largest: number
  readonly huge: number
  readonly "huge-hosts": number
  readonly "seeder-hosts": number
  readonly origins: number
  readonly trackers: number
  readonly rate: number
  readonly latency: Micros
  readonly links: LinkModel
}

/** One flash crowd: its number of hosts, its blob, and the number of origins. */
export interface ScalePoint {
  readonly agents: number
  readonly bytes: number
  readonly origins: number
}

/** The kept part of the run of a point. */
export interface PointOutcome extends CellOutcome {
  readonly times: Times
  /** Copies of the blob that origins had sent when every piece was stored by at least one agent. */
  readonly copiesUntilOutside: number
}

export interface ScaleSeries {
  /** One blob, more and more hosts. */
  readonly overHosts: ReadonlyArray<ScalePoint>
  /** The same hosts, longer and longer blobs. */
  readonly overBytes: ReadonlyArray<ScalePoint>
  /** The longest blob. */
  readonly huge: ScalePoint
  /** One seeder, all hosts at once, longer and longer blobs. */
  readonly oneSeeder: ReadonlyArray<ScalePoint>
}

/** 1, 3, 10, 30 ... times `from`, below `to`, and `to` itself. */
export const ladder = (from: number, to: number): ReadonlyArray<number> => {
  const steps: Array<number> = []
  for (let decade = from; decade < to; decade *= 10) {
    for (const step of [decade, 3 * decade]) if (step < to) steps.push(step)
  }
  return [...steps, to]
}

const fewestHosts = 10
const smallestBlob = 1e6

export const seriesOf = (options: ScaleOptions): ScaleSeries => {
  const { size, hosts, origins } = options
  return {
    overHosts: ladder(fewestHosts, options["most-hosts"]).map((agents) => ({ agents, bytes: size, origins })),
    overBytes: ladder(smallestBlob, options.largest).map((bytes) => ({ agents: hosts, bytes, origins })),
    huge: { agents: options["huge-hosts"], bytes: options.huge, origins },
    oneSeeder: [1, 3, 10].map((times) => ({
      agents: options["seeder-hosts"],
      bytes: times * size,
      origins: 1
    }))
  }
}

const sizeText = Schema.encodeSync(byteSizeText)

/** As reports and labels of cells name a point. */
export const labelOf = ({ agents, bytes, origins }: ScalePoint): string =>
  `${agents} hosts, ${sizeText(bytes)}, ${origins === 1 ? "one origin" : `${origins} origins`}`

const keyOf = ({ agents, bytes, origins }: ScalePoint): string => `${agents}/${bytes}/${origins}`

/** All points of the series, each once. */
export const pointsOf = (options: ScaleOptions): ReadonlyArray<ScalePoint> => {
  const { overHosts, overBytes, huge, oneSeeder } = seriesOf(options)
  return [
    ...new Map(
      [...overHosts, ...overBytes, huge, ...oneSeeder].map((point) => [keyOf(point), point])
    ).values()
  ]
}

/** The most virtual time of a flash crowd: a multiple of its bound, and this in addition. */
const patience = 20
const patienceBeside: Micros = 60_000_000

export const crowdAt = (point: ScalePoint, options: ScaleOptions, seed: number): FlashCrowd => {
  const { bytes } = point
  const spec: FlashCrowd = {
    seed,
    agents: point.agents,
    origins: point.origins,
    trackers: options.trackers,
    blobs: [{ name: "scale", length: bytes, pieceLength: choosePieceLength(bytes) }],
    links: { model: options.links, rate: options.rate, burst: 0, latency: options.latency },
    patience: 0
  }
  return { ...spec, patience: Math.ceil(boundOf(spec).seconds * 1e6 * patience) + patienceBeside }
}

/** The measurement of a point over all seeds: the worst of each percentile. */
export interface MeasuredPoint extends ScalePoint {
  readonly times: Times
  readonly copiesUntilOutside: number
  /** Share of its line rate that the slowest host got, with start and end. */
  readonly lineShare: number
}

const worst = (left: Times, right: Times): Times => {
  const of = (key: "p50_s" | "p99_s" | "p999_s" | "max_s"): number => Math.max(left[key], right[key])
  const ratio = (key: keyof Times["ratio"]): number => Math.max(left.ratio[key], right.ratio[key])
  return {
    p50_s: of("p50_s"),
    p99_s: of("p99_s"),
    p999_s: of("p999_s"),
    max_s: of("max_s"),
    bound_s: left.bound_s,
    ratio: { p50: ratio("p50"), p99: ratio("p99"), p999: ratio("p999"), max: ratio("max") }
  }
}

/** Finds the measurement of a point. `outcomes` are in the order of the points, the seeds of each together. */
export const measuredAt = (
  options: ScaleOptions,
  seeds: number,
  outcomes: ReadonlyArray<PointOutcome>
): ((point: ScalePoint) => MeasuredPoint) => {
  const byKey = new Map(
    pointsOf(options).map((point, index) => {
      const runs = outcomes.slice(index * seeds, (index + 1) * seeds)
      const times = runs.map((run) => run.times).reduce(worst)
      const copiesUntilOutside = Math.max(...runs.map((run) => run.copiesUntilOutside))
      const lineShare = point.bytes / options.rate / times.max_s
      return [keyOf(point), { ...point, times, copiesUntilOutside, lineShare }] as const
    })
  )
  return (point) => {
    const found = byKey.get(keyOf(point))
    invariant(found !== undefined, `scale: ${labelOf(point)} is measured`)
    return found
  }
}
