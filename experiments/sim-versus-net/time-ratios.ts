// How far simulated or predicted times are from measured ones. Pure.

import type { CompletionTimes } from "./measured.ts"

/** The times that were said, over the measured ones. */
export const ratios = (said: CompletionTimes, measured: CompletionTimes): CompletionTimes => ({
  p50_s: said.p50_s / measured.p50_s,
  max_s: said.max_s / measured.max_s
})

/** The larger difference of p50 and maximum from the measured ones, as a share of those. */
export const offBy = (said: CompletionTimes, measured: CompletionTimes): number => {
  const { p50_s, max_s } = ratios(said, measured)
  return Math.max(Math.abs(p50_s - 1), Math.abs(max_s - 1))
}
