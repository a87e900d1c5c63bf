// The answer of policies in words: how many rules ship with their best value, which do not, and what ships reaches.
// Pure.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import { figureValue, percent } from "../report/findings.ts"
import type { Findings, Table } from "../report/result.ts"
import { type Factor, factorsOf, type PolicyOptions, pieceFactor } from "./policies-factors.ts"
import { copiesAim } from "./policies-figures.ts"

/** The column by which values are compared: seconds until the slowest host is done, "median / worst seed". */
export const slowestColumn = "slowest s"

/** What marks the row of the value that every other factor runs with. */
export const baseMark = "base"

/** Smaller differences count as none: seeds alone differ by more. */
const noticeable = 0.001

/** How much sooner the slowest host is done with a factor's best value than with the base, by the median seed. */
const gainOf = ({ title }: Factor, tables: ReadonlyArray<Table>): number => {
  const table = tables.find((known) => known.title === title)
  const base = table?.rows.find((row) => row.includes(baseMark))
  invariant(table !== undefined && base !== undefined, `the result holds the table "${title}" with its base`)
  const column = table.columns.indexOf(slowestColumn)
  const medianOf = (row: Table["rows"][number]): number => Number.parseFloat(String(row[column]))
  return 1 - Math.min(...table.rows.map(medianOf)) / medianOf(base)
}

/** The length of pieces is no rule: its base is an option. */
const rulesAnswer = (options: PolicyOptions, tables: ReadonlyArray<Table>): ReadonlyArray<string> => {
  const rules = factorsOf(options).filter(({ name }) => name !== pieceFactor)
  const better = rules
    .map((factor) => ({ name: factor.name, gain: gainOf(factor, tables) }))
    .filter(({ gain }) => gain >= noticeable)
  if (rules.length === 0) return []
  if (better.length === 0) return ["Every rule ships with its best value, by the slowest host."]
  const most = Math.max(...better.map(({ gain }) => gain))
  const best = rules.length - better.length
  return [
    `${best} of ${rules.length} rules ${best === 1 ? "ships with its" : "ship with their"} best value.`,
    `Other values make the slowest host at most ${percent(most)} faster: ${better.map(({ name }) => name).join(", ")}.`
  ]
}

export const answerOf = (options: PolicyOptions, findings: Findings): string => {
  const confirmed = options.confirm > 0
  const value = (name: string) => figureValue(findings, `${confirmed ? "confirmed" : "shipped"}_${name}`)
  const hosts = confirmed ? `${options["confirm-agents"]} hosts on unseen seeds` : `${options.agents} hosts`
  return [
    ...rulesAnswer(options, findings.tables ?? []),
    `What ships takes ${value("p50").toFixed(3)} times the bound at the median and ${value("max").toFixed(3)} at the slowest ` +
      `of ${hosts}; the aim of ${copiesAim} copies is ${value("copies") > copiesAim ? "missed" : "met"}.`
  ].join(" ")
}
