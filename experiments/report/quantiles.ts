// Percentiles by nearest rank. Of n sorted values, the q-quantile is the one at rank ceil(q * n), counted from 1:
// always a measured value, never an interpolation. Of 1,000 hosts p99.9 is the second slowest; of fewer than 1,000 it
// is the slowest.

import { invariant } from "../../src/protocol/kit/invariant.ts"

/** A copy in ascending order. */
export const ascending = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...values].sort((left, right) => left - right)

/**
 * The value at nearest rank. `sorted` is ascending and not empty. The quantile is given as a whole number of
 * thousandths (500 is the median), so that the rank is computed in integers.
 */
export const quantile = (sorted: ReadonlyArray<number>, thousandths: number): number => {
  invariant(thousandths > 0 && thousandths <= 1000, `quantile ${thousandths} of 1000`)
  const value = sorted[Math.ceil((thousandths * sorted.length) / 1000) - 1]
  invariant(value !== undefined, "quantile of no values")
  return value
}
