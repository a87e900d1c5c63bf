// The page of one report in HTML: question, answer, charts, times against their bound, figures, method, limits, and the
// command that makes the page again. A pure function of its input, without clock or machine; the page needs no network.

import type { DrawnChart } from "./chart.ts"
import { reportStyle } from "./report-style.ts"
import { chartFigure, escape, figuresTable, ownTable, timesTable } from "./report-tables.ts"
import type { Result } from "./result.ts"

export interface ReportPage {
  readonly title: string
  readonly result: Result
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly charts: ReadonlyArray<Pick<DrawnChart, "name" | "title" | "caption" | "svg">>
  /** The shell command that makes the report again. */
  readonly command: string
}

const optionsTable = (result: Result): string =>
  `<div class="table"><table>
<thead><tr><th scope="col">Option</th><th scope="col">Value</th></tr></thead>
<tbody>
${Object.entries({ ...result.options, seed: result.seeds })
  .map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`)
  .join("\n")}
</tbody></table></div>`

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
<p class="kind"><a href="../index.html">Shoal experiments</a> · ${escape(page.result.experiment)}</p>
<h1>${escape(page.result.question)}</h1>
<p class="answer">${escape(page.result.answer)}</p>
</header>
${page.charts.map((chart) => chartFigure({ ...chart, id: chart.name })).join("\n")}
${timesTable(page.result, 2)}
${(page.result.tables ?? []).map((table) => ownTable(table, 2)).join("\n")}
${figuresTable(page.result, 2)}
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
