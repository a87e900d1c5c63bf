// Pairs of rules that the experiment policies varies together: for every two of some factors, each of two values of the
// one with each of two values of the other. Together with the runs of the single values they say whether two rules do
// more, or less, together than alone. Plain data.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import { type Factor, factorsOf, type PolicyOptions, type Setting, type Value } from "./policies-factors.ts"

/** The factors that can be in pairs, with the values that they have there: one on either side where there are two. */
const inPairs: Readonly<Record<string, readonly [string, string]>> = {
  degree: ["5, 7", "12, 14"],
  "at-once": ["3", "8"],
  neighbour: ["1", "3"],
  "at-first": ["2", "5"],
  behind: ["1", "16"],
  backoff: ["4ms", "16ms"],
  have: ["0us", "20ms"]
}

/** Names of the factors that can be in pairs. */
export const pairNames: ReadonlyArray<string> = Object.keys(inPairs)

/** The pairs of the options when nothing else is given: the rules of who is asked for how much, and who is served. */
export const shippedPairs: ReadonlyArray<string> = ["degree", "at-once", "neighbour", "at-first", "behind"]

/** One value of a factor with one of another. */
export interface PairValue extends Setting {
  /** "at-once 3 with neighbour 1". */
  readonly label: string
  /** The two factors, "at-once with neighbour". */
  readonly pair: string
  readonly alone: readonly [Setting, Setting]
}

const valuesOf = ({ name, values }: Factor): ReadonlyArray<Value> =>
  inPairs[name]!.map((label) => {
    const value = values.find((known) => known.label === label)
    invariant(
      value !== undefined && !value.isBase,
      `policies: ${name} has the value ${label}, which does not ship`
    )
    return value
  })

/** All pairs of values, those of two factors together. */
export const pairsOf = ({
  pairs,
  piece
}: Pick<PolicyOptions, "pairs" | "piece">): ReadonlyArray<PairValue> => {
  const factors = factorsOf({ factors: pairs, piece })
  return factors.flatMap((first, index) =>
    factors.slice(index + 1).flatMap((second) =>
      valuesOf(first).flatMap((left) =>
        valuesOf(second).map((right) => ({
          label: `${first.name} ${left.label} with ${second.name} ${right.label}`,
          pair: `${first.name} with ${second.name}`,
          parameters: { ...left.parameters, ...right.parameters },
          pieceLength: piece,
          alone: [left, right] as const
        }))
      )
    )
  )
}
