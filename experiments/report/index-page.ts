// The index of all reports in HTML: for each experiment the question, its answer, the main chart, its tables, and a
// link to the page of the report. A report whose code has changed is marked, more mildly if the figures of its small
// version are the same. The page needs no network. A pure function of its input.

import { reportStyle } from "./report-style.ts"
import { badge, chartFigure, escape, figuresTable, ownTable, timesTable } from "./report-tables.ts"
import type { Result } from "./result.ts"

/** What has changed since a report was made. */
export type Standing = "same" | "changed, small version the same" | "changed"

export interface IndexEntry {
  /** Also the folder of the report. */
  readonly name: string
  readonly title: string
  readonly question: string
  /** Whether there is a result, but not one of this version. */
  readonly unreadable?: boolean
  /** Absent until the experiment runs. */
  readonly report?: {
    readonly result: Result
    /** The drawing of the main chart, if there is one. */
    readonly svg?: string
    /** Its relation to the present code. */
    readonly sources: Standing
    /** The model of links; absent where there are none. */
    readonly links?: string
  }
}

const notes: Readonly<Record<Standing, string>> = {
  same: "",
  "changed, small version the same": `<p class="stale">Its code has changed since; its small version still gives the same figures.</p>`,
  changed: `<p class="stale">Made by other code than the present one: the figures may have changed.</p>`
}

const chartOf = (name: string, { result, svg, links }: NonNullable<IndexEntry["report"]>): string => {
  const [main] = result.charts
  if (main === undefined || svg === undefined) return ""
  // Identifiers in a drawing begin with the name of the chart; on this page many charts are called "chart".
  const own = svg.replaceAll(`id="${main.name}-`, `id="${name}-${main.name}-`)
  const named = own.replaceAll(`url(#${main.name}-`, `url(#${name}-${main.name}-`)
  return chartFigure({ ...main, id: `${name}-${main.name}`, svg: named, links })
}

const tablesOf = (result: Result): string => {
  const tables = [timesTable(result, 3), ...(result.tables ?? []).map((table) => ownTable(table, 3))]
  const told = tables.filter((table) => table !== "")
  return told.length === 0 ? figuresTable(result, 3) : told.join("\n")
}

const sectionOf = ({ name, question, unreadable, report }: IndexEntry): string => {
  const head = `<section id="${escape(name)}">
<p class="kind">${escape(name)}</p>
<h2>${escape(question)}</h2>`
  if (report === undefined) {
    return `${head}
<p>${unreadable === true ? "The report is of another version; to make it again" : "Not answered yet"}: <code>npm run experiment -- ${escape(name)}</code></p>
</section>`
  }
  const { result, sources, links } = report
  return `${head}
<p class="answer">${escape(result.answer)}</p>
${badge(links)}
${notes[sources]}
${chartOf(name, report)}
${tablesOf(result)}
<p class="more"><a href="${escape(name)}/index.html">Method, limits, all figures and charts</a></p>
</section>`
}

/** The bytes of reports/index.html. */
export const indexPage = (entries: ReadonlyArray<IndexEntry>): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shoal experiments</title>
<style>
${reportStyle}</style>
</head>
<body>
<main>
<header>
<p class="kind">Shoal</p>
<h1>Questions that the simulator answers</h1>
<p>The shipped programs and their rivals run on the same simulated network, and every time is held against the least
possible one. The command on the page of a report makes it again, byte for byte, unless its code has changed: then it
measures with the present code and may give other figures.</p>
<nav><ul>
${entries.map(({ name, title }) => `<li><a href="#${escape(name)}">${escape(title)}</a></li>`).join("\n")}
</ul></nav>
</header>
${entries.map(sectionOf).join("\n")}
</main>
</body>
</html>
`
