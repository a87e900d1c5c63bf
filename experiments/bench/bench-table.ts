// Tables of the costs of flash crowds as lines of text in columns: medians over the runs, their growth relative to the
// work, and whether a promise is kept. Pure.

import { ascending, quantile } from "../report/quantiles.ts"
import type { BenchPoint } from "./bench-points.ts"

/** The cost of one run. */
export interface BenchCost {
  /** Wall time of the flash crowd. */
  readonly seconds: number
  /** Peak memory of the process in bytes. */
  readonly memory: number
  readonly events: number
  /** Pieces that agents stored. */
  readonly transfers: number
}

export interface BenchedPoint {
  readonly point: BenchPoint
  /** One per run. */
  readonly costs: ReadonlyArray<BenchCost>
}

const median = (values: ReadonlyArray<number>): number => quantile(ascending(values), 500)

const medianCost = ({ costs }: BenchedPoint): BenchCost => {
  const of = (key: keyof BenchCost): number => median(costs.map((cost) => cost[key]))
  return { seconds: of("seconds"), memory: of("memory"), events: of("events"), transfers: of("transfers") }
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
const thousands = (value: number): string => `${Math.round(value / 1000)} k`
const millions = (value: number): string => `${(value / 1e6).toFixed(2)} M`

/** Columns side by side, the first aligned to the left, the others to the right. */
export const alignedLines = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widthOf = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widthOf(column)) : cell.padStart(widthOf(column))))
      .join("  ")
      .trimEnd()
  )
}

const costHeads = ["transfers", "wall", "transfers/s", "peak memory", "events", "events/s"]

const costCells = ({ seconds, memory, events, transfers }: BenchCost): ReadonlyArray<string> => [
  thousands(transfers),
  `${seconds.toFixed(2)} s`,
  thousands(transfers / seconds),
  mebibytes(memory),
  millions(events),
  `${millions(events / seconds)}`
]

/** The cost of a point over its share of the work, relative to the first of its row: 1 is linear, less is better. */
export const overLinear = (
  first: BenchCost,
  cost: BenchCost
): { readonly time: number; readonly memory: number } => {
  const work = cost.transfers / first.transfers
  return { time: cost.seconds / first.seconds / work, memory: cost.memory / first.memory / work }
}

/** The table of a row of points, each with more work than the one before. */
export const growthLines = (title: string, row: ReadonlyArray<BenchedPoint>): ReadonlyArray<string> => {
  const costs = row.map(medianCost)
  return [
    title,
    ...alignedLines([
      ["", ...costHeads, "time over linear", "memory over linear"],
      ...row.map((benched) => {
        const cost = medianCost(benched)
        const over = overLinear(costs[0] ?? cost, cost)
        return [benched.point.label, ...costCells(cost), over.time.toFixed(2), over.memory.toFixed(2)]
      })
    ])
  ]
}

/** The promise of a point, and whether this cost keeps it. */
export const verdictOf = ({ limit = {} }: BenchPoint, { seconds, memory }: BenchCost): string => {
  const told = [
    ...(limit.seconds === undefined ? [] : [`${limit.seconds} s`]),
    ...(limit.memory === undefined ? [] : [mebibytes(limit.memory)])
  ]
  const isKept =
    seconds <= (limit.seconds ?? Number.POSITIVE_INFINITY) &&
    memory <= (limit.memory ?? Number.POSITIVE_INFINITY)
  return told.length === 0 ? "completes: yes" : `at most ${told.join(", ")}: ${isKept ? "kept" : "NOT KEPT"}`
}

/** The table of the points with a promised speed. */
export const promiseLines = (benched: ReadonlyArray<BenchedPoint>): ReadonlyArray<string> => [
  "Promised sizes, one run each",
  ...alignedLines([
    ["", ...costHeads, "promise"],
    ...benched.map(({ point, costs }) => {
      const cost = medianCost({ point, costs })
      return [point.label, ...costCells(cost), verdictOf(point, cost)]
    })
  ])
]
