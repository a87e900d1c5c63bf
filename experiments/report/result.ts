// Form of result.json: the findings of a run and the request that gives them again, by a schema, in canonical bytes.
// Invariants: keys are in the order of the schema, and inside records in that of the experiment; numbers are rounded to
// six decimals; so equal results are equal bytes. Wall time, memory and the machine are not in it.

import { Schema } from "effect"
import { ascending, quantile } from "./quantiles.ts"

const Seconds = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

export const Times = Schema.Struct({
  p50_s: Seconds,
  p99_s: Seconds,
  p999_s: Seconds,
  max_s: Seconds,
  /** Seconds of the bound of the report. */
  bound_s: Seconds,
  /** Each of the times above, divided by bound_s. */
  ratio: Schema.Struct({ p50: Seconds, p99: Seconds, p999: Seconds, max: Seconds })
})
export type Times = typeof Times.Type

/** Completion times of whole images, of single blobs, or both. */
export const StrategyResult = Schema.Struct({
  image: Schema.optionalKey(Times),
  blob: Schema.optionalKey(Times)
})
export type StrategyResult = typeof StrategyResult.Type

export const Figure = Schema.Struct({
  value: Schema.Finite,
  /** "" for a count or a ratio. */
  unit: Schema.String,
  meaning: Schema.NonEmptyString
})
export type Figure = typeof Figure.Type

export const Table = Schema.Struct({
  title: Schema.NonEmptyString,
  /** What the table shows; may be "". */
  caption: Schema.String,
  columns: Schema.Array(Schema.String),
  /** One text or number per column. */
  rows: Schema.Array(Schema.Array(Schema.Union([Schema.String, Schema.Finite])))
})
export type Table = typeof Table.Type

export const Result = Schema.Struct({
  experiment: Schema.NonEmptyString,
  question: Schema.NonEmptyString,
  answer: Schema.NonEmptyString,
  /** Canonical text, as typed after --key. */
  options: Schema.Record(Schema.String, Schema.String),
  /** As typed after --seed: "3", "1-5", "1,4,9". */
  seeds: Schema.NonEmptyString,
  /** That of the only cell, or the hash over those of all cells in their order. */
  trace_hash: Schema.NonEmptyString,
  bound: Schema.optionalKey(Schema.NonEmptyString),
  /** By strategy, or by strategy and variant. */
  strategies: Schema.Record(Schema.String, StrategyResult),
  figures: Schema.Record(Schema.String, Figure),
  tables: Schema.optionalKey(Schema.Array(Table)),
  /** NAME.svg and NAME.vl.json beside a full report. The first is the main chart. */
  charts: Schema.Array(
    Schema.Struct({
      name: Schema.NonEmptyString,
      title: Schema.NonEmptyString,
      caption: Schema.String
    })
  )
})
export type Result = typeof Result.Type

/** The numbers of a result, from which its answer is worded. */
export type Findings = Pick<Result, "seeds" | "strategies" | "figures" | "tables">

const decimals = 1e6

/** Rounds to six decimals: microseconds where the unit is seconds. */
export const rounded = (value: number): number => Math.round(value * decimals) / decimals

const roundAll = (value: unknown): unknown => {
  if (typeof value === "number") return rounded(value)
  if (Array.isArray(value)) return value.map(roundAll)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, roundAll(inner)]))
}

/** The same plain data with every number rounded, as result.json keeps it. */
export const withRoundedNumbers = <A>(value: A): A => roundAll(value) as A

/** JSON with rounded numbers, an indent of two blanks and a final newline. */
export const canonicalJson = (value: unknown): string =>
  `${JSON.stringify(withRoundedNumbers(value), undefined, 2)}\n`

const encodeResult = Schema.encodeSync(Result)

/** The bytes of result.json. Throws when the result does not fit its schema, which is a defect of the experiment. */
export const resultText = (result: Result): string => canonicalJson(encodeResult(result))

/** Reads result.json; an unknown key is refused. */
export const decodeResult = (text: string) =>
  Schema.decodeUnknownEffect(Schema.fromJsonString(Result))(text, { onExcessProperty: "error" })

/** Compares completion times, in any order, with a bound; all in seconds. */
export const timesAgainst = (bound: number, completions: ReadonlyArray<number>): Times => {
  const sorted = ascending(completions)
  const p50 = quantile(sorted, 500)
  const p99 = quantile(sorted, 990)
  const p999 = quantile(sorted, 999)
  const max = quantile(sorted, 1000)
  return {
    p50_s: p50,
    p99_s: p99,
    p999_s: p999,
    max_s: max,
    bound_s: bound,
    ratio: { p50: p50 / bound, p99: p99 / bound, p999: p999 / bound, max: max / bound }
  }
}
