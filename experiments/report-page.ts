// Decides what a person reads: one self-contained page for one result. The question, the answer, the charts, the
// times against their bound, the figures, the method, its limits, and the command that makes the page again. A pure
// function of its input: nothing of the clock or the machine gets in, and the page asks nothing of any network.

import type { DrawnChart } from "./chart.ts"
import type { Figure, Result, Table, Times } from "./result.ts"
import { reportStyle } from "./report-style.ts"

export interface ReportPage {
  readonly title: string
  readonly result: Result
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly charts: ReadonlyArray<DrawnChart>
  /** The shell command that regenerates the report. */
  readonly command: string
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;"
}
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character]!)

const withThousands = (digits: string): string => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",")

/** A number as people read it: whole numbers in groups of three, others to about four figures, tiny ones to two. */
export const readable = (value: number): string => {
  if (Number.isInteger(value)) return withThousands(String(value))
  const size = Math.abs(value)
  if (size < 0.01) return value.toPrecision(2)
  const [whole, fraction] = value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3).split(".")
  return `${withThousands(whole!)}.${fraction}`
}

const byteUnits = ["B", "kB", "MB", "GB", "TB", "PB"]

/** Value and unit as people read them: bytes beyond a million in a larger unit, all else as it is. */
const readableFigure = (figure: Figure): readonly [value: string, unit: string] => {
  if (figure.unit !== "B" || figure.value < 1e6) return [readable(figure.value), figure.unit]
  let value = figure.value
  let unit = 0
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000
    unit++
  }
  return [readable(value), byteUnits[unit]!]
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

const timesTable = (result: Result): string => {
  const rows = Object.entries(result.strategies).flatMap(([strategy, found]) => [
    ...(found.image === undefined ? [] : [timesRows(`${escape(strategy)}, image`, found.image)]),
    ...(found.blob === undefined ? [] : [timesRows(`${escape(strategy)}, blob`, found.blob)])
  ])
  if (rows.length === 0) return ""
  return `<h2>Completion times</h2>
${result.bound === undefined ? "" : `<p>The bound: ${escape(result.bound)}</p>`}
<div class="table"><table>
<thead><tr><th scope="col">Strategy</th><th scope="col" class="number">p50</th><th scope="col" class="number">p99</th><th scope="col" class="number">p99.9</th><th scope="col" class="number">slowest</th><th scope="col" class="number">bound</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`
}

const figuresTable = (result: Result): string => {
  const rows = Object.entries(result.figures).map(([name, figure]) => {
    const [value, unit] = readableFigure(figure)
    const unitText = unit === "" ? "" : ` <span class="unit">${escape(unit)}</span>`
    return `<tr><th scope="row">${escape(name.replaceAll("_", " "))}</th><td class="number">${value}${unitText}</td><td class="meaning">${escape(figure.meaning)}</td></tr>`
  })
  if (rows.length === 0) return ""
  return `<h2>Figures</h2>
<div class="table figures"><table>
<thead><tr><th scope="col">Figure</th><th scope="col" class="number">Value</th><th scope="col">What it is</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`
}

const cellOf = (value: string | number): string =>
  typeof value === "number" ? `<td class="number">${readable(value)}</td>` : `<td>${escape(value)}</td>`

/** A column of numbers is headed like its numbers. */
const headOf = (table: Table, column: number): string => {
  const numbers = table.rows.some((row) => typeof row[column] === "number")
  return `<th scope="col"${numbers ? ' class="number"' : ""}>${escape(table.columns[column]!)}</th>`
}

const ownTable = (table: Table): string => `<h2>${escape(table.title)}</h2>
${table.caption === "" ? "" : `<p>${escape(table.caption)}</p>`}
<div class="table"><table>
<thead><tr>${table.columns.map((_, column) => headOf(table, column)).join("")}</tr></thead>
<tbody>
${table.rows.map((row) => `<tr>${row.map(cellOf).join("")}</tr>`).join("\n")}
</tbody></table></div>`

const optionsTable = (result: Result): string =>
  `<div class="table"><table>
<thead><tr><th scope="col">Option</th><th scope="col">Value</th></tr></thead>
<tbody>
${Object.entries({ ...result.options, seed: result.seeds })
  .map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`)
  .join("\n")}
</tbody></table></div>`

/** The SVG as a part of the page: named for readers who do not see it, and without its document's declarations. */
const inlineSvg = (chart: DrawnChart): string =>
  chart.svg
    .trim()
    .replace(/ xmlns(:xlink)?="[^"]*"/g, "")
    .replace(
      /^<svg([^>]*?) width="\d+" height="\d+"/,
      `<svg$1 role="img" aria-labelledby="${chart.name}-title ${chart.name}-caption"`
    )

const chartFigure = (chart: DrawnChart): string => `<figure>
<h3 id="${chart.name}-title">${escape(chart.title)}</h3>
<figcaption id="${chart.name}-caption">${escape(chart.caption)}</figcaption>
<div class="chart">${inlineSvg(chart)}</div>
</figure>`

/** The bytes of index.html. */
export const reportPage = (page: ReportPage): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(page.title)} · Shoal</title>
<style>
${reportStyle}</style>
</head>
<body>
<main>
<header>
<p class="kind">Shoal experiment · ${escape(page.result.experiment)}</p>
<h1>${escape(page.result.question)}</h1>
<p class="answer">${escape(page.result.answer)}</p>
</header>
${page.charts.map(chartFigure).join("\n")}
${timesTable(page.result)}
${(page.result.tables ?? []).map(ownTable).join("\n")}
${figuresTable(page.result)}
<h2>Method</h2>
${page.method.map((paragraph) => `<p>${escape(paragraph)}</p>`).join("\n")}
${optionsTable(page.result)}
<h2>Limits</h2>
<ul>
${page.limits.map((limit) => `<li>${escape(limit)}</li>`).join("\n")}
</ul>
<h2>Make this page again</h2>
<p>The same options and seeds give the same bytes, on any machine. In a clone of the project:</p>
<pre><code>${escape(page.command)}</code></pre>
<footer>Trace hash <code class="hash">${escape(page.result.trace_hash)}</code>, over every event of the run. Beside this page:
result.json and, for each chart, its vega-lite specification and SVG.</footer>
</main>
</body>
</html>
`
