// The table of the bench as lines of text and as cells of a page: a measure in each line, a system in each column, then
// the ratio to the aim's system and the verdict. Pure.

import { alignedLines } from "../bench/bench-table.ts"
import type { Aim, Measure, Unit } from "./rows.ts"
import type { SystemName } from "./system.ts"
import type { JudgedMeasure, Verdict } from "./verdicts.ts"

/** A number in the unit of its measure. Samples are in seconds and bytes. */
export const inUnit = (value: number, unit: Unit): number =>
  unit === "ms" ? value * 1000 : unit === "MB" ? value / 1e6 : value

const shown = (value: number, unit: Unit): string => {
  const number = inUnit(value, unit)
  const size = Math.abs(number)
  return number.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

const aimText = (aim: Aim, { better, unit }: Measure): string => {
  const sign = better === "less" ? "<=" : ">="
  return aim.kind === "ratio"
    ? `${sign} ${aim.factor.toFixed(2)} x ${aim.to}`
    : `${sign} ${shown(aim.most, unit)} ${unit}`.trimEnd()
}

const verdictText = ({ ratio, standing, fails }: Verdict): string => {
  const told = ratio === undefined ? standing : `${ratio.toFixed(2)}, ${standing}`
  return fails ? told.toUpperCase() : told
}

const unitText = ({ unit }: Measure): string => (unit === "" ? "" : `, ${unit}`)

/** Heads of the columns, and a line of cells for each measure. */
export const benchCells = (
  judged: ReadonlyArray<JudgedMeasure>,
  systems: ReadonlyArray<SystemName>
): { readonly heads: ReadonlyArray<string>; readonly lines: ReadonlyArray<ReadonlyArray<string>> } => ({
  heads: ["row", "measure", ...systems, "aim", "ratio and verdict"],
  lines: judged.map(({ row, measure, medians, verdicts }, index) => [
    judged[index - 1]?.row === row ? "" : row.name,
    `${measure.title}${unitText(measure)}`,
    ...systems.map((system) => {
      const value = medians.get(system)
      return value === undefined ? "-" : shown(value, measure.unit)
    }),
    verdicts.map(({ aim }) => aimText(aim, measure)).join("; "),
    verdicts.map(verdictText).join("; ")
  ])
})

export const benchLines = (
  judged: ReadonlyArray<JudgedMeasure>,
  systems: ReadonlyArray<SystemName>
): ReadonlyArray<string> => {
  const { heads, lines } = benchCells(judged, systems)
  return alignedLines([heads, ...lines])
}
