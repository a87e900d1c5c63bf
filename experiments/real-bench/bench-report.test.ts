// Tests of the report: its sentence counts the ratios, its page shows the table and escapes what others wrote, its
// chart draws cost as less is better, and result.json keeps every run.

import { Effect } from "effect"
import { expect, test } from "vitest"
import { drawChart } from "../report/chart.ts"
import { benchChart } from "./bench-chart.ts"
import { benchReportFiles } from "./bench-report.ts"
import { rows } from "./rows.ts"
import { judge, type Samples } from "./verdicts.ts"

const samples: Samples = new Map([
  [
    "small-16",
    new Map([
      [
        "shoal" as const,
        [
          { rate: 30, cpu: 0.01 },
          { rate: 40, cpu: 0.01 },
          { rate: 50, cpu: 0.01 }
        ]
      ],
      ["distribution" as const, [{ rate: 80, cpu: 0.01 }]],
      ["node" as const, [{ rate: 160, cpu: 0.004 }]]
    ])
  ]
])
const systems = [
  { name: "shoal" as const, title: "Shoal" },
  { name: "distribution" as const, title: "<distribution>" },
  { name: "node" as const, title: "bare Node" }
]
const judged = judge(
  rows,
  systems.map(({ name }) => name),
  samples
)

const filesOf = async () => {
  const source = benchChart(judged)
  const chart = source === undefined ? undefined : await Effect.runPromise(drawChart(source))
  const files = benchReportFiles({ judged, samples, systems, chart, conditions: { "other work": "a & b" } })
  return new Map(files.map(({ name, text }) => [name, text]))
}

test("the chart shows costs, so half a rate is twice the cost", () => {
  const { spec } = benchChart(judged)!
  const name = "push-small-16: images a second"
  expect((spec as unknown as { data: { values: ReadonlyArray<unknown> } }).data.values.slice(0, 3)).toEqual([
    { measure: name, cost: 2, which: "Shoal" },
    { measure: name, cost: 0.5, which: "bare Node (floor)" },
    { measure: name, cost: 0.833333, which: "aim" }
  ])
})

test("without another system there is no chart", () => {
  const own: Samples = new Map([["small-16", new Map([["shoal" as const, [{ rate: 1 }]]])]])
  expect(benchChart(judge(rows, ["shoal"], own))).toBeUndefined()
})

test("the page has the answer, the table and the drawing, and result.json every run", async () => {
  const files = await filesOf()
  expect([...files.keys()]).toEqual(["result.json", "index.html", "chart.vl.json", "chart.svg"])
  const page = files.get("index.html")
  expect(page).toContain("Of 2 ratios that were measured, 1 are met, 0 are missed by at most 15 %, and 1 by")
  expect(page).toContain("&lt;distribution&gt;")
  expect(page).toContain("a &amp; b")
  expect(page).toContain("<svg")
  const result = JSON.parse(files.get("result.json") ?? "")
  expect(result.samples["small-16"].shoal).toHaveLength(3)
  expect(result.measures[0]).toMatchObject({ row: "push-small-16", medians: { shoal: 40 } })
  expect(result.measures[0].aims).toEqual([
    { kind: "ratio", to: "distribution", factor: 1.2, ratio: 0.5, standing: "missed" }
  ])
})
