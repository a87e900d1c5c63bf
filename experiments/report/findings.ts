// Looks into what a report found, for the words of its answer. What an answer needs is there in every result that its
// experiment gave; where it is not, the result is of another version, and the lookup says so by a broken invariant.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Findings, Times } from "./result.ts"

/** Completion times of single blobs of a strategy. */
export const blobTimes = ({ strategies }: Findings, strategy: string): Times => {
  const times = strategies[strategy]?.blob
  invariant(times !== undefined, `the result holds the blob times of "${strategy}"`)
  return times
}

/** The value of a figure. */
export const figureValue = ({ figures }: Findings, name: string): number => {
  const figure = figures[name]
  invariant(figure !== undefined, `the result holds the figure ${name}`)
  return figure.value
}

/** A share of 1 as people write it, to a tenth of a percent: "83.1 %". */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
