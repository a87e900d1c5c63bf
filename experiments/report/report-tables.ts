// Numbers, tables and charts of a result in HTML, for the page of a report and for the index. Pure functions of their
// input; all texts are escaped.

import type { DrawnChart } from "./chart.ts"
import type { Figure, Result, Table, Times } from "./result.ts"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;"
}
export const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => entities[character] ?? character)

/** The model of links, set apart under an answer. */
export const badge = (links: string | undefined): string =>
  links === undefined ? "" : `<p class="links"><span>${escape(links)}</span></p>`

/** The same behind the title of a chart, unless there are several: then the chart says which is which. */
export const titleNote = (links: string | undefined): string =>
  links === undefined || links.includes(" and ") ? "" : `<span class="unit"> · ${escape(links)}</span>`

/** Level of a heading. */
export type Level = 2 | 3
const heading = (level: Level, text: string): string => `<h${level}>${escape(text)}</h${level}>`

const withThousands = (digits: string): string => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",")

/** A number for people: whole numbers in groups of three digits, others with about four figures, tiny ones with two. */
export const readable = (value: number): string => {
  if (Number.isInteger(value)) return withThousands(String(value))
  const size = Math.abs(value)
  if (size < 0.01) return value.toPrecision(2)
  const [whole = "", fraction] = value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3).split(".")
  return `${withThousands(whole)}.${fraction}`
}

const largerUnits = ["kB", "MB", "GB", "TB", "PB"]

/** Value and unit for people: from a million bytes on in a larger unit, everything else as it is. */
const readableFigure = (figure: Figure): readonly [value: string, unit: string] => {
  if (figure.unit !== "B" || figure.value < 1e6) return [readable(figure.value), figure.unit]
  let value = figure.value
  let unit = "B"
  for (const larger of largerUnits) {
    if (value < 1000) break
    value /= 1000
    unit = larger
  }
  return [readable(value), unit]
}

const secondsCell = (seconds: number): string => `<td class="number">${seconds.toFixed(3)} s</td>`
const ratioCell = (ratio: number): string => `<td class="number">${ratio.toFixed(3)}</td>`

const timesRows = (label: string, times: Times): string => `<tr><th scope="row">${label}, time</th>${[
  times.p50_s,
  times.p99_s,
  times.p999_s,
  times.max_s,
  times.bound_s
]
  .map(secondsCell)
  .join("")}</tr>
<tr><th scope="row">${label}, over the bound</th>${[
  times.ratio.p50,
  times.ratio.p99,
  times.ratio.p999,
  times.ratio.max,
  1
]
  .map(ratioCell)
  .join("")}</tr>`

/** Empty when no strategy has times. */
export const timesTable = (result: Result, level: Level): string => {
  const rows = Object.entries(result.strategies).flatMap(([strategy, found]) => [
    ...(found.image === undefined ? [] : [timesRows(`${escape(strategy)}, image`, found.image)]),
    ...(found.blob === undefined ? [] : [timesRows(`${escape(strategy)}, blob`, found.blob)])
  ])
  if (rows.length === 0) return ""
  return `${heading(level, "Completion times")}
${result.bound === undefined ? "" : `<p>The bound: ${escape(result.bound)}</p>`}
<div class="table"><table>
<thead><tr><th scope="col">Strategy</th><th scope="col" class="number">p50</th><th scope="col" class="number">p99</th><th scope="col" class="number">p99.9</th><th scope="col" class="number">slowest</th><th scope="col" class="number">bound</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`
}

/** Empty without figures. */
export const figuresTable = (result: Result, level: Level): string => {
  const rows = Object.entries(result.figures).map(([name, figure]) => {
    const [value, unit] = readableFigure(figure)
    const unitText = unit === "" ? "" : ` <span class="unit">${escape(unit)}</span>`
    return `<tr><th scope="row">${escape(name.replaceAll("_", " "))}</th><td class="number">${value}${unitText}</td><td class="meaning">${escape(figure.meaning)}</td></tr>`
  })
  if (rows.length === 0) return ""
  return `${heading(level, "Figures")}
<div class="table figures"><table>
<thead><tr><th scope="col">Figure</th><th scope="col" class="number">Value</th><th scope="col">What it is</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`
}

const cellOf = (value: string | number): string =>
  typeof value === "number" ? `<td class="number">${readable(value)}</td>` : `<td>${escape(value)}</td>`

/** The head of a column; that of a column of numbers is aligned like them. */
const headOf = ({ rows }: Table, name: string, column: number): string => {
  const numbers = rows.some((row) => typeof row[column] === "number")
  return `<th scope="col"${numbers ? ' class="number"' : ""}>${escape(name)}</th>`
}

/** A table of the experiment. */
export const ownTable = (table: Table, level: Level): string => `${heading(level, table.title)}
${table.caption === "" ? "" : `<p>${escape(table.caption)}</p>`}
<div class="table"><table>
<thead><tr>${table.columns.map((name, column) => headOf(table, name, column)).join("")}</tr></thead>
<tbody>
${table.rows.map((row) => `<tr>${row.map(cellOf).join("")}</tr>`).join("\n")}
</tbody></table></div>`

/** A drawing with an identifier that no other drawing of the page has. */
export interface ShownChart extends Pick<DrawnChart, "title" | "caption" | "svg"> {
  readonly id: string
  /** The model of links; absent where there are none. */
  readonly links?: string | undefined
}

/**
 * The SVG as a part of the page: with labels for readers who do not see it, and without the declarations of a document.
 */
const inlineSvg = (chart: ShownChart): string =>
  chart.svg
    .trim()
    .replace(/ xmlns(:xlink)?="[^"]*"/g, "")
    .replace(
      /^<svg([^>]*?) width="\d+" height="\d+"/,
      `<svg$1 role="img" aria-labelledby="${chart.id}-title ${chart.id}-caption"`
    )

/** A chart with its title and caption. */
export const chartFigure = (chart: ShownChart): string => `<figure>
<h3 id="${chart.id}-title">${escape(chart.title)}${titleNote(chart.links)}</h3>
<figcaption id="${chart.id}-caption">${escape(chart.caption)}</figcaption>
<div class="chart">${inlineSvg(chart)}</div>
</figure>`
