// What a value of a rule does to the slowest host, and what two values do together beyond what each does alone: ratios
// of the runs of equal seeds, and whether they count. Pure.
//
// Seeds alone differ by some per cent, so an effect counts only when every seed shows it in the same direction and the
// median is noticeable. Of five seeds without any effect, one value in sixteen has five equal directions.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import { ascending, quantile } from "../report/quantiles.ts"

/** An effect on the slowest host as a share of its time: 0.05 is 5 % later. */
export interface Effect {
  /** Median over the seeds. */
  readonly median: number
  /** Whether all seeds show it in the same direction, and it is noticeable. */
  readonly counts: boolean
}

/** Smaller effects of one value do not count. */
export const noticeable = 0.01

/** Smaller effects of two values beyond those of each do not count: four runs of a seed are in them instead of two. */
const noticeableTogether = 0.02

const effectOf = (shares: ReadonlyArray<number>, least: number): Effect => {
  const median = quantile(ascending(shares), 500)
  const sameWay = shares.every((share) => share > 0) || shares.every((share) => share < 0)
  return { median, counts: sameWay && Math.abs(median) >= least }
}

const bySeed = (times: ReadonlyArray<number>, seed: number): number => {
  const time = times[seed]
  invariant(time !== undefined && time > 0, "policies: every setting ran on every seed")
  return time
}

/** The effect of a value. Times are those of the slowest host, by seed. */
export const effectAlone = (times: ReadonlyArray<number>, base: ReadonlyArray<number>): Effect =>
  effectOf(
    base.map((time, seed) => bySeed(times, seed) / time - 1),
    noticeable
  )

/** The effect of two values beyond that of each alone, which would multiply: 0 when the two are independent. */
export const effectBeyond = (
  both: ReadonlyArray<number>,
  alone: readonly [ReadonlyArray<number>, ReadonlyArray<number>],
  base: ReadonlyArray<number>
): Effect =>
  effectOf(
    base.map(
      (time, seed) => (bySeed(both, seed) * time) / (bySeed(alone[0], seed) * bySeed(alone[1], seed)) - 1
    ),
    noticeableTogether
  )
