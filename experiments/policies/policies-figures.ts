// What is kept of a run of the experiment `policies`, and how the runs of several seeds become the figures of one
// value, and of one pair, on each model of links. Pure.

import type { CellOutcome } from "../engine/experiment.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { CrowdOutcome, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import { type Times, timesAgainst } from "../report/result.ts"
import { type Effect, effectAlone, effectBeyond } from "./policies-effects.ts"
import { type Factor, factorsOf, type PolicyOptions, type Setting, type Value } from "./policies-factors.ts"
import { type PairValue, pairsOf } from "./policies-pairs.ts"
import { variantIndex, variantsOf } from "./policies-variants.ts"

/** The aim: copies of the blob that origins have sent, at most, when every piece exists outside. */
export const copiesAim = 1.1

export interface PolicyOutcome extends CellOutcome {
  readonly times: Times
  /** Copies of the blob that origins had sent when every piece was stored by at least one agent. */
  readonly copiesUntilOutside: number
  readonly rejectsPerPiece: number
  readonly duplicatesPerPiece: number
  /** Bytes that the uplink of the median host carried until it was done, over what it could have carried. */
  readonly uplinkCarried: number
}

export const outcomeOf = (spec: FlashCrowd, outcome: CrowdOutcome): PolicyOutcome => {
  const { traceHash, events, completions, allOutside, counts, pieceTransfers, linkUse } = outcome
  return {
    traceHash,
    events,
    times: timesAgainst(
      boundOf(spec).seconds,
      completions.map((at) => at / 1e6)
    ),
    copiesUntilOutside: allOutside.sentByOrigins / spec.blobs[0].length,
    rejectsPerPiece: (counts.rejects_received ?? 0) / pieceTransfers,
    duplicatesPerPiece: (counts.duplicate_pieces ?? 0) / pieceTransfers,
    uplinkCarried: linkUse.uplink.carried.p50
  }
}

/** Median and worst value over the seeds. */
export interface Spread {
  readonly median: number
  readonly worst: number
}

export interface MeasuredRuns {
  /** Times over the bound of the pieces of each value. */
  readonly ratios: {
    readonly p50: Spread
    readonly p99: Spread
    readonly p999: Spread
    readonly max: Spread
  }
  /** Seconds of the slowest host, by which lengths of pieces are compared, since each has a bound of its own. */
  readonly slowest: Spread
  readonly copies: Spread
  readonly rejects: Spread
  readonly duplicates: Spread
  /** Median over the seeds, and the least. */
  readonly uplinkCarried: Spread
  /** The run whose slowest host took longest. */
  readonly worstTimes: Times
}

export interface MeasuredValue extends Value, MeasuredRuns {
  /** On the slowest host, compared with the base. */
  readonly effect: Effect
}

export interface MeasuredFactor extends Omit<Factor, "values"> {
  readonly values: ReadonlyArray<MeasuredValue>
}

export interface MeasuredPair extends PairValue {
  /** On the slowest host, compared with the base. */
  readonly effect: Effect
  /** Beyond what the two values do alone. */
  readonly beyond: Effect
}

/** Everything that was measured on one model of links. */
export interface MeasuredSweep {
  readonly links: string
  readonly shipped: MeasuredRuns
  readonly factors: ReadonlyArray<MeasuredFactor>
  readonly pairs: ReadonlyArray<MeasuredPair>
  /** What ships with more hosts, on seeds that are not in the sweep; absent when no run confirms. */
  readonly confirmed: MeasuredRuns | undefined
}

const spreadOf = (values: ReadonlyArray<number>): Spread => {
  const sorted = ascending(values)
  return { median: quantile(sorted, 500), worst: quantile(sorted, 1000) }
}

/** Summary of the runs of one setting, one per seed. */
const summaryOf = (runs: ReadonlyArray<PolicyOutcome>): MeasuredRuns => {
  const spread = (of: (run: PolicyOutcome) => number): Spread => spreadOf(runs.map(of))
  const carried = spread(({ uplinkCarried }) => -uplinkCarried)
  return {
    ratios: {
      p50: spread(({ times }) => times.ratio.p50),
      p99: spread(({ times }) => times.ratio.p99),
      p999: spread(({ times }) => times.ratio.p999),
      max: spread(({ times }) => times.ratio.max)
    },
    slowest: spread(({ times }) => times.max_s),
    copies: spread(({ copiesUntilOutside }) => copiesUntilOutside),
    rejects: spread(({ rejectsPerPiece }) => rejectsPerPiece),
    duplicates: spread(({ duplicatesPerPiece }) => duplicatesPerPiece),
    uplinkCarried: { median: -carried.median, worst: -carried.worst },
    worstTimes: runs
      .map(({ times }) => times)
      .reduce((left, right) => (right.max_s > left.max_s ? right : left))
  }
}

/**
 * The sweeps of all models. `outcomes` are, for each model, those of the variants with the seeds of each together, and
 * then those that confirm what ships.
 */
export const measuredSweeps = (
  options: PolicyOptions,
  seeds: number,
  outcomes: ReadonlyArray<PolicyOutcome>
): ReadonlyArray<MeasuredSweep> => {
  const variants = variantsOf(options)
  const perModel = variants.length * seeds + options.confirm
  return options.links.map((links, model) => {
    const own = outcomes.slice(model * perModel, (model + 1) * perModel)
    const runsOf = (setting: Setting): ReadonlyArray<PolicyOutcome> => {
      const index = variantIndex(variants, setting)
      return own.slice(index * seeds, (index + 1) * seeds)
    }
    const slowestOf = (setting: Setting): ReadonlyArray<number> =>
      runsOf(setting).map(({ times }) => times.max_s)
    const base = own.slice(0, seeds)
    const baseTimes = base.map(({ times }) => times.max_s)
    const confirming = own.slice(variants.length * seeds)
    return {
      links,
      shipped: summaryOf(base),
      factors: factorsOf(options).map((factor) => ({
        ...factor,
        values: factor.values.map((value) => ({
          ...value,
          ...summaryOf(runsOf(value)),
          effect: effectAlone(slowestOf(value), baseTimes)
        }))
      })),
      pairs: pairsOf(options).map((pair) => ({
        ...pair,
        effect: effectAlone(slowestOf(pair), baseTimes),
        beyond: effectBeyond(slowestOf(pair), [slowestOf(pair.alone[0]), slowestOf(pair.alone[1])], baseTimes)
      })),
      confirmed: confirming.length === 0 ? undefined : summaryOf(confirming)
    }
  })
}
