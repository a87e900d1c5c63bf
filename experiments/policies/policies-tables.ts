// Tables of the experiment policies. The first two are what the answer is worded from: which rule matters, and which
// pairs matter together. Pure.

import type { Figure, Table } from "../report/result.ts"
import type { Effect } from "./policies-effects.ts"
import { pieceFactor } from "./policies-factors.ts"
import {
  copiesAim,
  type MeasuredFactor,
  type MeasuredPair,
  type MeasuredRuns,
  type MeasuredSweep,
  type MeasuredValue,
  type Spread
} from "./policies-figures.ts"

/** Marks the row of the value that every other factor runs with. */
export const baseMark = "base"

/** Marks an effect that counts. */
export const yes = "yes"

export const rulesTitle = "Every rule"
export const pairsTitle = "Every pair of rules"

/** Columns of the first two tables, of a model of links. Effects are percent of the time of the slowest host. */
export const columnOf = {
  worst: (links: string) => `${links}: worst %`,
  best: (links: string) => `${links}: best %`,
  isBetter: (links: string) => `${links}: better`,
  beyond: (links: string) => `${links}: beyond alone %`,
  counts: (links: string) => `${links}: counts`
} as const

const percentOf = ({ median }: Effect): number => Math.round(1000 * median) / 10

const extreme = <Of>(all: ReadonlyArray<Of>, over: (one: Of) => number): Of =>
  all.reduce((most, one) => (over(one) > over(most) ? one : most))

const othersOf = ({ values }: MeasuredFactor): ReadonlyArray<MeasuredValue> =>
  values.filter(({ isBase }) => !isBase)

/** The value that the slowest host likes best: one that counts as better, or the best of those that do not. */
const bestOf = (factor: MeasuredFactor): MeasuredValue => {
  const others = othersOf(factor)
  const better = others.filter(({ effect }) => effect.counts && effect.median < 0)
  return extreme(better.length > 0 ? better : others, ({ effect }) => -effect.median)
}

export const rulesTable = (sweeps: ReadonlyArray<MeasuredSweep>): Table => ({
  title: rulesTitle,
  caption:
    "For each rule and model of links the other values that are worst and best for the slowest host, and what they do " +
    "to its time, by the median over the seeds. Better says that every seed is faster and the median by 1 % or more.",
  columns: [
    "rule",
    "ships",
    ...sweeps.flatMap(({ links }) => [
      `${links}: worst value`,
      columnOf.worst(links),
      `${links}: best other`,
      columnOf.best(links),
      columnOf.isBetter(links)
    ])
  ],
  rows: (sweeps[0]?.factors ?? []).flatMap(({ name, values }, index) =>
    name === pieceFactor
      ? []
      : [
          [
            name,
            values.find(({ isBase }) => isBase)?.label ?? "",
            ...sweeps.flatMap(({ factors }) => {
              const factor = factors[index]!
              const worst = extreme(othersOf(factor), ({ effect }) => effect.median)
              const best = bestOf(factor)
              const isBetter = best.effect.counts && best.effect.median < 0
              return [
                worst.label,
                percentOf(worst.effect),
                best.label,
                percentOf(best.effect),
                isBetter ? yes : ""
              ]
            })
          ]
        ]
  )
})

/** The combination of a pair that does most beyond its values alone, those that count first. */
const strongestOf = (own: ReadonlyArray<MeasuredPair>): MeasuredPair => {
  const counting = own.filter(({ beyond }) => beyond.counts)
  return extreme(counting.length > 0 ? counting : own, ({ beyond }) => Math.abs(beyond.median))
}

export const pairsTable = (sweeps: ReadonlyArray<MeasuredSweep>): Table => ({
  title: pairsTitle,
  caption:
    "Of four combinations of values of two rules, the one that does most beyond what its values do alone (which would " +
    "multiply), as percent of the time of the slowest host: above 0 they hurt each other, below they help. It counts " +
    "when every seed shows the same direction and the median 2 % or more. The last columns are the best combination, " +
    "compared with what ships.",
  columns: [
    "pair",
    ...sweeps.flatMap(({ links }) => [
      `${links}: values`,
      columnOf.beyond(links),
      columnOf.counts(links),
      `${links}: best combination`,
      columnOf.best(links)
    ])
  ],
  rows: [...new Set((sweeps[0]?.pairs ?? []).map(({ pair }) => pair))].map((pair) => [
    pair,
    ...sweeps.flatMap(({ pairs }) => {
      const own = pairs.filter((known) => known.pair === pair)
      const strongest = strongestOf(own)
      const best = extreme(own, ({ effect }) => -effect.median)
      return [
        strongest.label,
        percentOf(strongest.beyond),
        strongest.beyond.counts ? yes : "",
        best.label,
        percentOf(best.effect)
      ]
    })
  ])
})

const spreadCell = ({ median, worst }: Spread): string => `${median.toFixed(3)} / ${worst.toFixed(3)}`

const runColumns = [
  "p50 ratio",
  "p99 ratio",
  "p99.9 ratio",
  "slowest ratio",
  "slowest s",
  "copies until outside",
  "rejects a piece",
  "duplicates a piece",
  "uplink carried"
]

const cellsOf = (runs: MeasuredRuns): ReadonlyArray<string> =>
  [
    runs.ratios.p50,
    runs.ratios.p99,
    runs.ratios.p999,
    runs.ratios.max,
    runs.slowest,
    runs.copies,
    runs.rejects,
    runs.duplicates,
    runs.uplinkCarried
  ].map(spreadCell)

/** Every value of a factor, on each model in turn. */
export const factorTable = (sweeps: ReadonlyArray<MeasuredSweep>, index: number): Table => ({
  title: sweeps[0]!.factors[index]!.title,
  caption:
    "Median over the seeds / worst seed. The base is the value that all other factors run with: the shipped one, " +
    "in pieces of the option. The effect is on the slowest host.",
  columns: ["value", "links", "", ...runColumns, "effect %"],
  rows: sweeps.flatMap(({ links, factors }) =>
    factors[index]!.values.map((value) => [
      value.label,
      links,
      value.isBase ? baseMark : "",
      ...cellsOf(value),
      value.isBase ? "" : percentOf(value.effect)
    ])
  )
})

export interface Hosts {
  readonly sweep: string
  readonly confirmed: string
}

export const shippedTable = (sweeps: ReadonlyArray<MeasuredSweep>, hosts: Hosts): Table => ({
  title: "What ships",
  caption: "Median over the seeds / worst seed.",
  columns: ["hosts", "links", ...runColumns],
  rows: sweeps.flatMap(({ links, shipped, confirmed }) => [
    [hosts.sweep, links, ...cellsOf(shipped)],
    ...(confirmed === undefined ? [] : [[hosts.confirmed, links, ...cellsOf(confirmed)]])
  ])
})

/** Figures of what ships on one model. */
export const runFigures = (
  prefix: string,
  who: string,
  runs: MeasuredRuns
): Readonly<Record<string, Figure>> => ({
  [`${prefix}_p50`]: {
    value: runs.ratios.p50.median,
    unit: "",
    meaning: `Median host over the bound, ${who}.`
  },
  [`${prefix}_p999`]: { value: runs.ratios.p999.median, unit: "", meaning: `p99.9 over the bound, ${who}.` },
  [`${prefix}_max`]: {
    value: runs.ratios.max.median,
    unit: "",
    meaning: `Slowest host over the bound, ${who}.`
  },
  [`${prefix}_max_worst_seed`]: {
    value: runs.ratios.max.worst,
    unit: "",
    meaning: `Slowest host of the worst seed over the bound, ${who}.`
  },
  [`${prefix}_copies`]: {
    value: runs.copies.worst,
    unit: "copies",
    meaning: `Copies that origins had sent when every piece was outside, worst seed, ${who}; the aim is ${copiesAim}.`
  }
})
