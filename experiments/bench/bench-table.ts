// Decides how the costs of waves are told: medians over the runs, how they grow beside the work, and whether a promise
// is kept; as lines of text in columns. Pure.

import { ascending, quantile } from "../report/quantiles.ts"
import type { BenchPoint } from "./bench-points.ts"

/** What one run took. */
export interface BenchCost {
  /** Wall time of the wave. */
  readonly seconds: number
  /** Bytes: the most that the process ever had. */
  readonly memory: number
  readonly events: number
  /** Pieces that agents stored. */
  readonly transfers: number
}

export interface BenchedPoint {
  readonly point: BenchPoint
  /** One a run. */
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

/** Columns side by side, the first to the left, the others to the right. */
export const alignedLines = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
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

/** How much more than its share of the work a point costs beside the first of its row: 1 is linear, less is better. */
export const overLinear = (
  first: BenchCost,
  cost: BenchCost
): { readonly time: number; readonly memory: number } => {
  const work = cost.transfers / first.transfers
  return { time: cost.seconds / first.seconds / work, memory: cost.memory / first.memory / work }
}

/** A row of points of which each has more work than the one before. */
export const growthLines = (title: string, row: ReadonlyArray<BenchedPoint>): ReadonlyArray<string> => {
  const first = medianCost(row[0]!)
  return [
    title,
    ...alignedLines([
      ["", ...costHeads, "time over linear", "memory over linear"],
      ...row.map((benched) => {
        const cost = medianCost(benched)
        const over = overLinear(first, cost)
        return [benched.point.label, ...costCells(cost), over.time.toFixed(2), over.memory.toFixed(2)]
      })
    ])
  ]
}

/** What a promise says, and whether this cost keeps it. */
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

/** A line for each point that a speed is promised for. */
export const promiseLines = (benched: ReadonlyArray<BenchedPoint>): ReadonlyArray<string> => [
  "What is promised, one run each",
  ...alignedLines([
    ["", ...costHeads, "promise"],
    ...benched.map((one) => {
      const cost = medianCost(one)
      return [one.point.label, ...costCells(cost), verdictOf(one.point, cost)]
    })
  ])
]
