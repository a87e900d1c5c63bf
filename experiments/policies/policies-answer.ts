// The answer of policies in words: which rules matter, which pairs matter together, and whether what ships is best on
// every model of links. Pure.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Findings, Table } from "../report/result.ts"
import { noticeable } from "./policies-effects.ts"
import type { PolicyOptions } from "./policies-factors.ts"
import { columnOf, pairsTitle, rulesTitle, yes } from "./policies-tables.ts"

type Row = Table["rows"][number]

/** A table by its title, and how to read its cells. Without rows when the result has no such table. */
const tableOf = ({ tables = [] }: Findings, title: string) => {
  const table = tables.find((known) => known.title === title)
  const cell = (row: Row, column: string): string | number => {
    const value = row[table?.columns.indexOf(column) ?? -1]
    invariant(value !== undefined, `the table "${title}" has the column "${column}"`)
    return value
  }
  return {
    rows: table?.rows ?? [],
    text: (row: Row, column: string): string => String(cell(row, column)),
    number: (row: Row, column: string): number => Number(cell(row, column))
  }
}

/** Few enough for a sentence of thirty words. */
const mostNames = 5

const listed = (names: ReadonlyArray<string>): string =>
  names.length <= mostNames
    ? names.join(", ")
    : `${names.slice(0, mostNames - 1).join(", ")} and ${names.length - mostNames + 1} others`

const percent = (value: number): string => `${Math.abs(value).toFixed(1)} %`

const whatMatters = (rules: ReturnType<typeof tableOf>, links: string): string => {
  const worst = (row: Row): number => rules.number(row, columnOf.worst(links))
  const harmful = rules.rows
    .filter((row) => worst(row) >= 100 * noticeable)
    .sort((left, right) => worst(right) - worst(left))
    .slice(0, 3)
  const [first, ...others] = harmful
  if (first === undefined) return `On ${links} links no rule matters: no other value is noticeably slower.`
  const following = others.map((row) => `${rules.text(row, "rule")} (${percent(worst(row))})`)
  return (
    `On ${links} links ${rules.text(first, "rule")} matters most: a wrong value makes the slowest host ` +
    `${percent(worst(first))} slower` +
    (following.length === 0
      ? "."
      : `; ${following.join(" and ")} ${following.length === 1 ? "follows" : "follow"}.`)
  )
}

const whatMattersTogether = (pairs: ReturnType<typeof tableOf>, links: string): string => {
  const beyond = (row: Row): number => pairs.number(row, columnOf.beyond(links))
  const counting = pairs.rows
    .filter((row) => pairs.text(row, columnOf.counts(links)) === yes)
    .sort((left, right) => Math.abs(beyond(right)) - Math.abs(beyond(left)))
  const [first] = counting
  const count = pairs.rows.length
  if (first === undefined) return `None of ${count} pairs of rules does more or less together than alone.`
  return (
    `${counting.length} of ${count} pairs ${counting.length === 1 ? "does" : "do"} more or less together than alone, ` +
    `most of all ${pairs.text(first, "pair")}: ${percent(beyond(first))} ${beyond(first) > 0 ? "slower" : "faster"}.`
  )
}

const whatIsBest = (rules: ReturnType<typeof tableOf>, models: ReadonlyArray<string>): string => {
  const where = models.length === 1 ? "" : " on both models"
  const count = rules.rows.length
  const better = rules.rows.flatMap((row) => {
    const on = models.filter((links) => rules.text(row, columnOf.isBetter(links)) === yes)
    if (on.length === 0) return []
    const gain = Math.max(...on.map((links) => -rules.number(row, columnOf.best(links))))
    const name = rules.text(row, "rule")
    return [{ name: on.length === models.length ? name : `${name} (${on.join(", ")})`, gain }]
  })
  if (better.length === 0) return `No value of ${count} rules is better than the shipped one${where}.`
  const best = count - better.length
  const most = Math.max(...better.map(({ gain }) => gain))
  return (
    `${best} of ${count} rules ${best === 1 ? "ships with its" : "ship with their"} best value${where}; ` +
    `${listed(better.map(({ name }) => name))} would gain, at most ${percent(most)}.`
  )
}

export const answerOf = ({ links }: PolicyOptions, findings: Findings): string => {
  const [rules, pairs] = [tableOf(findings, rulesTitle), tableOf(findings, pairsTitle)]
  const [first] = links
  invariant(first !== undefined, "policies: there is a model of links")
  return [
    ...(rules.rows.length === 0 ? [] : [whatMatters(rules, first)]),
    ...(pairs.rows.length === 0 ? [] : [whatMattersTogether(pairs, first)]),
    whatIsBest(rules, links)
  ].join(" ")
}
