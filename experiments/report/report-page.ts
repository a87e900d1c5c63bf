// The page of one report in HTML: question, answer, charts, times against their bound, figures, method, limits, and the
// command that makes the page again. A pure function of its input, without clock or machine; the page needs no network.

import type { DrawnChart } from "./chart.ts"
import { reportStyle } from "./report-style.ts"
import { badge, chartFigure, escape, figuresTable, ownTable, timesTable, titleNote } from "./report-tables.ts"
import type { Result } from "./result.ts"

export interface ReportPage {
  readonly title: string
  readonly result: Result
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly charts: ReadonlyArray<Pick<DrawnChart, "name" | "title" | "caption" | "svg">>
  /** The shell command that makes the report again. */
  readonly command: string
  /** The model of links; absent where there are none. */
  readonly links?: string
  /** What short names in tables and charts mean. */
  readonly names?: Readonly<Record<string, string>>
}

const namesTable = ({ names }: ReportPage): string => {
  if (names === undefined) return ""
  const rows = Object.entries(names).map(
    ([name, meaning]) =>
      `<tr><th scope="row">${escape(name)}</th><td class="meaning">${escape(meaning)}</td></tr>\n`
  )
  return `<h2>What the names mean</h2>
<div class="table"><table>
<thead><tr><th scope="col">Name</th><th scope="col">What it is</th></tr></thead>
<tbody>
${rows.join("")}</tbody></table></div>
`
}

const optionsTable = (result: Result): string =>
  `<div class="table"><table>
<thead><tr><th scope="col">Option</th><th scope="col">Value</th></tr></thead>
<tbody>
${Object.entries({ ...result.options, seed: result.seeds })
  .map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`)
  .join("\n")}
</tbody></table></div>`

const againHead = "<h2>Make this page again</h2>\n<p>"
const again =
  "The same code, options and seeds give the same bytes, on any machine. In a clone of the project:"
const againOfOtherCode =
  "The code has changed since these figures were measured: this command measures with the present code and may give " +
  "other figures. In a clone of the project:"

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
${badge(page.links)}
</header>
${page.charts.map((chart) => chartFigure({ ...chart, id: chart.name, links: page.links })).join("\n")}
${namesTable(page)}${timesTable(page.result, 2)}
${(page.result.tables ?? []).map((table) => ownTable(table, 2)).join("\n")}
${figuresTable(page.result, 2)}
<h2>Method</h2>
${page.method.map((paragraph) => `<p>${escape(paragraph)}</p>`).join("\n")}
${optionsTable(page.result)}
<h2>Limits</h2>
<ul>
${page.limits.map((limit) => `<li>${escape(limit)}</li>`).join("\n")}
</ul>
${againHead}${again}</p>
<pre><code>${escape(page.command)}</code></pre>
<footer>Trace hash <code class="hash">${escape(page.result.trace_hash)}</code>, over every event of the run. Beside this page:
result.json and, for each chart, its vega-lite specification and SVG.</footer>
</main>
</body>
</html>
`

/**
 * A kept page with the notes that depend on the present code. Figures and words of a report whose code has changed stay
 * as they were measured.
 */
export const withPresentNotes = (
  page: string,
  { links, isOfOtherCode }: { readonly links: string | undefined; readonly isOfOtherCode: boolean }
): string =>
  page
    .replace(/<style>[^<]*<\/style>/, () => `<style>\n${reportStyle}</style>`)
    .replace(
      /(<p class="answer">[^\n]*<\/p>\n)(?:<p class="links">[^\n]*<\/p>)?\n?/,
      (_, answer: string) => `${answer}${badge(links)}\n`
    )
    .replace(
      /(<h3 id="[^"]*-title">[^<]*)(?:<span[^\n]*<\/span>)?(<\/h3>)/g,
      (_, title: string, end: string) => `${title}${titleNote(links)}${end}`
    )
    .replace(
      /<h2>Make this page again<\/h2>\n<p>[^<]*/,
      () => againHead + (isOfOtherCode ? againOfOtherCode : again)
    )
