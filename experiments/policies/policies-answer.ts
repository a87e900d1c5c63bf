// The answer of policies in words: which rules matter, which pairs matter together, and whether what ships is best on
// every model of links. A rule matters by a range of values: of those that lie on a scale, one that is worse than the
// values on both of its sides says more about itself than about the rule. Pure.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Findings, Table } from "../report/result.ts"
import { noticeable } from "./policies-effects.ts"
import { factorsOf, type PolicyOptions, pieceFactor } from "./policies-factors.ts"
import { baseMark, columnOf, pairsTitle, rulesTitle, yes } from "./policies-tables.ts"

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

interface TriedValue {
  readonly label: string
  /** Percent of the time of the slowest host; 0 for the base. */
  readonly effect: number
  readonly isBase: boolean
}

const isHarmful = ({ effect }: TriedValue): boolean => effect >= 100 * noticeable

/** Whether the values lie on a scale, in the order of the table: all are numbers, with units or without. */
const areOnScale = (values: ReadonlyArray<TriedValue>): boolean =>
  values.every(({ label }) => /^\d/.test(label))

/** The values on one side of the base, the nearest first, from the first one on from which all are harmful. */
const harmfulEnd = (outward: ReadonlyArray<TriedValue>): ReadonlyArray<TriedValue> =>
  outward.slice(outward.findLastIndex((value) => !isHarmful(value)) + 1)

const worstOf = (values: ReadonlyArray<TriedValue>): number =>
  Math.max(0, ...values.map(({ effect }) => effect))

/** The range of values that does most harm; empty when none does. */
const harmfulRange = (values: ReadonlyArray<TriedValue>): ReadonlyArray<TriedValue> => {
  if (!areOnScale(values)) {
    const worst = worstOf(values)
    return values.filter((value) => isHarmful(value) && value.effect === worst).slice(0, 1)
  }
  const base = values.findIndex(({ isBase }) => isBase)
  const above = harmfulEnd(values.slice(base + 1))
  const below = harmfulEnd(values.slice(0, base).reverse()).toReversed()
  return worstOf(above) >= worstOf(below) ? above : below
}

const rangeText = (values: ReadonlyArray<string>): string =>
  values.length === 1 ? (values[0] ?? "") : `${values[0]} to ${values.at(-1)}`

const effectsText = (values: ReadonlyArray<TriedValue>): string => {
  const effects = values.map(({ effect }) => effect).sort((left, right) => left - right)
  const [least, most] = [effects[0] ?? 0, effects.at(-1) ?? 0]
  return least === most ? percent(most) : `${least.toFixed(1)} to ${percent(most)}`
}

/** What was tried of a rule on a model of links. */
const valuesOf = (findings: Findings, title: string, links: string): ReadonlyArray<TriedValue> => {
  const table = tableOf(findings, title)
  return table.rows
    .filter((row) => table.text(row, "links") === links)
    .map((row) => ({
      label: table.text(row, "value"),
      effect: table.number(row, "effect %"),
      isBase: table.text(row, "") === baseMark
    }))
}

const whatMatters = (options: PolicyOptions, findings: Findings, links: string): string => {
  const harmful = factorsOf(options)
    .filter(({ name }) => name !== pieceFactor)
    .map(({ name, title }) => {
      const values = valuesOf(findings, title, links)
      const ships = values.find(({ isBase }) => isBase)?.label ?? ""
      return { name, ships, range: harmfulRange(values) }
    })
    .filter(({ range }) => range.length > 0)
    .sort((left, right) => worstOf(right.range) - worstOf(left.range))
    .slice(0, 3)
  const [first, ...others] = harmful
  if (first === undefined) return `On ${links} links no rule matters: no other value is noticeably slower.`
  const labels = rangeText(first.range.map(({ label }) => label))
  const following = others.map(({ name, range }) => `${name} (${percent(worstOf(range))})`)
  return (
    `On ${links} links ${first.name} matters most: ${labels} instead of ${first.ships} ` +
    `${first.range.length === 1 ? "makes" : "make"} the slowest host ${effectsText(first.range)} slower` +
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

export const answerOf = (options: PolicyOptions, findings: Findings): string => {
  const { links } = options
  const [rules, pairs] = [tableOf(findings, rulesTitle), tableOf(findings, pairsTitle)]
  const [first] = links
  invariant(first !== undefined, "policies: there is a model of links")
  return [
    ...(rules.rows.length === 0 ? [] : [whatMatters(options, findings, first)]),
    ...(pairs.rows.length === 0 ? [] : [whatMattersTogether(pairs, first)]),
    whatIsBest(rules, links)
  ].join(" ")
}
