// The files of a report of the bench: the page, the chart, and result.json with the samples of every run and what the
// machine was. A pure function of its input. Unlike the reports of experiments it cannot be made again to the byte.

import type { DrawnChart } from "../report/chart.ts"
import { chartFiles, type ReportFile } from "../report/report-files.ts"
import { reportStyle } from "../report/report-style.ts"
import { chartFigure, escape, ownTable } from "../report/report-tables.ts"
import { canonicalJson, type Table } from "../report/result.ts"
import { benchCells } from "./bench-lines.ts"
import type { SystemName } from "./system.ts"
import { isRatio, type JudgedMeasure, type Samples } from "./verdicts.ts"

export interface BenchReport {
  readonly judged: ReadonlyArray<JudgedMeasure>
  readonly samples: Samples
  readonly systems: ReadonlyArray<{ readonly name: SystemName; readonly title: string }>
  readonly chart: DrawnChart | undefined
  /** Lines about when, where and how it was measured, by their subject. */
  readonly conditions: Readonly<Record<string, string>>
}

/** One sentence on how many of the ratios are met. */
const answerOf = (judged: ReadonlyArray<JudgedMeasure>): string => {
  const ratios = judged.flatMap(({ verdicts }) => verdicts.filter(({ aim }) => isRatio(aim)))
  const count = (standing: string): number => ratios.filter((verdict) => verdict.standing === standing).length
  const [met, nearly, missed] = [count("met"), count("missed within tolerance"), count("missed")]
  return (
    `Of ${met + nearly + missed} ratios that were measured, ${met} are met, ${nearly} are missed by ` +
    `at most 15 %, and ${missed} by more.`
  )
}

const question = "What do Shoal's processes cost beside other registries, and beside bare Node?"

const method = [
  "Every scenario starts every system in turn in an empty folder, run after run, every other run the other way round; " +
    "numbers are medians. Clients are processes of their own in plain node:http, each client with one connection.",
  "Processor time is the kernel's, of every process of a system and of its descendants, until the system is quiet " +
    "again; the clients' does not count. Peak memory is VmHWM, other memory VmRSS.",
  "The column node is the floor: the least registry in bare Node that stores blobs durably and verified, and as an " +
    "agent stores a blob before it serves it. Absolute aims depend on the machine and are not checked."
]

const conditionsTable = (conditions: BenchReport["conditions"]): Table => ({
  title: "Conditions",
  caption: "",
  columns: ["what", "how"],
  rows: Object.entries(conditions)
})

const page = ({ judged, systems, chart, conditions }: BenchReport): string => {
  const { heads, lines } = benchCells(
    judged,
    systems.map(({ name }) => name)
  )
  const table: Table = {
    title: "Table",
    caption: "A ratio is Shoal's number over that of the system of its aim, or over the bound.",
    columns: heads,
    rows: lines
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Real processes · Shoal</title>
<style>
${reportStyle}main { max-width: 68rem }
</style>
</head>
<body>
<main>
<header>
<p class="kind"><a href="../index.html">Shoal experiments</a> · bench:real</p>
<h1>${escape(question)}</h1>
<p class="answer">${escape(answerOf(judged))}</p>
</header>
${chart === undefined ? "" : chartFigure({ ...chart, id: chart.name })}
${ownTable(table, 2)}
<h2>Method</h2>
${method.map((paragraph) => `<p>${escape(paragraph)}</p>`).join("\n")}
<ul>
${systems.map(({ name, title }) => `<li>${escape(name)}: ${escape(title)}</li>`).join("\n")}
</ul>
${ownTable(conditionsTable(conditions), 2)}
<footer>Measured on a real machine, so another run gives other numbers. Every run's are in result.json.</footer>
</main>
</body>
</html>
`
}

/** All files of the report. */
export const benchReportFiles = (report: BenchReport): ReadonlyArray<ReportFile> => {
  const { judged, samples, conditions, chart } = report
  const result = {
    question,
    answer: answerOf(judged),
    conditions,
    measures: judged.map(({ row, measure, medians, verdicts }) => ({
      row: row.name,
      metric: measure.metric,
      medians: Object.fromEntries(medians),
      aims: verdicts.map(({ aim, ratio, standing }) => ({ ...aim, ratio, standing }))
    })),
    samples: Object.fromEntries(
      [...samples].map(([scenario, bySystem]) => [scenario, Object.fromEntries(bySystem)])
    )
  }
  return [
    { name: "result.json", text: canonicalJson(result) },
    { name: "index.html", text: page(report) },
    ...(chart === undefined ? [] : chartFiles(chart))
  ]
}
