// Decides what the index of all reports looks like: for each experiment the question, its answer, the main chart, then
// its tables, and a link to the report's own page. A report whose code has changed since is marked, more mildly if its
// small version is what it was. One page that asks nothing of any network; a pure function of its input.

import { reportStyle } from "./report-style.ts"
import { chartFigure, escape, figuresTable, ownTable, timesTable } from "./report-tables.ts"
import type { Result } from "./result.ts"

/** What has changed since a report was made. */
export type Standing = "same" | "changed, small version the same" | "changed"

export interface IndexEntry {
  /** Also the report's folder. */
  readonly name: string
  readonly title: string
  readonly question: string
  /** There is a result, but not one of this version. */
  readonly unreadable?: boolean
  /** Absent until the experiment has run. */
  readonly report?: {
    readonly result: Result
    /** The main chart's drawing, when there is one. */
    readonly svg?: string
    /** How it stands to the code as it is now. */
    readonly sources: Standing
  }
}

const notes: Readonly<Record<Standing, string>> = {
  same: "",
  "changed, small version the same": `<p class="stale">Its code has changed since; its small version still gives the same figures.</p>`,
  changed: `<p class="stale">Made by other code than what stands here now: the figures may have changed.</p>`
}

const chartOf = (name: string, result: Result, svg: string | undefined): string => {
  const [main] = result.charts
  if (main === undefined || svg === undefined) return ""
  // The drawing's own names begin with the chart's; on this page many charts are called "chart".
  const own = svg.replaceAll(`id="${main.name}-`, `id="${name}-${main.name}-`)
  const named = own.replaceAll(`url(#${main.name}-`, `url(#${name}-${main.name}-`)
  return chartFigure({ ...main, id: `${name}-${main.name}`, svg: named })
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
  const { result, svg, sources } = report
  return `${head}
<p class="answer">${escape(result.answer)}</p>
${notes[sources]}
${chartOf(name, result, svg)}
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
<p>The programs that ship, and rivals, on the same simulated network; every time is held against the fastest that is
possible. Each report is made again, byte for byte, by the command that stands on its page.</p>
<nav><ul>
${entries.map(({ name, title }) => `<li><a href="#${escape(name)}">${escape(title)}</a></li>`).join("\n")}
</ul></nav>
</header>
${entries.map(sectionOf).join("\n")}
</main>
</body>
</html>
`
