// What is kept of a run of the experiment `policies`, and how the runs of several seeds become the figures of one
// value. Pure.

import type { CellOutcome } from "../engine/experiment.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { CrowdOutcome, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import { type Times, timesAgainst } from "../report/result.ts"
import { type Factor, type PolicyOptions, type Value, variantIndex, variantsOf } from "./policies-factors.ts"

/** The aim: copies of the blob that origins have sent, at most, when every piece exists outside. */
export const copiesAim = 1.1

export interface PolicyOutcome extends CellOutcome {
  readonly times: Times
  /** Copies of the blob that origins had sent when every piece was stored by at least one agent. */
  readonly copiesUntilOutside: number
  readonly rejectsPerPiece: number
  readonly duplicatesPerPiece: number
}

export const outcomeOf = (spec: FlashCrowd, outcome: CrowdOutcome): PolicyOutcome => {
  const { traceHash, events, completions, allOutside, counts, pieceTransfers } = outcome
  return {
    traceHash,
    events,
    times: timesAgainst(
      boundOf(spec).seconds,
      completions.map((at) => at / 1e6)
    ),
    copiesUntilOutside: allOutside.sentByOrigins / spec.blobs[0].length,
    rejectsPerPiece: (counts.rejects_received ?? 0) / pieceTransfers,
    duplicatesPerPiece: (counts.duplicate_pieces ?? 0) / pieceTransfers
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
  /** The run whose slowest host took longest. */
  readonly worstTimes: Times
}

export interface MeasuredValue extends Value, MeasuredRuns {}

export interface MeasuredFactor extends Omit<Factor, "values"> {
  readonly values: ReadonlyArray<MeasuredValue>
}

const spreadOf = (values: ReadonlyArray<number>): Spread => {
  const sorted = ascending(values)
  return { median: quantile(sorted, 500), worst: quantile(sorted, 1000) }
}

/** Summary of the runs of one setting, one per seed. */
export const summaryOf = (runs: ReadonlyArray<PolicyOutcome>): MeasuredRuns => {
  const spread = (of: (run: PolicyOutcome) => number): Spread => spreadOf(runs.map(of))
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
    worstTimes: runs
      .map(({ times }) => times)
      .reduce((left, right) => (right.max_s > left.max_s ? right : left))
  }
}

/** The factors with the figures of their values. `outcomes` are those of the variants, the seeds of each together. */
export const measuredFactors = (
  options: PolicyOptions,
  factors: ReadonlyArray<Factor>,
  seeds: number,
  outcomes: ReadonlyArray<PolicyOutcome>
): ReadonlyArray<MeasuredFactor> => {
  const variants = variantsOf(options)
  const summaryOfVariant = (index: number): MeasuredRuns =>
    summaryOf(outcomes.slice(index * seeds, (index + 1) * seeds))
  return factors.map((factor) => ({
    ...factor,
    values: factor.values.map((value) => ({ ...value, ...summaryOfVariant(variantIndex(variants, value)) }))
  }))
}
